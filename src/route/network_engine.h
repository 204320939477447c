// NetworkEngine: what this node's kernel should hold so that its pods reach those of other nodes.
//
// Fed by the agent's calculation loop with the NetworkUpdates of calico's decoder (nodes, pools,
// blocks and settings; the rest is passed over), the MTU of the host and whether BGP runs; flush()
// tells what that changes, for the drivers of the data plane. Pure: no clock, no I/O, no thread,
// no history; the result depends on the present world only, not on the order of the updates.
//
// An event costs what it changes: a block that block, a node its blocks, a pool the blocks in it,
// this node itself or the settings everything. The rules are those of docs/design/network.md:
// * This node's blocks are blackholes, but for those of a single address, which the pod itself has.
// * A block of another node: kWireguard when both have a key, else by the encapsulation of its
//   pool. Blocks of a pool without encapsulation are BIRD's where BGP runs, so they are not here.
// * An address in use away from its block's node has a route of its own; one in use here has none,
//   since its pod's route is the same prefix.
// * A device stands while this node is known to have its tunnel address (WireGuard: its key). Who
//   gives up an address that needs() no longer asks for decides when the device goes: after the
//   other nodes have changed their routes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "desired/network.h"
#include "model/network_update.h"

namespace caracal::route {

// Which tunnel addresses and keys this node must have.
struct TunnelNeeds {
  bool vxlan_v4 = false;
  bool vxlan_v6 = false;
  bool ipip = false;
  bool wireguard_v4 = false;
  bool wireguard_v6 = false;
  bool operator==(const TunnelNeeds&) const = default;
};

class NetworkEngine {
 public:
  struct Options {
    std::string node;
    // The blocks are spec.podCIDRs of the nodes, and IPAM blocks are passed over.
    bool pod_cidrs = false;
  };
  explicit NetworkEngine(Options options);
  ~NetworkEngine();
  NetworkEngine(NetworkEngine&&) noexcept;
  NetworkEngine& operator=(NetworkEngine&&) noexcept;

  void apply(const model::NetworkUpdate& update);
  // The smallest MTU of the host's interfaces in bytes; 0: not known (then 1460 is taken).
  void set_host_mtu(uint32_t mtu);
  // BIRD runs on the nodes.
  void set_bgp(bool runs);

  // What differs from the last flush, and nothing else.
  desired::PodNetworkDelta flush();
  // As of the last flush.
  const desired::PodNetwork& network() const;
  // One sentence for each thing that keeps pods from being reached, naming nodes, blocks and pools.
  // As of the last flush. Looks through all nodes (and with pod_cidrs all blocks).
  std::vector<std::string> problems() const;

  // Of the world as it is now, flushed or not. The MTU of pod interfaces in bytes: the smallest
  // over what the pools and settings switch on, or the host's.
  uint32_t pod_mtu() const;
  TunnelNeeds needs() const;

  struct State;  // of the .cc files alone: network_state.h

 private:
  std::unique_ptr<State> state_;
};

}  // namespace caracal::route
