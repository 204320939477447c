#include "ipam/allocator.h"

#include <fmt/format.h>

#include <algorithm>

namespace caracal::ipam {
namespace {

net::IpAddr first_usable(const net::Cidr& cidr) { return cidr.first().next().next(); }
net::IpAddr last_usable(const net::Cidr& cidr) {
  return cidr.family() == net::Family::kIPv4 ? cidr.last().previous() : cidr.last();
}
bool usable(const net::Cidr& cidr, const net::IpAddr& address) {
  return address.family() == cidr.family() && first_usable(cidr) <= address &&
         address <= last_usable(cidr);
}

uint64_t usable_count(const net::Cidr& cidr) {
  const int host_bits = net::address_bits(cidr.family()) - cidr.bits();
  if (host_bits >= 62) return uint64_t{1} << 62;
  return (uint64_t{1} << host_bits) - (cidr.family() == net::Family::kIPv4 ? 3 : 2);
}

uint64_t count_between(const std::map<net::IpAddr, AttachmentId>& owners, const net::Cidr& cidr) {
  return static_cast<uint64_t>(
      std::distance(owners.lower_bound(first_usable(cidr)), owners.upper_bound(last_usable(cidr))));
}

}  // namespace

Status Allocator::set_ranges(std::vector<net::Cidr> ranges) {
  for (size_t i = 0; i < ranges.size(); ++i) {
    const net::Cidr& cidr = ranges[i];
    const int most = net::address_bits(cidr.family()) - 2;
    if (cidr.bits() > most) {
      return fail(Errc::kInvalid,
                  fmt::format("pod CIDR {}: holds no pod; its prefix length must be at most {}",
                              cidr.to_string(), most));
    }
    for (size_t j = 0; j < i; ++j) {
      if (ranges[j].contains(cidr) || cidr.contains(ranges[j])) {
        return fail(Errc::kInvalid, fmt::format("pod CIDRs {} and {} overlap",
                                                ranges[j].to_string(), cidr.to_string()));
      }
    }
  }
  ranges_ = std::move(ranges);
  return {};
}

Status Allocator::check_requested(const net::IpAddr& address) const {
  const auto range = std::find_if(ranges_.begin(), ranges_.end(),
                                  [&](const net::Cidr& cidr) { return cidr.contains(address); });
  if (range == ranges_.end()) {
    std::string valid;
    for (const net::Cidr& cidr : ranges_) valid += (valid.empty() ? "" : ", ") + cidr.to_string();
    return fail(Errc::kInvalid,
                fmt::format("requested address {}: must be in one of this node's pod CIDRs: {}",
                            address.to_string(), valid));
  }
  if (!usable(*range, address)) {
    return fail(Errc::kInvalid,
                fmt::format("requested address {}: is reserved; in {} pods may have {} to {}",
                            address.to_string(), range->to_string(),
                            first_usable(*range).to_string(), last_usable(*range).to_string()));
  }
  if (const auto owner = owners_.find(address); owner != owners_.end()) {
    return fail(Errc::kConflict, fmt::format("requested address {}: is in use by container {}",
                                             address.to_string(), owner->second.to_string()));
  }
  return {};
}

Result<net::IpAddr> Allocator::pick(net::Family family) const {
  std::string full;
  for (const net::Cidr& cidr : ranges_) {
    if (cidr.family() != family) continue;
    const uint64_t total = usable_count(cidr);
    const uint64_t used = count_between(owners_, cidr);
    if (used < total) {
      const auto cursor = cursors_.find(cidr);
      net::IpAddr candidate = cursor == cursors_.end() || cursor->second == last_usable(cidr)
                                  ? first_usable(cidr)
                                  : cursor->second.next();
      // Ends: fewer addresses are in use than there are.
      while (owners_.contains(candidate)) {
        candidate = candidate == last_usable(cidr) ? first_usable(cidr) : candidate.next();
      }
      return candidate;
    }
    full += fmt::format("{}{} ({} of {} in use)", full.empty() ? "" : ", ", cidr.to_string(), used,
                        total);
  }
  return fail(Errc::kExhausted,
              fmt::format("no free {} address in {}: delete pods of this node, have the runtime "
                          "remove leftovers (CNI GC), or give the node a larger pod CIDR",
                          net::to_string(family), full));
}

Result<std::vector<net::IpAddr>> Allocator::allocate(const AttachmentId& id,
                                                     const std::vector<net::IpAddr>& requested) {
  if (ranges_.empty()) {
    return fail(Errc::kUnavailable, "this node has no pod CIDR yet (spec.podCIDRs of the Node)");
  }
  for (size_t i = 0; i < requested.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (requested[i].family() == requested[j].family()) {
        return fail(Errc::kInvalid,
                    fmt::format("requested addresses {} and {}: at most one {} address",
                                requested[j].to_string(), requested[i].to_string(),
                                net::to_string(requested[i].family())));
      }
    }
    CARACAL_TRY(check_requested(requested[i]));
  }
  std::vector<net::IpAddr> chosen;
  for (const net::Family family : net::kFamilies) {
    if (std::none_of(ranges_.begin(), ranges_.end(),
                     [&](const net::Cidr& cidr) { return cidr.family() == family; })) {
      continue;
    }
    const auto wish = std::find_if(requested.begin(), requested.end(),
                                   [&](const net::IpAddr& a) { return a.family() == family; });
    if (wish != requested.end()) {
      chosen.push_back(*wish);
      continue;
    }
    CARACAL_ASSIGN(const net::IpAddr address, pick(family));
    chosen.push_back(address);
  }
  for (const net::IpAddr& address : chosen) {
    owners_.emplace(address, id);
    const bool wished = std::find(requested.begin(), requested.end(), address) != requested.end();
    for (const net::Cidr& cidr : ranges_) {
      if (!wished && cidr.contains(address)) cursors_[cidr] = address;
    }
  }
  return chosen;
}

Status Allocator::restore(const AttachmentId& id, const std::vector<net::IpAddr>& addresses) {
  for (const net::IpAddr& address : addresses) {
    const auto owner = owners_.find(address);
    if (owner != owners_.end() && owner->second != id) {
      return fail(Errc::kConflict,
                  fmt::format("address {} of container {} is in use by container {}",
                              address.to_string(), id.to_string(), owner->second.to_string()));
    }
  }
  for (const net::IpAddr& address : addresses) owners_.emplace(address, id);
  return {};
}

void Allocator::release(const std::vector<net::IpAddr>& addresses) {
  for (const net::IpAddr& address : addresses) owners_.erase(address);
}

std::vector<RangeUse> Allocator::use() const {
  std::vector<RangeUse> out;
  for (const net::Cidr& cidr : ranges_) {
    out.push_back({cidr, usable_count(cidr), count_between(owners_, cidr)});
  }
  return out;
}

}  // namespace caracal::ipam
