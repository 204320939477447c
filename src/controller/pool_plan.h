// What becomes of IPPools (calico.md 2.9). Pure.
//
// A finalizer holds a deletion back until nothing of the pool is in use, since pods whose pool is
// gone would lose their routes:
//
//   there --(deleted by a user)--> terminating: no new addresses; the blocks that are empty go;
//   what is in use is told in the condition Allocatable and by an event --(the last one given
//   back)--> gone
//
// Whoever does not want to wait removes the finalizer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/api_write.h"
#include "controller/object_table.h"
#include "ipam/address_world.h"
#include "ipam/collector.h"

namespace caracal::controller {

inline constexpr std::string_view kPoolFinalizer = "caracal.io/ip-pool";
inline constexpr std::string_view kAllocatable = "Allocatable";

struct PoolPlan {
  std::vector<ApiWrite> writes;
  std::vector<ipam::BlockReturn> returns;  // empty blocks of pools that are being deleted
  size_t held = 0;                         // pools that got the finalizer
  size_t told = 0;                         // conditions
  size_t waiting = 0;                      // pools whose deletion waits
  size_t released = 0;                     // pools that may go now
};

// `records_known`: blocks and affinities are complete; without them no pool goes.
PoolPlan plan_pools(const ObjectTable& pools, const ipam::AddressWorld& world, bool records_known,
                    const std::string& reporter, const std::string& now);

}  // namespace caracal::controller
