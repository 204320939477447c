#include "ipam/block.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace caracal::ipam {

using net::IpAddr;

std::optional<Owner> Owner::parse(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
  const std::string_view kind = text.substr(0, colon);
  if (kind != "host" && kind != "virtual") return std::nullopt;
  return Owner{kind == "host" ? Kind::kHost : Kind::kVirtual, std::string(text.substr(colon + 1))};
}

std::string Owner::to_string() const { return fmt::format("{}:{}", kind_text(), name); }

std::string_view AllocationAttributes::get(std::string_view key) const {
  const auto at = owner.find(key);
  return at == owner.end() ? std::string_view() : std::string_view(at->second);
}

std::string_view clean_handle(std::string_view handle_id) {
  return handle_id.substr(0, handle_id.find('\r'));
}

bool is_tunnel_type(std::string_view type) { return type.ends_with("TunnelAddress"); }

Block::Block(const net::Cidr& cidr, std::optional<Owner> affinity, uint64_t sequence)
    : cidr_(cidr), affinity_(std::move(affinity)), sequence_(sequence) {
  const int bits = net::address_bits(cidr.family()) - cidr.bits();
  CARACAL_CHECK(bits >= 0 && bits <= 16);
  const uint32_t count = 1U << bits;
  allocations_.assign(count, kFree);
  unallocated_.resize(count);
  for (uint32_t i = 0; i < count; ++i) unallocated_[i] = i;
}

IpAddr Block::address_of(uint32_t ordinal) const {
  // A block is aligned and has at most 2^16 addresses: only the last two bytes change.
  IpAddr base = cidr_.address();
  if (base.is_v4()) return IpAddr::v4(base.v4_host_order() | ordinal);
  std::array<uint8_t, 16> bytes;
  std::copy_n(base.data(), 16, bytes.begin());
  bytes[14] = static_cast<uint8_t>(bytes[14] | ordinal >> 8);
  bytes[15] = static_cast<uint8_t>(bytes[15] | (ordinal & 0xff));
  return IpAddr::v6(bytes);
}

std::optional<uint32_t> Block::ordinal_of(const IpAddr& address) const {
  if (allocations_.empty() || !cidr_.contains(address)) return std::nullopt;
  const uint8_t* end = address.data() + address.size();
  const uint32_t low = uint32_t{end[-2]} << 8 | end[-1];
  return low & (size() - 1);
}

bool Block::affine_to_host(std::string_view node) const {
  return affinity_ && affinity_->kind == Owner::Kind::kHost && affinity_->name == node;
}

void Block::set_affinity(std::optional<Owner> affinity, std::optional<Time> claimed_at) {
  affinity_ = std::move(affinity);
  claimed_at_ = claimed_at;
}

const AllocationAttributes* Block::attributes_of(uint32_t ordinal) const {
  const uint32_t index = allocations_[ordinal];
  return index == kFree ? nullptr : &attributes_[index];
}

bool Block::is_cooling(uint32_t ordinal) const {
  const AllocationAttributes* attributes = attributes_of(ordinal);
  return attributes != nullptr && attributes->released_at.has_value();
}

uint64_t Block::sequence_of(uint32_t ordinal) const {
  const auto at = sequence_of_.find(ordinal);
  return at == sequence_of_.end() ? 0 : at->second;
}

std::optional<Allocation> Block::allocation_of(const IpAddr& address) const {
  const auto ordinal = ordinal_of(address);
  if (!ordinal) return std::nullopt;
  const AllocationAttributes* attributes = attributes_of(*ordinal);
  if (attributes == nullptr || attributes->released_at) return std::nullopt;
  return Allocation{address, std::string(clean_handle(attributes->handle_id.value_or(""))),
                    sequence_of(*ordinal)};
}

std::vector<Allocation> Block::allocations_of(std::string_view handle_id) const {
  std::vector<Allocation> out;
  for (uint32_t ordinal = 0; ordinal < size(); ++ordinal) {
    const AllocationAttributes* attributes = attributes_of(ordinal);
    if (attributes == nullptr || attributes->released_at || !attributes->handle_id ||
        clean_handle(*attributes->handle_id) != handle_id) {
      continue;
    }
    out.push_back({address_of(ordinal), std::string(handle_id), sequence_of(ordinal)});
  }
  return out;
}

bool Block::empty() const {
  return std::all_of(allocations_.begin(), allocations_.end(), [&](uint32_t index) {
    if (index == kFree) return true;
    const auto& handle = attributes_[index].handle_id;
    return handle && clean_handle(*handle) == kWindowsHandle;
  });
}

void Block::take(uint32_t ordinal, std::string_view handle_id, const Attributes& owner) {
  std::erase(unallocated_, ordinal);
  AllocationAttributes wanted;
  wanted.handle_id = std::string(handle_id);
  wanted.owner = owner;
  const auto same = std::find(attributes_.begin(), attributes_.end(), wanted);
  allocations_[ordinal] = static_cast<uint32_t>(same - attributes_.begin());
  if (same == attributes_.end()) attributes_.push_back(std::move(wanted));
  sequence_of_[ordinal] = sequence_;
}

Status Block::assign_address(const IpAddr& address, std::string_view handle_id,
                             const Attributes& owner) {
  const auto ordinal = ordinal_of(address);
  if (!ordinal) {
    return fail(Errc::kInvalid, fmt::format("address {} is not in block {}", address.to_string(),
                                            cidr_.to_string()));
  }
  if (const AllocationAttributes* holder = attributes_of(*ordinal)) {
    if (holder->released_at) {
      return fail(Errc::kExists,
                  fmt::format("address {} was released at {} and cools down (ipCooldownSeconds of "
                              "IPAMConfig)",
                              address.to_string(), to_rfc3339(*holder->released_at)));
    }
    std::string who = fmt::format("handle {}", holder->handle_id.value_or("(none)"));
    if (const auto pod = holder->get(kPodAttribute); !pod.empty()) {
      who = fmt::format("pod {}/{}", holder->get(kNamespaceAttribute), pod);
    }
    return fail(Errc::kExists, fmt::format("address {} is taken by {}", address.to_string(), who));
  }
  take(*ordinal, handle_id, owner);
  return {};
}

Status Block::release(const IpAddr& address, std::string_view handle_id,
                      std::optional<uint64_t> sequence, Time now, uint32_t cooldown_seconds) {
  const auto ordinal = ordinal_of(address);
  if (!ordinal) {
    return fail(Errc::kInvalid, fmt::format("address {} is not in block {}", address.to_string(),
                                            cidr_.to_string()));
  }
  const AllocationAttributes* holder = attributes_of(*ordinal);
  if (holder == nullptr || holder->released_at) {
    return fail(Errc::kNotFound, fmt::format("address {} is not taken", address.to_string()));
  }
  const std::string_view held_by =
      holder->handle_id ? clean_handle(*holder->handle_id) : std::string_view();
  if (!handle_id.empty() && held_by != handle_id) {
    return fail(Errc::kConflict, fmt::format("address {} belongs to handle {}, not to {}",
                                             address.to_string(), held_by, handle_id));
  }
  if (sequence && *sequence != sequence_of(*ordinal)) {
    return fail(
        Errc::kConflict,
        fmt::format("address {} has been given out again since (sequence number {}, not {})",
                    address.to_string(), sequence_of(*ordinal), *sequence));
  }
  free_ordinals({*ordinal}, now, cooldown_seconds);
  return {};
}

size_t Block::release_handle(std::string_view handle_id, Time now, uint32_t cooldown_seconds) {
  std::vector<uint32_t> ordinals;
  for (const Allocation& allocation : allocations_of(handle_id)) {
    ordinals.push_back(*ordinal_of(allocation.address));
  }
  if (!ordinals.empty()) free_ordinals(ordinals, now, cooldown_seconds);
  return ordinals.size();
}

void Block::free_ordinals(const std::vector<uint32_t>& ordinals, Time now,
                          uint32_t cooldown_seconds) {
  if (cooldown_seconds > 0) {
    AllocationAttributes cooling;
    cooling.released_at = now;
    const auto same = std::find(attributes_.begin(), attributes_.end(), cooling);
    const auto index = static_cast<uint32_t>(same - attributes_.begin());
    if (same == attributes_.end()) attributes_.push_back(std::move(cooling));
    for (const uint32_t ordinal : ordinals) {
      allocations_[ordinal] = index;
      sequence_of_[ordinal] = sequence_;
    }
  } else {
    for (const uint32_t ordinal : ordinals) {
      allocations_[ordinal] = kFree;
      sequence_of_.erase(ordinal);
      unallocated_.push_back(ordinal);
    }
  }
  drop_unused_attributes();
}

bool Block::cool(Time now, uint32_t cooldown_seconds) {
  // The one that was released first goes to the queue first.
  std::vector<std::pair<Time, uint32_t>> ripe;
  for (uint32_t ordinal = 0; ordinal < size(); ++ordinal) {
    if (!is_cooling(ordinal)) continue;
    const Time since = *attributes_of(ordinal)->released_at;
    if (since + std::chrono::seconds(cooldown_seconds) <= now) ripe.emplace_back(since, ordinal);
  }
  if (ripe.empty()) return false;
  std::sort(ripe.begin(), ripe.end());
  std::vector<uint32_t> ordinals;
  for (const auto& [since, ordinal] : ripe) ordinals.push_back(ordinal);
  free_ordinals(ordinals, now, 0);
  return true;
}

void Block::drop_unused_attributes() {
  std::vector<uint32_t> moved(attributes_.size(), kFree);
  for (const uint32_t index : allocations_) {
    if (index != kFree) moved[index] = 0;
  }
  uint32_t next = 0;
  for (uint32_t index = 0; index < moved.size(); ++index) {
    if (moved[index] == kFree) continue;
    moved[index] = next;
    if (next != index) attributes_[next] = std::move(attributes_[index]);
    ++next;
  }
  attributes_.resize(next);
  for (uint32_t& index : allocations_) {
    if (index != kFree) index = moved[index];
  }
}

std::string Block::problem() const {
  const int bits = net::address_bits(cidr_.family()) - cidr_.bits();
  if (bits > 16)
    return fmt::format("cidr {}: more than {} addresses", cidr_.to_string(), kMaxAddresses);
  if (allocations_.size() != size_t{1} << bits) {
    return fmt::format("allocations: {} entries for {} addresses", allocations_.size(), 1U << bits);
  }
  std::vector<bool> queued(allocations_.size());
  for (const uint32_t ordinal : unallocated_) {
    if (ordinal >= queued.size())
      return fmt::format("unallocated: {} is not in the block", ordinal);
    if (queued[ordinal]) return fmt::format("unallocated: {} is there twice", ordinal);
    queued[ordinal] = true;
  }
  std::vector<bool> used(attributes_.size());
  for (uint32_t ordinal = 0; ordinal < allocations_.size(); ++ordinal) {
    const uint32_t index = allocations_[ordinal];
    if (index == kFree) {
      if (!queued[ordinal]) return fmt::format("ordinal {} is neither taken nor free", ordinal);
      continue;
    }
    if (queued[ordinal]) return fmt::format("ordinal {} is both taken and free", ordinal);
    if (index >= used.size()) return fmt::format("allocations: no attributes {}", index);
    used[index] = true;
  }
  const auto unused = std::find(used.begin(), used.end(), false);
  if (unused != used.end()) {
    return fmt::format("attributes: no address has entry {}", unused - used.begin());
  }
  return {};
}

}  // namespace caracal::ipam
