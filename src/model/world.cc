#include "model/world.h"

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

Policy enforced_form(const PolicyUpdate& invalid) {
  Policy policy;
  if (invalid.value) {
    policy = *invalid.value;
  } else {
    policy.selects.in_namespace = invalid.key.name.ns;
    policy.applies_ingress = true;
    policy.applies_egress = true;
  }
  policy.id = invalid.key;
  policy.ingress.clear();
  policy.egress.clear();
  return policy;
}

void World::apply(const Update& update) { std::visit(Apply{*this}, update); }

}  // namespace caracal::model
