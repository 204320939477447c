// Routes between nodes without encapsulation: each other node's pod CIDRs via that node's address.
//
// Fed with the nodes of the cluster by the agent's calculation loop, which hands the result to the
// route driver. A pure function of the present nodes. Works where nodes see each other directly
// (one subnet), or where the routers between them know the pod CIDRs as well.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/node.h"
#include "net/cidr.h"

namespace caracal::route {

// What to do with packets to a pod CIDR. No next hop: it is this node's own; addresses in it that
// no pod has must not travel on to the default gateway and back (a routing loop), they end here.
struct NextHop {
  std::optional<net::IpAddr> via;
  std::string node;
  bool operator==(const NextHop&) const = default;
};

struct NodeRoutes {
  std::map<net::Cidr, NextHop> routes;
  // One sentence for each route that could not be made, naming node and CIDR.
  std::vector<std::string> problems;
  bool operator==(const NodeRoutes&) const = default;
};

// `nodes` by name. When two nodes claim overlapping CIDRs, this node's own come first, then the
// lower name wins; the other one is a problem.
NodeRoutes node_routes(const std::string& self, const std::map<std::string, model::Node>& nodes);

}  // namespace caracal::route
