#include "ipam/lease_book.h"

#include "base/log.h"
#include "jsonio/json.h"

namespace caracal::ipam {
namespace {

// Records: {"put": lease}, {"erase": {"container": .., "ifname": ..}}, {"cursor": {"range": ..,
// "last": ..}}.
json::object id_to_json(const AttachmentId& id) {
  json::object object;
  object["container"] = id.container_id;
  object["ifname"] = id.ifname;
  return object;
}

AttachmentId id_from_json(const json::value& value) {
  return {std::string(jsonio::get_string(value, {"container"})),
          std::string(jsonio::get_string(value, {"ifname"}))};
}

std::string put_record(const Lease& lease) {
  json::object object = id_to_json(lease.id);
  json::array& addresses = object["addresses"].emplace_array();
  for (const net::IpAddr& address : lease.addresses) addresses.emplace_back(address.to_string());
  object["committed"] = lease.committed;
  json::object& attributes = object["attributes"].emplace_object();
  for (const auto& [key, value] : lease.attributes) attributes[key] = value;
  json::object record;
  record["put"] = std::move(object);
  return jsonio::to_string(record);
}

std::string erase_record(const AttachmentId& id) {
  json::object record;
  record["erase"] = id_to_json(id);
  return jsonio::to_string(record);
}

std::string cursor_record(const net::Cidr& range, const net::IpAddr& last) {
  json::object record;
  json::object& cursor = record["cursor"].emplace_object();
  cursor["range"] = range.to_string();
  cursor["last"] = last.to_string();
  return jsonio::to_string(record);
}

Result<Lease> lease_from_json(const json::value& value) {
  Lease lease;
  lease.id = id_from_json(value);
  lease.committed = jsonio::get_bool(value, {"committed"});
  for (const json::value& text : jsonio::get_array(value, {"addresses"})) {
    CARACAL_ASSIGN(const net::IpAddr address,
                   net::IpAddr::parse(text.is_string() ? std::string_view(text.get_string()) : ""));
    lease.addresses.push_back(address);
  }
  for (const auto& member : jsonio::get_object(value, {"attributes"})) {
    if (const json::string* text = member.value().if_string()) {
      lease.attributes.emplace(std::string_view(member.key()), std::string_view(*text));
    }
  }
  return lease;
}

}  // namespace

Result<LeaseBook> LeaseBook::open(std::unique_ptr<Journal> journal) {
  LeaseBook book(std::move(journal));
  CARACAL_TRY(book.load());
  return book;
}

Status LeaseBook::load() {
  CARACAL_ASSIGN(const std::vector<std::string> records, journal_->load());
  records_ = records.size();
  for (const std::string& text : records) {
    CARACAL_ASSIGN(const json::value record, jsonio::parse(text));
    if (const json::value* put = jsonio::get(record, {"put"})) {
      CARACAL_ASSIGN(Lease lease, lease_from_json(*put));
      if (const auto old = leases_.find(lease.id); old != leases_.end()) {
        allocator_.release(old->second.addresses);
      }
      CARACAL_TRY(allocator_.restore(lease.id, lease.addresses));
      leases_[lease.id] = std::move(lease);
    } else if (const json::value* erase = jsonio::get(record, {"erase"})) {
      if (const auto old = leases_.find(id_from_json(*erase)); old != leases_.end()) {
        allocator_.release(old->second.addresses);
        leases_.erase(old);
      }
    } else if (const json::value* cursor = jsonio::get(record, {"cursor"})) {
      CARACAL_ASSIGN(const net::Cidr range,
                     net::Cidr::parse(jsonio::get_string(*cursor, {"range"})));
      CARACAL_ASSIGN(const net::IpAddr last,
                     net::IpAddr::parse(jsonio::get_string(*cursor, {"last"})));
      allocator_.set_cursor(range, last);
    }
  }
  return {};
}

std::vector<std::string> LeaseBook::snapshot() const {
  std::vector<std::string> records;
  for (const auto& [range, last] : allocator_.cursors()) {
    records.push_back(cursor_record(range, last));
  }
  for (const auto& [id, lease] : leases_) records.push_back(put_record(lease));
  return records;
}

Status LeaseBook::append(const std::string& record) {
  CARACAL_TRY(journal_->append(record));
  ++records_;
  return {};
}

// A failure costs nothing but disk space.
void LeaseBook::shorten_journal() {
  if (records_ <= 1000 + 8 * leases_.size()) return;  // history does not outweigh the present
  const std::vector<std::string> records = snapshot();
  if (Status done = journal_->rewrite(records)) {
    records_ = records.size();
  } else {
    log::warn("journal not rewritten", {{"error", done.error().message}});
  }
}

Result<Lease> LeaseBook::reserve(const AttachmentId& id, const std::vector<net::IpAddr>& requested,
                                 const Attributes& attributes) {
  if (const Lease* existing = find(id)) return *existing;
  shorten_journal();
  const auto before = allocator_.cursors();
  CARACAL_ASSIGN(const std::vector<net::IpAddr> addresses, allocator_.allocate(id, requested));
  const Lease lease{id, addresses, attributes, false};
  CARACAL_TRY(write_new(lease));
  for (const auto& [range, last] : allocator_.cursors()) {
    const auto old = before.find(range);
    if (old != before.end() && old->second == last) continue;
    // Without it the search begins elsewhere after a restart, no more.
    if (Status written = append(cursor_record(range, last)); !written)
      log::warn("cursor not recorded", {{"error", written.error().message}});
  }
  return lease;
}

Result<Lease> LeaseBook::record(const AttachmentId& id, const std::vector<net::IpAddr>& addresses,
                                const Attributes& attributes) {
  if (const Lease* existing = find(id)) return *existing;
  shorten_journal();
  CARACAL_TRY(allocator_.restore(id, addresses));
  const Lease lease{id, addresses, attributes, false};
  CARACAL_TRY(write_new(lease));
  return lease;
}

// The allocator has the addresses already; on failure they are free again.
Status LeaseBook::write_new(const Lease& lease) {
  const Status written = append(put_record(lease));
  if (written) {
    leases_.emplace(lease.id, lease);
    return {};
  }
  allocator_.release(lease.addresses);
  // The record may be in: its opposite must follow before the addresses are free for others.
  if (Status erased = append(erase_record(lease.id)); !erased) {
    CARACAL_TRY(allocator_.restore(lease.id, lease.addresses));
    leases_.emplace(lease.id, lease);
  }
  return fail(written.error().within("lease of " + lease.id.to_string() + " not recorded"));
}

Status LeaseBook::commit(const AttachmentId& id, const Attributes& attributes) {
  const auto found = leases_.find(id);
  if (found == leases_.end()) return fail(Errc::kNotFound, "no lease of " + id.to_string());
  Lease changed = found->second;
  changed.attributes = attributes;
  changed.committed = true;
  CARACAL_TRY(append(put_record(changed)));
  found->second = std::move(changed);
  return {};
}

Status LeaseBook::release(const AttachmentId& id) {
  const auto found = leases_.find(id);
  if (found == leases_.end()) return {};
  CARACAL_TRY(append(erase_record(id)));
  allocator_.release(found->second.addresses);
  leases_.erase(found);
  return {};
}

const Lease* LeaseBook::find(const AttachmentId& id) const {
  const auto found = leases_.find(id);
  return found == leases_.end() ? nullptr : &found->second;
}

}  // namespace caracal::ipam
