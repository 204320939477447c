// World: everything that policy depends on, as plain maps: the sum of all Updates so far.
//
// Fed by whoever receives Updates (agent, CLI, tests); read by policy/oracle and by tests as the
// truth to compare with. A value: copy it to ask "what if". Not thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/update.h"

namespace caracal::model {

// A policy that exists but cannot be used: it isolates what `policy` selects, has no rules, and
// makes the end of its tier deny.
struct InvalidPolicy {
  Policy policy;
  std::string reason;
  bool operator==(const InvalidPolicy&) const = default;
};

// What is enforced for an invalid policy. Where the update knows the selector and the directions,
// these; where it knows nothing, every pod of the policy's namespace in both directions: fail
// closed.
Policy enforced_form(const PolicyUpdate& invalid);

// The tiers that always exist, by order.
std::vector<Tier> initial_tiers();

struct World {
  std::map<ObjectName, Pod> pods;
  std::map<std::string, Namespace> namespaces;
  std::map<std::string, Node> nodes;
  std::map<PolicyId, Policy> policies;
  std::map<PolicyId, InvalidPolicy> invalid_policies;  // no key is in both
  std::map<std::string, LocalEndpoint> local_endpoints;
  std::map<ObjectName, NetworkSet> network_sets;
  std::map<ObjectName, ServiceAccount> service_accounts;
  std::map<ObjectName, EndpointSlice> endpoint_slices;
  std::map<std::string, HostEndpoint> host_endpoints;
  std::map<std::string, HostInterface> host_interfaces;
  PolicySettings settings;
  // Tiers by order, then name; a policy of a tier that is not here comes last and denies by
  // default.
  std::vector<Tier> tiers = initial_tiers();

  void apply(const Update& update);
  bool operator==(const World&) const = default;
};

}  // namespace caracal::model
