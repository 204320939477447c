#include "model/world.h"

#include <algorithm>
#include <tuple>

namespace caracal::model {
namespace {

template <typename Map, typename Key, typename Value>
void put(Map& map, const Key& key, const std::optional<Value>& value) {
  if (value) {
    map.insert_or_assign(key, *value);
  } else {
    map.erase(key);
  }
}

struct Apply {
  World& world;

  void operator()(const PodUpdate& u) const { put(world.pods, u.key, u.value); }
  void operator()(const NamespaceUpdate& u) const { put(world.namespaces, u.key, u.value); }
  void operator()(const NodeUpdate& u) const { put(world.nodes, u.key, u.value); }
  void operator()(const LocalEndpointUpdate& u) const {
    put(world.local_endpoints, u.key, u.value);
  }
  void operator()(const NetworkSetUpdate& u) const { put(world.network_sets, u.key, u.value); }
  void operator()(const ServiceAccountUpdate& u) const {
    put(world.service_accounts, u.key, u.value);
  }
  void operator()(const EndpointSliceUpdate& u) const {
    put(world.endpoint_slices, u.key, u.value);
  }
  void operator()(const HostEndpointUpdate& u) const { put(world.host_endpoints, u.key, u.value); }
  void operator()(const HostInterfaceUpdate& u) const {
    put(world.host_interfaces, u.key, u.value);
  }
  void operator()(const PolicySettingsUpdate& u) const {
    world.settings = u.value.value_or(PolicySettings());
  }
  void operator()(const TierUpdate& u) const {
    std::erase_if(world.tiers, [&](const Tier& tier) { return tier.name == u.key; });
    if (u.value) world.tiers.push_back(*u.value);
    for (const Tier& tier : initial_tiers())
      if (!u.value && tier.name == u.key) world.tiers.push_back(tier);
    std::sort(world.tiers.begin(), world.tiers.end(), [](const Tier& a, const Tier& b) {
      return std::tie(a.order, a.name) < std::tie(b.order, b.name);
    });
  }
  void operator()(const PolicyUpdate& u) const {
    world.policies.erase(u.key);
    world.invalid_policies.erase(u.key);
    if (u.invalid) {
      world.invalid_policies.emplace(u.key, InvalidPolicy{enforced_form(u), *u.invalid});
    } else if (u.value) {
      world.policies.emplace(u.key, *u.value);
    }
  }
};

}  // namespace

std::vector<Tier> initial_tiers() { return {kAdminTier, kDefaultTier, kBaselineTier}; }

Policy enforced_form(const PolicyUpdate& invalid) {
  Policy policy;
  if (invalid.value) {
    policy = *invalid.value;
  } else {
    // A cluster-wide policy of which nothing is known selects every pod.
    if (!invalid.key.name.ns.empty()) policy.selects.in_namespace = invalid.key.name.ns;
    policy.applies_ingress = true;
    policy.applies_egress = true;
  }
  policy.id = invalid.key;
  if (is_staged(invalid.key.kind) && !policy.staged) policy.staged = StagedAction::kIgnore;
  policy.ingress.clear();
  policy.egress.clear();
  policy.closes_tier = true;
  return policy;
}

void World::apply(const Update& update) { std::visit(Apply{*this}, update); }

}  // namespace caracal::model
