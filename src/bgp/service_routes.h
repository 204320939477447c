// Which Service addresses this node tells its peers (calico.md 7.3). Pure.
#pragma once

#include <set>

#include "bgp/world.h"
#include "net/cidr.h"

namespace caracal::bgp {

struct ServiceRoutes {
  std::set<net::Cidr> ranges;  // all that are configured, also those another node tells
  std::set<net::Cidr> routes;  // what this node tells
};

// A configured range is told as it is, by every node. An address within a range is told as a host
// route, too, by the nodes that have ready endpoints, where the Service wants local ones only. A
// range of one address, and a load balancer's address where ranges are not to be told, is told by
// every node when a Service has it (or by those with endpoints, as before). A node that carries the
// label node.kubernetes.io/exclude-from-external-load-balancers tells nothing.
ServiceRoutes plan_service_routes(const World& world, net::Family family);

}  // namespace caracal::bgp
