// The routes of a pod link: what the pod and the host need to reach each other. Pure; private to
// this folder.
#pragma once

#include <utility>
#include <vector>

#include "dataplane/fib/route.h"
#include "net/ip_addr.h"

namespace caracal::dataplane::link {

struct PodLinkSpec;

bool has_family(const PodLinkSpec& spec, net::Family family);
std::vector<net::IpAddr> gateways(const PodLinkSpec& spec);
// Inside the pod: the gateway on the link (IPv4), and the defaults through it. In the order they
// can be added in: a next hop must be reachable by then.
std::vector<std::pair<fib::RouteKey, fib::Route>> pod_routes(const PodLinkSpec& spec);
// On the host: each address to the interface.
fib::RouteTable host_routes(const PodLinkSpec& spec);

}  // namespace caracal::dataplane::link
