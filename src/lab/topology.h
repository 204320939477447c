// Topology: what a lab is to look like, from flags or a YAML file. Pure values; `plan` (lab/plan.h)
// turns them into addresses, `network` (lab/network.h) into namespaces.
//
//   name: lab
//   families: [IPv4, IPv6]
//   nodeCount: 20                        # node1 to node20, in place of `nodes`
//   nodes:
//   - name: node1
//     labels: {zone: a}
//     subnet: east                       # the first one when left out
//     mtu: 9000                          # of its link; otherwise the subnet's
//   - name: node2
//     podCIDRs: [192.168.77.0/24]        # instead of its share of podNetworks
//   subnets:                             # none: one, to which everything is joined
//   - name: east
//     cidrs: [10.64.1.0/24]              # chosen when left out
//     mtu: 1500
//   - name: west
//   routers:                             # the first router of a subnet is its nodes' gateway
//   - name: r1
//     subnets: [east, west]
//     bgp: {as: 65001, nodeAS: 64512}    # FRR speaks BGP with the subnets' nodes and the routers
//   racks:                               # short for a subnet, its router tor-NAME, and its nodes
//   - {name: a, as: 65001, nodes: 2}     # (a-1, a-2, labelled rack=a); the routers meet in `spine`
//   network:                             # what the agents are told; left out: their defaults
//     ipam: pools                        # or pod-cidr
//     bgp: auto                          # or off
//     ipAutodetection: first-found
//     defaultPool: {ipv4: 192.168.0.0/16, ipv6: none, encapsulation: vxlan}
//   agentArguments: [--log-level, debug]
//   objects: []                          # of any kind the API server has; there before the agents
//   podNetworks: [192.168.0.0/16, fd00:ca2a:ca1::/48]   # nodes take the 1st, 2nd, ... /24 and /64
//   outside: [198.51.100.10]             # addresses of the client outside the cluster
//
// Every field may be left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"
#include "model/object.h"
#include "net/cidr.h"
#include "net/ip_addr.h"

namespace caracal::lab {

inline constexpr uint32_t kDefaultAs = 64512;  // Calico's, of nodes that nobody gave another

struct NodeSpec {
  std::string name;
  model::Labels labels;
  std::vector<net::Cidr> pod_cidrs = {};  // at most one a family; filled in by complete()
  std::string subnet = {};                // filled in by complete() where there are subnets
  int mtu = 0;                            // 0: the subnet's
  bool operator==(const NodeSpec&) const = default;
};

// A segment of its own: one bridge.
struct SubnetSpec {
  std::string name;
  std::vector<net::Cidr> cidrs;  // at most one a family; a family without gets one by the plan
  int mtu = 0;                   // 0: 1500
  bool operator==(const SubnetSpec&) const = default;
};

struct RouterBgp {
  uint32_t as = 0;
  uint32_t node_as = kDefaultAs;  // of the nodes in its subnets
  bool operator==(const RouterBgp&) const = default;
};

// A namespace that forwards between its subnets. Every router also has a leg in the management
// segment, where the host (the API server) and the outside client are.
struct RouterSpec {
  std::string name;
  std::vector<std::string> subnets;
  std::optional<RouterBgp> bgp;  // unset: a plain router with static routes
  bool operator==(const RouterSpec&) const = default;
};

// Arguments of every agent; empty: the agent's own default.
struct NetworkSpec {
  std::string ipam;
  std::string bgp;
  std::string ip_autodetection;
  std::string pool_ipv4;  // a prefix, or "none"
  std::string pool_ipv6;
  std::string encapsulation;
  bool operator==(const NetworkSpec&) const = default;

  std::vector<std::string> agent_arguments() const;
};

struct Topology {
  std::string name = "lab";
  std::vector<net::Family> families = {net::Family::kIPv4, net::Family::kIPv6};
  std::vector<net::Cidr> pod_networks;
  std::vector<NodeSpec> nodes;
  std::vector<net::IpAddr> outside;
  std::vector<SubnetSpec> subnets;
  std::vector<RouterSpec> routers;
  NetworkSpec network;
  std::vector<std::string> agent_arguments;
  json::array objects;
  bool operator==(const Topology&) const = default;

  bool has(net::Family family) const;
  // Everything in one segment, without routers.
  bool flat() const { return routers.empty(); }
  const SubnetSpec* find_subnet(std::string_view name) const;
};

// A lab's name is part of namespace and interface names: 1 to 8 lower-case letters and digits, the
// first one a letter.
Status check_lab_name(std::string_view name);

// `source` (a file name) begins every error message; errors name the field and what is valid.
// The result is complete()d.
Result<Topology> parse_topology(std::string_view yaml, std::string_view source);

// What parse_topology() reads back to the same value.
json::value to_json(const Topology& topology);

// Nodes node1..nodeN, everything else as by default. REQUIRES: count >= 1.
Result<Topology> default_topology(std::string_view name, int count,
                                  std::vector<net::Family> families);

// Fills in what was left out (nodes, podCIDRs, outside addresses), drops the addresses of families
// the lab has not, and checks the whole: unique names, prefixes that do not overlap.
Status complete(Topology& topology);

}  // namespace caracal::lab
