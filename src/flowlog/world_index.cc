#include "flowlog/world_index.h"

#include <algorithm>
#include <optional>

#include "policy/oracle/endpoints.h"

namespace caracal::flowlog {
namespace {

bool holds(const std::vector<net::IpAddr>& addresses, const net::IpAddr& address) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

std::optional<std::string_view> value_of(const model::Labels& labels, std::string_view key) {
  const auto it = labels.find(key);
  if (it == labels.end()) return std::nullopt;
  return std::string_view(it->second);
}

}  // namespace

void WorldIndex::apply(const model::Update& update) {
  if (const auto* pod = std::get_if<model::PodUpdate>(&update)) return pods_.apply(*pod);
  if (const auto* policy = std::get_if<model::PolicyUpdate>(&update))
    return policies_.apply(*policy);
  if (const auto* node = std::get_if<model::NodeUpdate>(&update); node != nullptr && node->value) {
    model::Node small;
    small.name = node->value->name;
    small.internal_addresses = node->value->internal_addresses;
    return world_.apply(model::NodeUpdate{node->key, std::move(small)});
  }
  world_.apply(update);
}

std::vector<const model::ObjectName*> WorldIndex::holders(const net::IpAddr& address) const {
  std::vector<const model::ObjectName*> out = pods_.at(address);
  // A workload interface knows its address before the API does.
  for (const auto& [interface, endpoint] : world_.local_endpoints) {
    if (!holds(endpoint.addresses, address)) continue;
    const auto same = [&](const model::ObjectName* name) { return *name == endpoint.pod; };
    if (std::none_of(out.begin(), out.end(), same)) out.push_back(&endpoint.pod);
  }
  return out;
}

void WorldIndex::add_pod(const model::ObjectName& name, model::World& out) const {
  std::optional<model::Pod> pod = pods_.find(name);
  if (!pod) return;
  if (const auto ns = world_.namespaces.find(name.ns); ns != world_.namespaces.end())
    out.namespaces.insert(*ns);
  const auto account = world_.service_accounts.find({name.ns, pod->service_account});
  if (account != world_.service_accounts.end()) out.service_accounts.insert(*account);
  out.pods.emplace(name, std::move(*pod));
}

// REQUIRES: `own` is in `out`, if it exists.
void WorldIndex::add_policies(const model::ObjectName* own, model::World& out) const {
  if (own == nullptr) {  // what selects pods only is nothing to a host endpoint
    policies_.unpack(
        "", [](const PackedPolicies::Target& target) { return target.inherited; }, out);
    return;
  }
  const auto pod = out.pods.find(*own);
  if (pod == out.pods.end()) return;  // it is closed, whatever policies say
  const auto ns = out.namespaces.find(own->ns);
  const model::Labels inherited = policy::oracle::inherited_labels(out, &pod->second);
  const auto selects = [&](const PackedPolicies::Target& target) {
    if (target.in_namespace != nullptr && *target.in_namespace != own->ns) return false;
    if (!target.namespaces.matches_everything()) {
      if (ns == out.namespaces.end()) return false;
      if (!target.namespaces.matches(
              [&](std::string_view key) { return value_of(ns->second.labels, key); }))
        return false;
    }
    const model::Labels& labels = target.inherited ? inherited : pod->second.labels;
    return target.pods.matches([&](std::string_view key) { return value_of(labels, key); });
  };
  if (!own->ns.empty()) policies_.unpack(own->ns, selects, out);
  policies_.unpack("", selects, out);
}

model::World WorldIndex::excerpt(const net::IpAddr& source, const net::IpAddr& destination,
                                 const model::ObjectName* own) const {
  model::World out;
  out.tiers = world_.tiers;
  out.settings = world_.settings;
  out.host_interfaces = world_.host_interfaces;
  if (own != nullptr) add_pod(*own, out);
  add_policies(own, out);
  for (const net::IpAddr& address : {source, destination}) {
    for (const model::ObjectName* pod : holders(address)) add_pod(*pod, out);
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
  for (const model::ObjectName* pod : holders(address)) {
    if (pods_.networked(*pod)) return pod->to_string();
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
