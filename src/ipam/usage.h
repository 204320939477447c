// How full pools and blocks are, and who fills them: what `caracal ipam show` and `blocks` draw,
// and what metrics count. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipam/address_world.h"

namespace caracal::ipam {

enum class AddressState : uint8_t {
  kFree,
  kUsed,      // by the block's own node, or in a block of nobody
  kBorrowed,  // by another node than the block's
  kTunnel,    // of a node itself
  kCooling,   // released a moment ago
  kReserved,  // free, but in an IPReservation
};
std::string_view to_string(AddressState state);  // "free", "used", ...

struct BlockUsage {
  net::Cidr cidr;
  std::optional<Owner> owner;
  std::string pool;                  // name; empty: in none
  std::vector<AddressState> states;  // by ordinal
  uint32_t free = 0;
  uint32_t used = 0;  // tunnels and borrowed ones included
  uint32_t borrowed = 0;
  uint32_t tunnels = 0;
  uint32_t cooling = 0;
  uint32_t reserved = 0;                         // free but reserved
  std::map<std::string, uint32_t> used_by_node;  // "" when the attributes name none
  uint32_t capacity() const { return static_cast<uint32_t>(states.size()); }
};

struct PoolUsage {
  model::IpPool pool;
  uint64_t capacity = 0;  // addresses; UINT64_MAX: that many or more
  uint64_t used = 0;
  uint64_t borrowed = 0;
  uint64_t tunnels = 0;
  uint64_t cooling = 0;
  uint64_t reserved = 0;  // of the whole pool, whether free or taken
  uint64_t free = 0;      // can be given out: neither taken nor cooling nor reserved; saturates
  uint64_t blocks = 0;
  uint64_t block_capacity = 0;  // how many blocks fit; saturates
  uint64_t blocks_empty = 0;
  std::map<std::string, uint64_t> blocks_by_node;  // "" for blocks of nobody
  std::map<std::string, uint64_t> used_by_node;
};

BlockUsage block_usage(const AddressWorld& world, const Block& block);
std::vector<BlockUsage> block_usages(const AddressWorld& world);  // sorted by CIDR
std::vector<PoolUsage> pool_usages(const AddressWorld& world);    // sorted by name

// All there is to say of one address, for `caracal ipam show --ip`.
struct AddressOwner {
  AddressState state = AddressState::kFree;
  std::optional<net::Cidr> block;
  std::string pool;
  std::string handle_id;
  Attributes attributes;
  std::optional<Time> released_at;
};
AddressOwner address_owner(const AddressWorld& world, const net::IpAddr& address);

}  // namespace caracal::ipam
