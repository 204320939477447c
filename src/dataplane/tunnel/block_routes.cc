#include "dataplane/tunnel/block_routes.h"

namespace caracal::dataplane::tunnel {
namespace {

template <typename Device>
std::string name_or(const std::optional<Device>& device, const char* otherwise) {
  return device ? device->name : std::string(otherwise);
}

fib::Route make_route(net::Family family, const desired::BlockRoute& block,
                      const desired::PodNetwork& network) {
  const bool v4 = family == net::Family::kIPv4;
  const desired::FamilyTunnels& tunnels = v4 ? network.v4 : network.v6;
  fib::Route route;
  route.via = block.via;
  switch (block.path) {
    case desired::Path::kBlackhole:
      route.type = fib::RouteType::kBlackhole;
      route.via.reset();
      break;
    case desired::Path::kDirect:
      break;
    case desired::Path::kIpip:
      route.device = name_or(tunnels.ipip, kIpip);
      route.onlink = true;
      break;
    case desired::Path::kVxlan:
      route.device = name_or(tunnels.vxlan, v4 ? kVxlanV4 : kVxlanV6);
      route.onlink = true;
      break;
    case desired::Path::kWireguard:
      route.device = name_or(tunnels.wireguard, v4 ? kWireguardV4 : kWireguardV6);
      route.via.reset();
      if (v4) route.scope = fib::RouteScope::kLink;
      break;
  }
  return route;
}

}  // namespace

fib::RouteTable block_routes(const desired::PodNetwork& network, const BlockRouteOptions& options) {
  fib::RouteTable out;
  for (const auto& [block, route] : network.routes)
    out.emplace(fib::RouteKey{.destination = block, .metric = options.metric},
                make_route(block.family(), route, network));
  return out;
}

fib::RouteDelta block_route_delta(const desired::PodNetworkDelta& delta,
                                  const desired::PodNetwork& next,
                                  const BlockRouteOptions& options) {
  fib::RouteDelta out;
  for (const auto& [block, route] : delta.routes) {
    const fib::RouteKey key{.destination = block, .metric = options.metric};
    if (route)
      out.set.emplace(key, make_route(block.family(), *route, next));
    else
      out.erase.insert(key);
  }
  return out;
}

}  // namespace caracal::dataplane::tunnel
