#include "policy/testing/world_updates.h"

#include <algorithm>

namespace caracal::policy_testing {
namespace {

template <typename Kind, typename Map>
void add(std::vector<model::Update>& out, const Map& map) {
  for (const auto& [key, value] : map) out.push_back(Kind{key, value});
}

struct Remove {
  template <typename Kind>
  model::Update operator()(const Kind& update) const {
    Kind out;
    if constexpr (requires { update.key; }) out.key = update.key;
    return out;
  }
};

}  // namespace

std::vector<model::Update> updates_of(const model::World& world) {
  std::vector<model::Update> out;
  const std::vector<model::Tier> initial = model::initial_tiers();
  for (const model::Tier& tier : world.tiers) {
    if (std::find(initial.begin(), initial.end(), tier) == initial.end())
      out.push_back(model::TierUpdate{tier.name, tier});
  }
  if (world.settings != model::PolicySettings())
    out.push_back(model::PolicySettingsUpdate{world.settings});
  add<model::NamespaceUpdate>(out, world.namespaces);
  add<model::ServiceAccountUpdate>(out, world.service_accounts);
  add<model::NodeUpdate>(out, world.nodes);
  add<model::PodUpdate>(out, world.pods);
  add<model::NetworkSetUpdate>(out, world.network_sets);
  add<model::EndpointSliceUpdate>(out, world.endpoint_slices);
  add<model::HostInterfaceUpdate>(out, world.host_interfaces);
  add<model::HostEndpointUpdate>(out, world.host_endpoints);
  for (const auto& [key, value] : world.policies)
    out.push_back(model::PolicyUpdate{key, value, {}});
  for (const auto& [key, value] : world.invalid_policies)
    out.push_back(model::PolicyUpdate{key, value.policy, value.reason});
  add<model::LocalEndpointUpdate>(out, world.local_endpoints);
  return out;
}

model::Update removal_of(const model::Update& update) { return std::visit(Remove{}, update); }

}  // namespace caracal::policy_testing
