// AddressClaims: gives out the addresses of IP pools to this node's pods and tunnels, in Calico's
// blocks, by compare-and-swap in the datastore (calico.md 6.5; docs/design/ipam.md).
//
// One an agent, on its loop. Fed with model::NetworkUpdate (pools, reservations, settings, nodes,
// blocks); asked by the CNI flow and for tunnel addresses. An address is told to nobody before the
// datastore has acknowledged the block that says who has it; so no address is ever given out twice,
// whatever ends when. What a crash leaves behind is found by Collector.
//
// The node's own blocks are kept in memory with their resourceVersions: normally an address costs
// one write and no read; requests that come together share one (gather.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/backoff.h"
#include "ipam/block.h"
#include "ipam/datastore.h"
#include "ipam/gather.h"
#include "ipam/pool_choice.h"
#include "ipam/schedule.h"
#include "model/network_update.h"

namespace caracal::ipam {

struct AssignRequest {
  std::string handle_id;  // what release() names; "k8s-pod-network.CONTAINER-ID" for pods
  Attributes attributes;  // pod, namespace, type; node and timestamp are put in when absent
  std::vector<net::Family> families;   // one address of each; all or none
  std::vector<net::IpAddr> addresses;  // these ones, at most one of a family; may be none
  std::vector<std::string> pools_v4;   // asked for by name or CIDR; empty: any that fits
  std::vector<std::string> pools_v6;
  model::Labels namespace_labels;
  AddressUse use = AddressUse::kWorkload;
  // Takes what the handle already has on this node, where it has something (tunnels of a node).
  bool reuse = false;
};

struct ClaimsOptions {
  std::string node;
  // Also writes IPAMHandle objects, as Calico does: one or two more writes an address. For clusters
  // that must be able to go back to Calico without collecting leaks first.
  bool write_handles = false;
  uint32_t default_max_blocks = 20;       // where IPAMConfig says 0
  event::Duration request_limit{30'000};  // then assign() answers kUnavailable
  GatherOptions gather;                   // which requests share a write
  event::Duration survey_interval{500};   // least time between two lists of all blocks
  std::chrono::seconds reclaim_age{60};  // empty blocks of other nodes are left alone for that long
  event::BackoffOptions backoff{event::Duration(50), event::Duration(2'000)};
  event::Random random = event::system_random();
};

struct ClaimsCounters {
  uint64_t assigned = 0;  // addresses
  uint64_t released = 0;
  uint64_t refused = 0;       // requests answered with an error
  uint64_t block_writes = 0;  // tried; likewise the next ones
  uint64_t affinity_writes = 0;
  uint64_t handle_writes = 0;
  uint64_t reads = 0;
  uint64_t conflicts = 0;
  uint64_t lost_answers = 0;  // writes whose outcome had to be read back
  uint64_t surveys = 0;       // lists of all blocks
  uint64_t borrowed = 0;      // addresses from blocks of others
};

// An address this node has, as its blocks say.
struct HeldAddress {
  Allocation allocation;
  Attributes attributes;
  net::Cidr block;
  bool borrowed = false;
};

class AddressClaims {
 public:
  using OnAssigned = std::function<void(Result<std::vector<net::IpAddr>>)>;
  using OnDone = std::function<void(Status)>;

  // `schedule` and `datastore` must outlive it.
  AddressClaims(Schedule& schedule, Datastore& datastore, ClaimsOptions options);
  // No callback runs any more. Writes under way may still happen; what they take is collected.
  ~AddressClaims();
  AddressClaims(const AddressClaims&) = delete;
  AddressClaims& operator=(const AddressClaims&) = delete;

  // Pools, reservations, settings, nodes, blocks and datastore readiness; others are passed over.
  void update(const model::NetworkUpdate& update);
  // The first complete state has been told by update(): the node's blocks are read, and requests,
  // which waited, are served. Once.
  void in_sync();
  // Has in_sync() been called and the node's own blocks been read?
  bool ready() const;

  // Addresses in the order of families (requested addresses without their family named follow).
  // `done` runs later, exactly once. Errors: kInvalid (the request, pools or addresses asked for),
  // kExhausted (names pools, use and what would help), kExists (a requested address is taken, by
  // whom), kUnavailable (the datastore does not answer, or is locked; nothing is kept).
  void assign(AssignRequest request, OnAssigned done);
  // Gives addresses back. Fine when they are not the handle's (any more). Done when it is written.
  // On kUnavailable (after request_limit) it is still tried on; asking again is fine.
  void release(std::string handle_id, std::vector<net::IpAddr> addresses, OnDone done);
  // All of a handle, also what is being assigned to it: that request is answered with kConflict.
  void release_all_of(std::string handle_id, OnDone done);

  // Blocks affine to this node, sorted.
  std::vector<net::Cidr> own_blocks() const;
  // What this node has in the blocks known here: own ones, and others where it has borrowed. For
  // the agent, which at its start gives back what no endpoint of it has.
  std::vector<HeldAddress> held() const;
  const ClaimsCounters& counters() const;
  // One line on what is the matter, for status; empty: nothing.
  std::string problem() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace caracal::ipam
