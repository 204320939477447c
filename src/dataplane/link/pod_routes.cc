#include "dataplane/link/pod_routes.h"

#include <algorithm>

#include "dataplane/link/pod_link.h"

namespace caracal::dataplane::link {

bool has_family(const PodLinkSpec& spec, net::Family family) {
  return std::any_of(spec.addresses.begin(), spec.addresses.end(),
                     [&](const net::IpAddr& a) { return a.family() == family; });
}

std::vector<net::IpAddr> gateways(const PodLinkSpec& spec) {
  std::vector<net::IpAddr> out;
  if (has_family(spec, net::Family::kIPv4)) out.push_back(gateway_v4());
  if (has_family(spec, net::Family::kIPv6)) out.push_back(gateway_v6());
  return out;
}

std::vector<std::pair<fib::RouteKey, fib::Route>> pod_routes(const PodLinkSpec& spec) {
  std::vector<std::pair<fib::RouteKey, fib::Route>> out;
  for (const net::IpAddr& gateway : gateways(spec)) {
    if (gateway.is_v4())
      out.push_back({{.destination = net::Cidr::host(gateway)},
                     {.scope = fib::RouteScope::kLink, .device = spec.pod_interface}});
    out.push_back({{.destination = net::Cidr(net::IpAddr::first(gateway.family()), 0)},
                   {.via = gateway, .device = spec.pod_interface}});
  }
  return out;
}

fib::RouteTable host_routes(const PodLinkSpec& spec) {
  fib::RouteTable out;
  for (const net::IpAddr& address : spec.addresses)
    out[{.destination = net::Cidr::host(address)}] = {.scope = fib::RouteScope::kLink,
                                                      .device = spec.host_interface};
  return out;
}

}  // namespace caracal::dataplane::link
