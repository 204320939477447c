// Which connections does policy no longer allow? Pure functions over what the kernel holds.
//
// Used by the agent after a change of policy: takes_away() says whether there is need to look at
// connections at all, judge() looks at one.
#pragma once

#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "dataplane/conntrack/connection.h"
#include "desired/policy_tables.h"

namespace caracal::dataplane::conntrack {

// Whose addresses are whose, as of one moment.
struct Ends {
  std::unordered_map<net::IpAddr, std::string> pods;  // address -> workload interface
  std::unordered_set<net::IpAddr> host;               // the node's own addresses
  // Addresses whose pod has gone: their connections are nobody's, and the next pod with the address
  // must not inherit them.
  std::unordered_set<net::IpAddr> released;

  // Has the connection an end that policy speaks about here?
  bool concern(const Connection& connection) const;
};
// `pods` from the tables' sources.
Ends ends_of(const desired::PolicyTables& tables);

enum class Judgement : uint8_t {
  kStays,     // allowed, or nobody here may judge it
  kIngress,   // the ingress policy of the destination pod does not allow it
  kEgress,    // the egress policy of the source pod does not allow it
  kReleased,  // the pod of one end has gone
};

// Each local pod end by its own tables (desired::decide()). Never judged: a pod to itself, the node
// to its own pods, what has no pod of this node at an end, and what a helper expects on behalf of
// another connection.
Judgement judge(const desired::PolicyTables& tables, const Ends& ends,
                const Connection& connection);

// May `delta` make something forbidden that `before` allowed? False for what only adds, which is
// nearly all that happens: a pod comes, a policy allows more. True may be a false alarm; false is
// certain.
bool takes_away(const desired::PolicyTables& before, const desired::PolicyDelta& delta);

}  // namespace caracal::dataplane::conntrack
