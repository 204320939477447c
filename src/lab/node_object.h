// The Node and Lease objects of a lab's nodes. Pure.
#pragma once

#include <string>

#include "jsonio/json.h"
#include "lab/plan.h"

namespace caracal::lab {

// metadata and spec: labels, podCIDRs. REQUIRES: index < nodes of the plan.
json::value make_node(const Plan& plan, size_t index);
// "status": addresses, capacity, conditions. Ready as given, with the message when it is not; the
// transition time is kept from `old_status` where the condition does not change.
json::value make_node_status(const Plan& plan, size_t index, bool ready, std::string_view message,
                             const json::value& old_status, const std::string& now);
// A coordination.k8s.io/v1 Lease in kube-node-lease. `now` with microseconds.
json::value make_lease(std::string_view node, const std::string& now);

}  // namespace caracal::lab
