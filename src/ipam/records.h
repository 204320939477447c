// BlockAffinity and IPAMHandle as values, and Stored<T>: a value with what compare-and-swap needs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "ipam/block.h"
#include "jsonio/json.h"
#include "net/cidr.h"

namespace caracal::ipam {

// pending: about to make the block; confirmed: it is the owner's; pendingDeletion: about to go.
enum class ClaimState : uint8_t { kPending, kConfirmed, kPendingDeletion };
std::string_view to_string(ClaimState state);

// A node's claim to a block.
struct BlockAffinity {
  Owner owner;
  net::Cidr cidr;
  ClaimState state = ClaimState::kPending;
  bool deleted = false;
  bool operator==(const BlockAffinity&) const = default;
};

// In which blocks one handle has addresses, and how many.
struct AddressHandle {
  std::string id;
  std::map<net::Cidr, uint32_t> blocks;
  bool deleted = false;
  bool operator==(const AddressHandle&) const = default;
};

// A value as it is in the datastore. `object` is what came from there, so that what is not known
// here is written back as it was.
template <typename T>
struct Stored {
  T value;
  json::value object;
  std::string name() const { return std::string(jsonio::get_string(object, {"metadata", "name"})); }
  std::string resource_version() const {
    return std::string(jsonio::get_string(object, {"metadata", "resourceVersion"}));
  }
  std::string uid() const { return std::string(jsonio::get_string(object, {"metadata", "uid"})); }
};

using StoredBlock = Stored<Block>;
using StoredAffinity = Stored<BlockAffinity>;
using StoredHandle = Stored<AddressHandle>;

}  // namespace caracal::ipam
