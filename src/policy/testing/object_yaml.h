// Objects of the model as JSON values (and so YAML), for kept test cases and messages of failed
// tests. One object an Update; every field that policy looks at, defaults left out:
//
//   kind: Pod, Namespace, Node, NetworkSet, ServiceAccount, EndpointSlice, HostEndpoint,
//         HostInterface, LocalEndpoint, Tier, Settings, Policy
//   namespace, name, labels, and the fields of the model's struct in camelCase
//
// Selectors are texts of Calico's language, ports texts such as "TCP:80-90", "UDP:dns", "SCTP",
// "ICMP:type 8 code 0"; an absent order is "last".
#pragma once

#include "base/result.h"
#include "jsonio/json.h"
#include "model/world.h"

namespace caracal::policy_testing {

// REQUIRES: the update has a value, or is an invalid policy.
json::object to_json(const model::Update& update);
// Errors name kind, object and field.
Result<model::Update> update_from_json(const json::value& object);

// One update as a few lines of YAML; of a removal what is gone.
std::string describe(const model::Update& update);

// The parts of policies, in policy_yaml.cc.
json::object policy_to_json(const model::Policy& policy);
Result<model::Policy> policy_from_json(const json::value& object);
std::string port_text(const model::PortMatch& port);
Result<model::PortMatch> parse_port(std::string_view text);
std::string_view to_string(model::Hook hook);

}  // namespace caracal::policy_testing
