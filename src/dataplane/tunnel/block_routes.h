// The routes of the pod network as the kernel's route driver takes them: path and node become
// device and next hop. Pure.
#pragma once

#include <cstdint>

#include "dataplane/fib/route.h"
#include "desired/network.h"

namespace caracal::dataplane::tunnel {

// Names of devices which a route may lead to before the network names one itself.
inline constexpr const char* kVxlanV4 = "vxlan.calico";
inline constexpr const char* kVxlanV6 = "vxlan-v6.calico";
inline constexpr const char* kIpip = "tunl0";
inline constexpr const char* kWireguardV4 = "wireguard.cali";
inline constexpr const char* kWireguardV6 = "wg-v6.cali";

struct BlockRouteOptions {
  uint32_t metric = 0;  // 0: the kernel's default
};

// blackhole              | the node's own block
// via NODE               | kDirect
// via NODE dev tunl0 onlink
// via TUNNEL-ADDRESS dev vxlan.calico onlink
// dev wireguard.cali scope link
// A route whose path needs a next hop and has none comes out as it is: the driver reports it.
fib::RouteTable block_routes(const desired::PodNetwork& network,
                             const BlockRouteOptions& options = {});
// The same of what changed; `next` is the network after the delta.
fib::RouteDelta block_route_delta(const desired::PodNetworkDelta& delta,
                                  const desired::PodNetwork& next,
                                  const BlockRouteOptions& options = {});

}  // namespace caracal::dataplane::tunnel
