// Who this node speaks BGP with, and how: the mesh, BGPPeers in both directions, route reflectors,
// local pods (calico.md 2.12, 7.1). Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "bgp/config.h"
#include "bgp/world.h"

namespace caracal::bgp {

struct SessionPlan {
  std::vector<Session> sessions;                   // by name; no two to one address and port
  std::map<net::IpAddr, net::IpAddr> peer_routes;  // BGPPeer.spec.reachableBy: peer -> gateway
  std::set<model::SecretKey> secrets;              // passwords that are wanted, known or not
  std::vector<std::string> problems;               // a sentence each
};

// What stands in two places becomes one session: a BGPPeer that names or selects this node goes
// before one for all nodes, that before the mesh; among equals the first by name. A session whose
// password or filter is not known is left out: without it, it would be less safe than asked for.
SessionPlan plan_sessions(const World& world);

}  // namespace caracal::bgp
