// What `caracal ipam check` finds: places where pools, blocks, affinities, handles and pods
// contradict each other. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipam/address_world.h"

namespace caracal::ipam {

enum class InconsistencyKind : uint8_t {
  kBrokenObject,          // cannot be read, or an invariant of Block does not hold
  kBlockOutsidePools,     // the block, or an address of it, is in no pool
  kBlocksOverlap,         // two blocks have addresses in common
  kAddressTwice,          // two pods have one address
  kAddressLeaked,         // nobody has it (candidate: not proven over time)
  kPodAddressNotTaken,    // a pod has an address of a pool which no block says is taken
  kPodAddressOfOther,     // a block says that another has a pod's address
  kBlockWithoutAffinity,  // the block names an owner; there is no affinity object
  kAffinityWithoutBlock,  // or the block is another's
  kAffinityNotConfirmed,  // pending or pendingDeletion
  kHandleMismatch,        // the handle object counts otherwise than the blocks
};
std::string_view to_string(InconsistencyKind kind);  // "AddressLeaked"

struct Inconsistency {
  InconsistencyKind kind;
  std::optional<net::IpAddr> address;
  std::optional<net::Cidr> block;
  std::string object;  // "IPAMBlock 10-0-0-0-26", "Pod dev/web"; may be empty
  std::string text;    // what is wrong, one sentence
  bool operator==(const Inconsistency&) const = default;
};

// Sorted by kind, then by address or block. A missing handle object is none: none are written here.
std::vector<Inconsistency> find_inconsistencies(const AddressWorld& world);

}  // namespace caracal::ipam
