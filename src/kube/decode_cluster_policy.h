// The cluster-wide policies of the Kubernetes network-policy API into model::Policy: tiers
// kube-admin (ClusterNetworkPolicy of tier Admin, AdminNetworkPolicy) and kube-baseline (tier
// Baseline, BaselineAdminNetworkPolicy). Peers select pods only, as everywhere in this API.
#pragma once

#include "jsonio/json.h"
#include "model/update.h"

namespace caracal::kube {

// policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy (https://network-policy-api.sigs.k8s.io).
// A rule that holds something that cannot be read or enforced (nodes or domainNames as peers, a
// field nobody knows) becomes, with a warning, a rule that denies everything when it denies or
// passes, and disappears when it accepts: it opens nothing. A policy whose subject or tier cannot
// be read is `invalid` and selects nothing.
model::PolicyUpdate decode_cluster_network_policy(const json::value& object);
// policy.networking.k8s.io/v1alpha1, likewise.
model::PolicyUpdate decode_admin_network_policy(const json::value& object);
model::PolicyUpdate decode_baseline_admin_network_policy(const json::value& object);

}  // namespace caracal::kube
