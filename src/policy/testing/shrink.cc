#include "policy/testing/shrink.h"

namespace caracal::policy_testing {
namespace {

using model::World;

class Shrinker {
 public:
  Shrinker(World world, const std::function<bool(const World&)>& wrong)
      : world_(std::move(world)), wrong_(wrong) {}

  World run() {
    do {
      smaller_ = false;
      drop_objects();
      simplify_policies();
      simplify_others();
    } while (smaller_);
    return std::move(world_);
  }

 private:
  // Changes the world in place; undone when nothing is wrong any more, or nothing changed.
  template <typename Change>
  bool attempt(const Change& change) {
    World candidate = world_;
    change(candidate);
    if (candidate == world_ || !wrong_(candidate)) return false;
    world_ = std::move(candidate);
    smaller_ = true;
    return true;
  }

  template <typename Map>
  void drop_from(Map World::*member) {
    std::vector<typename Map::key_type> keys;
    for (const auto& [key, value] : world_.*member) keys.push_back(key);
    for (const auto& key : keys) attempt([&](World& w) { (w.*member).erase(key); });
  }

  void drop_objects() {
    drop_from(&World::policies);
    drop_from(&World::invalid_policies);
    drop_from(&World::pods);
    drop_from(&World::local_endpoints);
    drop_from(&World::host_endpoints);
    drop_from(&World::network_sets);
    drop_from(&World::endpoint_slices);
    drop_from(&World::service_accounts);
    drop_from(&World::host_interfaces);
    drop_from(&World::namespaces);
    drop_from(&World::nodes);
    attempt([](World& w) { w.settings = {}; });
    for (size_t i = world_.tiers.size(); i-- > 0;) {
      attempt([&](World& w) { w.apply(model::TierUpdate{w.tiers[i].name, {}}); });
    }
  }

  // Takes away the elements of a list that `list(world)` gives, one at a time.
  template <typename List>
  void drop_elements(const List& list) {
    for (size_t i = list(world_).size(); i-- > 0;) {
      attempt([&](World& w) {
        auto& elements = list(w);
        elements.erase(elements.begin() + static_cast<ptrdiff_t>(i));
      });
    }
  }

  void simplify_policies() {
    std::vector<model::PolicyId> ids;
    for (const auto& [id, policy] : world_.policies) ids.push_back(id);
    for (const model::PolicyId& id : ids) {
      const auto change = [&](auto edit) { attempt([&](World& w) { edit(w.policies.at(id)); }); };
      change([](model::Policy& p) { p.applies_ingress = false, p.ingress.clear(); });
      change([](model::Policy& p) { p.applies_egress = false, p.egress.clear(); });
      change([](model::Policy& p) { p.selects.pods = {}; });
      change([](model::Policy& p) { p.selects.namespaces = {}; });
      change([](model::Policy& p) { p.selects.in_namespace.reset(); });
      change([](model::Policy& p) { p.tier = model::kDefaultTier.name; });
      change([](model::Policy& p) { p.order = 0; });
      for (auto rules : {&model::Policy::ingress, &model::Policy::egress}) {
        drop_elements([&](World & w) -> auto& { return w.policies.at(id).*rules; });
        for (size_t i = 0; i < (world_.policies.at(id).*rules).size(); ++i)
          simplify_rule([&](World& w) -> model::Rule& { return (w.policies.at(id).*rules)[i]; });
      }
    }
  }

  template <typename Rule>
  void simplify_rule(const Rule& rule) {
    const auto change = [&](auto edit) { attempt([&](World& w) { edit(rule(w)); }); };
    change([](model::Rule& r) { r.peer = {}; });
    change([](model::Rule& r) { r.self = {}; });
    change([](model::Rule& r) { r.ports.reset(); });
    change([](model::Rule& r) { r.source_ports.reset(); });
    change([](model::Rule& r) { r.not_ports.clear(); });
    change([](model::Rule& r) { r.not_source_ports.clear(); });
    change([](model::Rule& r) { r.family.reset(); });
    change([](model::Rule& r) { r.name.clear(); });
    simplify_end([&](World& w) -> model::EndMatch& { return rule(w).peer; });
    simplify_end([&](World& w) -> model::EndMatch& { return rule(w).self; });
    drop_elements([&](World & w) -> auto& { return rule(w).not_ports; });
    drop_elements([&](World & w) -> auto& { return rule(w).not_source_ports; });
    if (rule(world_).ports) drop_elements([&](World & w) -> auto& { return *rule(w).ports; });
    if (rule(world_).source_ports)
      drop_elements([&](World & w) -> auto& { return *rule(w).source_ports; });
  }

  template <typename End>
  void simplify_end(const End& end) {
    drop_elements([&](World & w) -> auto& { return end(w).all_of; });
    drop_elements([&](World & w) -> auto& { return end(w).none_of; });
    for (size_t i = 0; i < end(world_).all_of.size(); ++i) {
      drop_elements([&](World & w) -> auto& { return end(w).all_of[i]; });
      for (size_t j = 0; j < end(world_).all_of[i].size(); ++j)
        simplify_peer([&](World& w) -> model::Peer& { return end(w).all_of[i][j]; });
    }
    for (size_t i = 0; i < end(world_).none_of.size(); ++i)
      simplify_peer([&](World& w) -> model::Peer& { return end(w).none_of[i]; });
  }

  template <typename Peer>
  void simplify_peer(const Peer& peer) {
    if (std::holds_alternative<model::CidrPeer>(peer(world_))) {
      drop_elements([&](World & w) -> auto& { return std::get<model::CidrPeer>(peer(w)).except; });
      return;
    }
    if (!std::holds_alternative<model::EndpointPeer>(peer(world_))) return;
    const auto change = [&](auto edit) {
      attempt([&](World& w) { edit(std::get<model::EndpointPeer>(peer(w))); });
    };
    change([](model::EndpointPeer& p) { p.pods = {}; });
    change([](model::EndpointPeer& p) { p.namespaces = {}; });
    change([](model::EndpointPeer& p) { p.in_namespace.reset(); });
    change([](model::EndpointPeer& p) { p.inherited = false; });
  }

  template <typename Map, typename Field>
  void clear_each(Map World::*member, Field field) {
    std::vector<typename Map::key_type> keys;
    for (const auto& [key, value] : world_.*member) keys.push_back(key);
    for (const auto& key : keys) {
      attempt([&](World& w) { ((w.*member).at(key).*field).clear(); });
    }
  }

  void simplify_others() {
    clear_each(&World::pods, &model::Pod::labels);
    clear_each(&World::pods, &model::Pod::ports);
    clear_each(&World::pods, &model::Pod::service_account);
    clear_each(&World::namespaces, &model::Namespace::labels);
    clear_each(&World::network_sets, &model::NetworkSet::labels);
    clear_each(&World::host_endpoints, &model::HostEndpoint::labels);
    clear_each(&World::host_endpoints, &model::HostEndpoint::ports);
    clear_each(&World::host_endpoints, &model::HostEndpoint::addresses);
    std::vector<model::ObjectName> pods;
    for (const auto& [key, pod] : world_.pods) pods.push_back(key);
    for (const auto& key : pods)
      drop_elements([&](World & w) -> auto& { return w.pods.at(key).addresses; });
    std::vector<model::ObjectName> sets;
    for (const auto& [key, set] : world_.network_sets) sets.push_back(key);
    for (const auto& key : sets)
      drop_elements([&](World & w) -> auto& { return w.network_sets.at(key).nets; });
    std::vector<model::ObjectName> slices;
    for (const auto& [key, slice] : world_.endpoint_slices) slices.push_back(key);
    for (const auto& key : slices)
      drop_elements([&](World & w) -> auto& { return w.endpoint_slices.at(key).ports; });
  }

  World world_;
  const std::function<bool(const World&)>& wrong_;
  bool smaller_ = false;
};

}  // namespace

World shrink(World world, const std::function<bool(const World&)>& wrong) {
  return Shrinker(std::move(world), wrong).run();
}

}  // namespace caracal::policy_testing
