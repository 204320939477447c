#include "flowlog/world_index.h"

#include <algorithm>
#include <array>

namespace caracal::flowlog {
namespace {

bool holds(const std::vector<net::IpAddr>& addresses, const net::IpAddr& address) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

constexpr std::array kEnforcedKinds = {
    model::PolicyKind::kNetworkPolicy,       model::PolicyKind::kCalicoNetworkPolicy,
    model::PolicyKind::kGlobalNetworkPolicy, model::PolicyKind::kClusterNetworkPolicy,
    model::PolicyKind::kAdminNetworkPolicy,  model::PolicyKind::kBaselineAdminNetworkPolicy,
};

// Policies are sorted by kind, then namespace: those of one are neighbours.
template <typename Policies>
void copy_policies(const Policies& from, const std::string& ns, Policies& to) {
  for (const model::PolicyKind kind : kEnforcedKinds) {
    for (auto it = from.lower_bound({kind, {ns, ""}});
         it != from.end() && it->first.kind == kind && it->first.name.ns == ns; ++it) {
      to.insert(*it);
    }
  }
}

}  // namespace

void WorldIndex::apply(const model::Update& update) {
  if (const auto* pod = std::get_if<model::PodUpdate>(&update)) return index_pod(*pod);
  if (const auto* policy = std::get_if<model::PolicyUpdate>(&update);
      policy != nullptr && model::is_staged(policy->key.kind)) {
    return;
  }
  if (const auto* node = std::get_if<model::NodeUpdate>(&update); node != nullptr && node->value) {
    model::Node small;
    small.name = node->value->name;
    small.internal_addresses = node->value->internal_addresses;
    return world_.apply(model::NodeUpdate{node->key, std::move(small)});
  }
  world_.apply(update);
}

void WorldIndex::index_pod(const model::PodUpdate& update) {
  if (const auto before = world_.pods.find(update.key); before != world_.pods.end()) {
    for (const net::IpAddr& address : before->second.addresses) {
      auto [it, end] = by_address_.equal_range(address);
      while (it != end) it = it->second == &before->first ? by_address_.erase(it) : std::next(it);
    }
  }
  world_.apply(update);
  const auto now = world_.pods.find(update.key);
  if (now == world_.pods.end()) return;
  now->second.uid.clear();
  now->second.uid.shrink_to_fit();
  for (const net::IpAddr& address : now->second.addresses)
    by_address_.emplace(address, &now->first);
}

std::vector<const model::Pod*> WorldIndex::holders(const net::IpAddr& address) const {
  std::vector<const model::Pod*> out;
  const auto [begin, end] = by_address_.equal_range(address);
  for (auto it = begin; it != end; ++it) out.push_back(&world_.pods.at(*it->second));
  // A workload interface knows its address before the API does.
  for (const auto& [interface, endpoint] : world_.local_endpoints) {
    if (!holds(endpoint.addresses, address)) continue;
    const auto pod = world_.pods.find(endpoint.pod);
    if (pod != world_.pods.end() && std::find(out.begin(), out.end(), &pod->second) == out.end())
      out.push_back(&pod->second);
  }
  return out;
}

void WorldIndex::add_pod(const model::Pod& pod, model::World& out) const {
  out.pods.emplace(pod.name, pod);
  if (const auto ns = world_.namespaces.find(pod.name.ns); ns != world_.namespaces.end())
    out.namespaces.insert(*ns);
  const auto account = world_.service_accounts.find({pod.name.ns, pod.service_account});
  if (account != world_.service_accounts.end()) out.service_accounts.insert(*account);
}

void WorldIndex::add_policies(const std::string& ns, model::World& out) const {
  copy_policies(world_.policies, ns, out.policies);
  copy_policies(world_.invalid_policies, ns, out.invalid_policies);
}

model::World WorldIndex::excerpt(const net::IpAddr& source, const net::IpAddr& destination,
                                 const model::ObjectName* own) const {
  model::World out;
  out.tiers = world_.tiers;
  out.settings = world_.settings;
  out.host_interfaces = world_.host_interfaces;
  if (own != nullptr) {
    if (const auto pod = world_.pods.find(*own); pod != world_.pods.end())
      add_pod(pod->second, out);
    if (!own->ns.empty()) add_policies(own->ns, out);
  }
  add_policies("", out);
  for (const net::IpAddr& address : {source, destination}) {
    for (const model::Pod* pod : holders(address)) add_pod(*pod, out);
  }
  const auto either = [&](const std::vector<net::IpAddr>& addresses) {
    return holds(addresses, source) || holds(addresses, destination);
  };
  for (const auto& [interface, endpoint] : world_.local_endpoints) {
    if (either(endpoint.addresses) || (own != nullptr && endpoint.pod == *own))
      out.local_endpoints.emplace(interface, endpoint);
  }
  for (const auto& [name, node] : world_.nodes) {
    if (either(node.internal_addresses)) out.nodes.emplace(name, node);
  }
  for (const auto& [name, slice] : world_.endpoint_slices) {
    if (either(slice.addresses)) out.endpoint_slices.emplace(name, slice);
  }
  // Of a host endpoint the node's own are few, and others count as peers only.
  out.host_endpoints = world_.host_endpoints;
  for (const auto& [name, endpoint] : world_.host_endpoints) {
    // A namespace's profile allows while the namespace is known.
    for (const std::string& profile : endpoint.profiles) {
      if (!profile.starts_with("kns.")) continue;
      if (const auto ns = world_.namespaces.find(profile.substr(4)); ns != world_.namespaces.end())
        out.namespaces.insert(*ns);
    }
  }
  for (const auto& [name, set] : world_.network_sets) {
    model::NetworkSet part{set.name, set.labels, {}};
    for (const net::Cidr& net : set.nets) {
      if (net.contains(source) || net.contains(destination)) part.nets.push_back(net);
    }
    if (part.nets.empty()) continue;
    if (const auto ns = world_.namespaces.find(name.ns); ns != world_.namespaces.end())
      out.namespaces.insert(*ns);
    out.network_sets.emplace(name, std::move(part));
  }
  return out;
}

std::string WorldIndex::name_of(const net::IpAddr& address) const {
  for (const model::Pod* pod : holders(address)) {
    if (pod->networked()) return pod->name.to_string();
  }
  for (const auto& [name, node] : world_.nodes) {
    if (holds(node.internal_addresses, address)) return "node " + name;
  }
  for (const auto& [name, endpoint] : world_.host_endpoints) {
    if (holds(endpoint.addresses, address)) return "host endpoint " + name;
  }
  return {};
}

}  // namespace caracal::flowlog
