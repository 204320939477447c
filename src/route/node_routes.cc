#include "route/node_routes.h"

#include <fmt/format.h>

#include <algorithm>

namespace caracal::route {
namespace {

// The route that overlaps `cidr`, or nullptr. Those of the map do not overlap each other, so only
// the neighbours in its order can.
const std::pair<const net::Cidr, NextHop>* overlapping(const std::map<net::Cidr, NextHop>& routes,
                                                       const net::Cidr& cidr) {
  const auto after = routes.lower_bound(cidr);
  if (after != routes.end() && cidr.contains(after->first)) return &*after;
  if (after != routes.begin() && std::prev(after)->first.contains(cidr)) return &*std::prev(after);
  return nullptr;
}

void add_node(const model::Node& node, bool own, NodeRoutes& out) {
  for (const net::Cidr& cidr : node.pod_cidrs) {
    if (const auto* other = overlapping(out.routes, cidr)) {
      out.problems.push_back(fmt::format("pod CIDR {} of node {} overlaps {} of node {}",
                                         cidr.to_string(), node.name, other->first.to_string(),
                                         other->second.node));
      continue;
    }
    NextHop hop{std::nullopt, node.name};
    if (!own) {
      const auto address =
          std::find_if(node.internal_addresses.begin(), node.internal_addresses.end(),
                       [&](const net::IpAddr& a) { return a.family() == cidr.family(); });
      if (address == node.internal_addresses.end()) {
        out.problems.push_back(fmt::format("pod CIDR {} of node {}: the node has no {} InternalIP",
                                           cidr.to_string(), node.name,
                                           net::to_string(cidr.family())));
        continue;
      }
      hop.via = *address;
    }
    out.routes.emplace(cidr, hop);
  }
}

}  // namespace

NodeRoutes node_routes(const std::string& self, const std::map<std::string, model::Node>& nodes) {
  NodeRoutes out;
  if (const auto own = nodes.find(self); own != nodes.end()) add_node(own->second, true, out);
  for (const auto& [name, node] : nodes) {
    if (name != self) add_node(node, false, out);
  }
  return out;
}

}  // namespace caracal::route
