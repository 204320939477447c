// Splits an IPPool into 2^n pools of the same settings, without moving an address: blocks stay
// where they are, only which pool contains them changes.
//
// The cluster must be locked (ClusterInformation.spec.datastoreReady false), so that no agent gives
// out addresses meanwhile. Steps: the old pool is disabled, the new ones are made, the old one is
// deleted. Each step can be repeated: a run that was cut off is finished by the next one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ipam/datastore.h"
#include "net/cidr.h"

namespace caracal::ipam {

struct SplitRequest {
  std::string pool;  // name or CIDR
  uint32_t parts = 2;
};

struct SplitReport {
  std::string pool;
  net::Cidr cidr;
  std::vector<std::pair<std::string, net::Cidr>> made;  // name, range
};

// The equal parts of a range. Errors: kInvalid: parts is not a power of two from 2 to 65536, or a
// part would be smaller than a block.
Result<std::vector<net::Cidr>> split_cidr(const net::Cidr& cidr, int block_bits, uint32_t parts);

// Errors: kConflict: the cluster is not locked (the text says how); kNotFound; kInvalid; those of
// the datastore. `datastore` must outlive it.
void split_pool(Datastore& datastore, SplitRequest request,
                std::function<void(Result<SplitReport>)> done);

// Locks (false) or unlocks the cluster: sets ClusterInformation.spec.datastoreReady; the object is
// made when there is none.
void set_datastore_ready(Datastore& datastore, bool ready, std::function<void(Status)> done);

}  // namespace caracal::ipam
