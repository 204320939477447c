// `caracal policy stage NAME` and `enforce NAME`: an enforced policy into its staged twin, which is
// seen but has no effect, and back.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/command.h"
#include "jsonio/json.h"

namespace caracal::cli {

// The twin of a policy object: NetworkPolicy (Kubernetes) and StagedKubernetesNetworkPolicy,
// Calico's NetworkPolicy and StagedNetworkPolicy, GlobalNetworkPolicy and
// StagedGlobalNetworkPolicy; what the server wrote into metadata is left out. `calico_group`: where
// a Kubernetes policy is staged, "projectcalico.org/v3" or "crd.projectcalico.org/v1". Errors:
// kUnsupported for other kinds, and for a staged policy that is no change to be made (stagedAction
// Learn, Ignore); kInvalid for one that says Delete, which has no enforced form.
Result<json::value> staged_twin(const json::value& policy, const std::string& calico_group);
Result<json::value> enforced_twin(const json::value& policy);

// Adds the commands to the group `policy`.
void add_policy_stage_commands(CLI::App& policy, Action& chosen);

}  // namespace caracal::cli
