// NodeRoutes: the routes of this node as CalicoNodeStatus tells them, from the kernel and from
// BIRD. Pure, but for list_kernel_routes().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "bgp/bird_reply.h"
#include "jsonio/json.h"
#include "net/cidr.h"
#include "netlink/socket.h"

namespace caracal::agent {

// One next hop of a route. A route that rejects has its kind as interface ("blackhole"), as BIRD
// shows it.
struct NodeRoute {
  net::Cidr destination;
  std::string gateway;  // empty: none, the destination is on the link
  std::string interface;
  bool operator==(const NodeRoute&) const = default;
};
struct KernelNodeRoute : NodeRoute {
  uint8_t protocol = 0;  // RTPROT_*
  bool operator==(const KernelNodeRoute&) const = default;
};
struct BirdNodeRoute : NodeRoute {
  std::string protocol;  // "Mesh_10_0_0_2"
  bool primary = false;  // the best of those to the destination
  bool operator==(const BirdNodeRoute&) const = default;
};

// Table main of the namespace of the socket (NETLINK_ROUTE), both families; several next hops are
// several entries. Blocking: for a worker.
Result<std::vector<KernelNodeRoute>> list_kernel_routes(netlink::Socket& socket);

// What `show route` of BIRD 2 says; lines that are no routes of IPv4 or IPv6 are passed over.
// Errors: kInvalid when the reply is a refusal.
Result<std::vector<BirdNodeRoute>> parse_bird_routes(const bgp::Reply& reply);

// CalicoNodeRoute entries of one family. A route that the kernel has is FIB; one that only a BGP
// session told is RIB. `peers` as in bgp::to_json(View). At most kMostRoutes, the kernel's first:
// an object of the API has its limit (etcd's is 1.5 MiB).
inline constexpr size_t kMostRoutes = 4000;
struct RoutesOfFamily {
  json::array routes;
  size_t left_out = 0;
};
RoutesOfFamily routes_of_family(net::Family family, const std::vector<KernelNodeRoute>& kernel,
                                const std::vector<BirdNodeRoute>& bird, const json::array& peers,
                                size_t most = kMostRoutes);

}  // namespace caracal::agent
