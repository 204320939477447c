// Takes a block from its owner: an empty one is deleted, another is left without affinity, for whom
// has addresses in it. One way for AddressClaims (blocks of pools no longer meant for the node,
// empty blocks of others) and Releaser.
//
//   affinity pendingDeletion -> block deleted (or without affinity) -> affinity deleted
//
// A crash at any arrow leaves a state that the next run, or Collector, ends or takes back.
#pragma once

#include <functional>
#include <optional>

#include "ipam/datastore.h"
#include "ipam/records.h"

namespace caracal::ipam {

struct BlockReturnRequest {
  net::Cidr block;
  Owner owner;                       // without a name: a block of nobody
  std::optional<uint64_t> sequence;  // the block must not have been written since
  bool only_empty = true;
};

// `done` gets how many writes it took. Errors: kConflict: it is not the owner's, is not empty
// (only_empty), or has changed: then the affinity is as it was; those of the datastore.
// `datastore` must outlive it; a caller that may end first guards `done`.
void return_block(Datastore& datastore, BlockReturnRequest request,
                  std::function<void(Result<uint32_t>)> done);

}  // namespace caracal::ipam
