// Who reaches whom, over all pairs of pods at once, as counts.
//
// The pods are laid out in the order of their places. For each thing that destinations demand of
// sources there is a bitmap of the pods that meet it, kept up to date while the places are walked
// through: only where a source's egress changes its mind are bits turned. A destination's count is
// then bits counted in the stretches of its ingress row.
#pragma once

#include <cstdint>
#include <optional>

#include "analysis/reachability.h"

namespace caracal::analysis {

struct AllPairs {
  uint64_t pods = 0;       // that have an address of the family
  uint64_t pairs = 0;      // ordered, of different pods
  uint64_t connected = 0;  // pairs that may connect: on the port asked for, or on any
  bool operator==(const AllPairs&) const = default;
};

// `port`: a number on the line of policy/port_set.h.
AllPairs count_pairs(const Reachability& reachability, net::Family family,
                     std::optional<uint32_t> port, unsigned threads = 1);

}  // namespace caracal::analysis
