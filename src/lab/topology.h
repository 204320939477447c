// Topology: what a lab is to look like, from flags or a YAML file. Pure values; `plan` (lab/plan.h)
// turns them into addresses, `network` (lab/network.h) into namespaces.
//
//   name: lab
//   families: [IPv4, IPv6]
//   podNetworks: [192.168.0.0/16, fd00:ca2a:ca1::/48]   # nodes take the 1st, 2nd, ... /24 and /64
//   nodes:
//   - name: node1
//     labels: {zone: a}
//   - name: node2
//     podCIDRs: [192.168.77.0/24]                       # instead of its share of podNetworks
//   outside: [198.51.100.10, 198.51.100.70]             # addresses of the client outside the
//   cluster
//
// Every field may be left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"
#include "model/object.h"
#include "net/cidr.h"
#include "net/ip_addr.h"

namespace caracal::lab {

struct NodeSpec {
  std::string name;
  model::Labels labels;
  std::vector<net::Cidr> pod_cidrs;  // at most one a family; filled in by complete()
  bool operator==(const NodeSpec&) const = default;
};

struct Topology {
  std::string name = "lab";
  std::vector<net::Family> families = {net::Family::kIPv4, net::Family::kIPv6};
  std::vector<net::Cidr> pod_networks;
  std::vector<NodeSpec> nodes;
  std::vector<net::IpAddr> outside;
  bool operator==(const Topology&) const = default;

  bool has(net::Family family) const;
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
