// Calico's policies into model::Policy: NetworkPolicy, GlobalNetworkPolicy and their staged twins
// (calico.md 2.2, 2.3, 3.4, 4.4), and StagedKubernetesNetworkPolicy.
#pragma once

#include "kube/object_reader.h"
#include "model/policy.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// `kind` is one of Calico's six. With problems in `reader` the policy holds what is known for
// sure: the endpoints it selects (a selector that cannot be read: all) and the directions; no
// rules.
model::Policy decode_policy(model::PolicyKind kind, model::ObjectName name,
                            const json::object& object, ObjectReader& reader);

}  // namespace caracal::calico
