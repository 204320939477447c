#include "ipam/usage.h"

#include <algorithm>

namespace caracal::ipam {

namespace {

uint64_t saturating_add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

// Addresses of a range; UINT64_MAX: that many or more.
uint64_t size_of(const net::Cidr& cidr) {
  const int bits = net::address_bits(cidr.family()) - cidr.bits();
  return bits >= 64 ? UINT64_MAX : uint64_t{1} << bits;
}

// The reserved ranges within a pool, without those inside others: they do not overlap then.
std::vector<net::Cidr> reserved_ranges(const AddressWorld& world, const net::Cidr& within) {
  std::vector<net::Cidr> all;
  for (const auto& [name, reservation] : world.reservations) {
    for (const net::Cidr& cidr : reservation.cidrs) {
      if (within.contains(cidr)) {
        all.push_back(cidr);
      } else if (cidr.contains(within)) {
        all.push_back(within);
      }
    }
  }
  std::sort(all.begin(), all.end());
  std::vector<net::Cidr> out;
  for (const net::Cidr& cidr : all) {
    if (out.empty() || !out.back().contains(cidr)) out.push_back(cidr);
  }
  return out;
}

AddressState state_of(const AddressWorld& world, const Block& block, uint32_t ordinal) {
  const AllocationAttributes* owner = block.attributes_of(ordinal);
  if (owner == nullptr) {
    return is_reserved(world.reservations, block.address_of(ordinal)) ? AddressState::kReserved
                                                                      : AddressState::kFree;
  }
  if (owner->released_at) return AddressState::kCooling;
  const auto node = owner->get(kNodeAttribute);
  const auto& affinity = block.affinity();
  if (affinity && affinity->kind == Owner::Kind::kHost && !node.empty() && node != affinity->name)
    return AddressState::kBorrowed;
  return is_tunnel_type(owner->get(kTypeAttribute)) ? AddressState::kTunnel : AddressState::kUsed;
}

}  // namespace

std::string_view to_string(AddressState state) {
  switch (state) {
    case AddressState::kFree:
      return "free";
    case AddressState::kUsed:
      return "used";
    case AddressState::kBorrowed:
      return "borrowed";
    case AddressState::kTunnel:
      return "tunnel";
    case AddressState::kCooling:
      return "cooling";
    case AddressState::kReserved:
      return "reserved";
  }
  return "";
}

BlockUsage block_usage(const AddressWorld& world, const Block& block) {
  BlockUsage out;
  out.cidr = block.cidr();
  out.owner = block.affinity();
  if (const model::IpPool* pool = world.pool_of(block.cidr().first())) out.pool = pool->name;
  out.states.reserve(block.size());
  for (uint32_t ordinal = 0; ordinal < block.size(); ++ordinal) {
    const AddressState state = state_of(world, block, ordinal);
    out.states.push_back(state);
    switch (state) {
      case AddressState::kFree:
        ++out.free;
        continue;
      case AddressState::kReserved:
        ++out.reserved;
        continue;
      case AddressState::kCooling:
        ++out.cooling;
        continue;
      case AddressState::kBorrowed:
        ++out.borrowed;
        break;
      case AddressState::kTunnel:
        ++out.tunnels;
        break;
      case AddressState::kUsed:
        break;
    }
    ++out.used;
    ++out.used_by_node[std::string(block.attributes_of(ordinal)->get(kNodeAttribute))];
  }
  return out;
}

std::vector<BlockUsage> block_usages(const AddressWorld& world) {
  std::vector<BlockUsage> out;
  for (const auto& [cidr, stored] : world.records.blocks)
    out.push_back(block_usage(world, stored.value));
  return out;
}

std::vector<PoolUsage> pool_usages(const AddressWorld& world) {
  std::map<std::string, PoolUsage> by_pool;
  for (const auto& [name, pool] : world.pools) {
    PoolUsage& out = by_pool[name];
    out.pool = pool;
    out.capacity = size_of(pool.cidr);
    const int block_count_bits = std::max(0, pool.block_bits - pool.cidr.bits());
    out.block_capacity = block_count_bits >= 64 ? UINT64_MAX : uint64_t{1} << block_count_bits;
    for (const net::Cidr& cidr : reserved_ranges(world, pool.cidr))
      out.reserved = saturating_add(out.reserved, size_of(cidr));
    out.free = out.capacity - std::min(out.capacity, out.reserved);
  }
  for (const auto& [cidr, stored] : world.records.blocks) {
    const BlockUsage block = block_usage(world, stored.value);
    const auto at = by_pool.find(block.pool);
    if (block.pool.empty() || at == by_pool.end()) continue;
    PoolUsage& out = at->second;
    ++out.blocks;
    if (stored.value.empty()) ++out.blocks_empty;
    ++out.blocks_by_node[block.owner ? block.owner->name : std::string()];
    out.used += block.used;
    out.borrowed += block.borrowed;
    out.tunnels += block.tunnels;
    out.cooling += block.cooling;
    for (const auto& [node, count] : block.used_by_node) out.used_by_node[node] += count;
    // Taken and not reserved: no longer free. What is reserved was never counted as free.
    uint64_t taken = 0;
    for (uint32_t ordinal = 0; ordinal < stored.value.size(); ++ordinal) {
      if (!stored.value.is_free(ordinal) &&
          !is_reserved(world.reservations, stored.value.address_of(ordinal)))
        ++taken;
    }
    if (out.free != UINT64_MAX) out.free -= std::min(out.free, taken);
  }
  std::vector<PoolUsage> out;
  for (auto& [name, usage] : by_pool) out.push_back(std::move(usage));
  return out;
}

AddressOwner address_owner(const AddressWorld& world, const net::IpAddr& address) {
  AddressOwner out;
  if (const model::IpPool* pool = world.pool_of(address)) out.pool = pool->name;
  const Block* block = world.block_of(address);
  if (block == nullptr) {
    if (is_reserved(world.reservations, address)) out.state = AddressState::kReserved;
    return out;
  }
  const uint32_t ordinal = *block->ordinal_of(address);
  out.block = block->cidr();
  out.state = state_of(world, *block, ordinal);
  if (const AllocationAttributes* owner = block->attributes_of(ordinal)) {
    out.handle_id = owner->handle_id.value_or("");
    out.attributes = owner->owner;
    out.released_at = owner->released_at;
  }
  return out;
}

}  // namespace caracal::ipam
