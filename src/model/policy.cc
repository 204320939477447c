#include "model/policy.h"

namespace caracal::model {

std::string_view to_string(PolicyKind kind) {
  switch (kind) {
    case PolicyKind::kNetworkPolicy:
      return "NetworkPolicy";
    case PolicyKind::kCalicoNetworkPolicy:
      return "Calico NetworkPolicy";
    case PolicyKind::kGlobalNetworkPolicy:
      return "GlobalNetworkPolicy";
    case PolicyKind::kClusterNetworkPolicy:
      return "ClusterNetworkPolicy";
    case PolicyKind::kAdminNetworkPolicy:
      return "AdminNetworkPolicy";
    case PolicyKind::kBaselineAdminNetworkPolicy:
      return "BaselineAdminNetworkPolicy";
    case PolicyKind::kStagedNetworkPolicy:
      return "StagedNetworkPolicy";
    case PolicyKind::kStagedGlobalNetworkPolicy:
      return "StagedGlobalNetworkPolicy";
    case PolicyKind::kStagedKubernetesNetworkPolicy:
      return "StagedKubernetesNetworkPolicy";
  }
  return "";
}

bool is_staged(PolicyKind kind) {
  return kind == PolicyKind::kStagedNetworkPolicy ||
         kind == PolicyKind::kStagedGlobalNetworkPolicy ||
         kind == PolicyKind::kStagedKubernetesNetworkPolicy;
}

std::string PolicyId::to_string() const {
  return std::string(model::to_string(kind)) + " " + name.to_string();
}

}  // namespace caracal::model
