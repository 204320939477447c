// Network: makes and removes the namespaces and links of a lab (the picture in lab/plan.h), pods
// left out. Uses iproute2's `ip`. Blocking. Touches of the host's own namespace nothing but one
// veth, and the routes over it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lab/plan.h"
#include "net/cidr.h"

namespace caracal::lab {

// Addresses and destinations of all routes of the host's namespace.
Result<std::vector<net::Cidr>> host_prefixes();

// Makes /run/netns a shared mount, as `ip netns add` does: the lab's processes have mount
// namespaces of their own, and must see names that come and go later. It stays so; iproute2 would
// make it again.
Status share_netns_folder();

// Everything up and addressed when it returns: segments, links, static routes. In a flat lab the
// outside client has routes to podCIDRs (where they are used) by way of the nodes, nodes to it;
// with routers, nodes and outside client have default routes, and the host routes to the subnets.
// Errors: kExists when something of that lab is there already.
Status create_network(const Plan& plan);

// Network namespaces whose name begins with `prefix`.
std::vector<std::string> list_netns(std::string_view prefix);

// Removes the lab's veth from the host and every namespace of its prefix, pods' too. What is not
// there is no error. REQUIRES: no process is left in them.
Status remove_network(std::string_view lab_name);

// The commands for `ip -batch` of each namespace, in order; what create_network() runs. Pure.
struct IpBatch {
  std::string netns;  // empty: the host's
  std::vector<std::string> lines;
};
std::vector<IpBatch> network_commands(const Plan& plan);

}  // namespace caracal::lab
