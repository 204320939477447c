#include "policy/oracle/endpoints.h"

#include <algorithm>

namespace caracal::policy::oracle {
namespace {

using model::Labels;
using model::World;

// Names of service accounts of this length and more have no label (they would not fit).
constexpr size_t kLabelValueLimit = 63;

bool has(const std::vector<net::IpAddr>& list, const net::IpAddr& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

bool pod_holds(const World& world, const model::Pod& pod, const net::IpAddr& address) {
  if (!pod.networked()) return false;
  if (has(pod.addresses, address)) return true;
  for (const auto& [interface, endpoint] : world.local_endpoints) {
    if (endpoint.pod == pod.name && has(endpoint.addresses, address)) return true;
  }
  return false;
}

bool labels_match(const selector::Selector& selector, const Labels& labels) {
  return selector.matches([&](std::string_view key) -> std::optional<std::string_view> {
    const auto it = labels.find(key);
    if (it == labels.end()) return std::nullopt;
    return it->second;
  });
}

// An endpoint's own label goes before one it inherits; the name cannot be relabelled.
void inherit(Labels& labels, const std::string& prefix, const Labels& from,
             const std::string& name) {
  labels.emplace(prefix + "projectcalico.org/name", name);
  for (const auto& [key, value] : from) labels.emplace(prefix + key, value);
}

const Labels& own_labels(const Holder& holder) {
  return std::visit([](const auto* object) -> const Labels& { return object->labels; }, holder);
}

}  // namespace

std::string to_string(const Holder& holder) {
  if (const auto* pod = std::get_if<const model::Pod*>(&holder))
    return "pod " + (*pod)->name.to_string();
  if (const auto* host = std::get_if<const model::HostEndpoint*>(&holder))
    return "host endpoint " + (*host)->name;
  return "network set " + std::get<const model::NetworkSet*>(holder)->name.to_string();
}

std::optional<std::string> namespace_of(const Holder& holder) {
  if (const auto* pod = std::get_if<const model::Pod*>(&holder)) return (*pod)->name.ns;
  if (std::holds_alternative<const model::HostEndpoint*>(holder)) return std::nullopt;
  const model::ObjectName& name = std::get<const model::NetworkSet*>(holder)->name;
  if (name.ns.empty()) return std::nullopt;
  return name.ns;
}

const std::vector<model::NamedPort>& ports_of(const Holder& holder) {
  static const std::vector<model::NamedPort> kNone;
  if (const auto* pod = std::get_if<const model::Pod*>(&holder)) return (*pod)->ports;
  if (const auto* host = std::get_if<const model::HostEndpoint*>(&holder)) return (*host)->ports;
  return kNone;
}

std::vector<Holder> holders_at(const World& world, const net::IpAddr& address) {
  std::vector<Holder> out;
  for (const auto& [name, pod] : world.pods) {
    if (pod_holds(world, pod, address)) out.emplace_back(&pod);
  }
  for (const auto& [name, host] : world.host_endpoints) {
    if (has(host.addresses, address)) out.emplace_back(&host);
  }
  for (const auto& [name, set] : world.network_sets) {
    const bool in = std::any_of(set.nets.begin(), set.nets.end(),
                                [&](const net::Cidr& net) { return net.contains(address); });
    if (in) out.emplace_back(&set);
  }
  return out;
}

Labels inherited_labels(const World& world, const Holder& holder) {
  Labels labels = own_labels(holder);
  const auto ns_name = namespace_of(holder);
  if (!ns_name) return labels;
  labels["projectcalico.org/namespace"] = *ns_name;
  const auto* pod = std::get_if<const model::Pod*>(&holder);
  if (pod != nullptr) {
    const std::string& account = (*pod)->service_account;
    labels["projectcalico.org/orchestrator"] = "k8s";
    if (!account.empty() && account.size() < kLabelValueLimit)
      labels["projectcalico.org/serviceaccount"] = account;
  }
  if (const auto ns = world.namespaces.find(*ns_name); ns != world.namespaces.end())
    inherit(labels, "pcns.", ns->second.labels, *ns_name);
  if (pod != nullptr) {
    const auto account = world.service_accounts.find({*ns_name, (*pod)->service_account});
    if (account != world.service_accounts.end())
      inherit(labels, "pcsa.", account->second.labels, (*pod)->service_account);
  }
  return labels;
}

PeerCheck check_endpoint(const World& world, const model::EndpointPeer& peer,
                         const Holder& holder) {
  using Reason = PeerCheck::Reason;
  PeerCheck check;
  check.peer = peer;
  if (!peer.inherited && !std::holds_alternative<const model::Pod*>(holder)) {
    check.reason = Reason::kNoPod;
    return check;
  }
  check.endpoint = to_string(holder);
  const auto ns_name = namespace_of(holder);
  if (peer.in_namespace && peer.in_namespace != ns_name) {
    check.reason = Reason::kOtherNamespace;
    return check;
  }
  if (!peer.namespaces.matches_everything()) {
    const auto ns = ns_name ? world.namespaces.find(*ns_name) : world.namespaces.end();
    if (ns == world.namespaces.end()) {
      check.reason = Reason::kNamespaceUnknown;
      return check;
    }
    if (!labels_match(peer.namespaces, ns->second.labels)) {
      check.reason = Reason::kNamespaceLabels;
      check.labels = ns->second.labels;
      return check;
    }
  }
  check.labels = peer.inherited ? inherited_labels(world, holder) : own_labels(holder);
  if (!labels_match(peer.pods, check.labels)) check.reason = Reason::kPodLabels;
  return check;
}

const model::HostEndpoint* host_endpoint_on(const World& world, const std::string& node,
                                            const std::string& interface) {
  for (const auto& [name, endpoint] : world.local_endpoints) {
    if (name == interface) return nullptr;  // a pod's
  }
  const auto known = world.host_interfaces.find(interface);
  const model::HostEndpoint* by_address = nullptr;
  const model::HostEndpoint* every = nullptr;
  for (const auto& [name, host] : world.host_endpoints) {
    if (host.node != node) continue;
    if (host.interface == interface) return &host;
    if (host.interface == "*" && every == nullptr) every = &host;
    if (!host.interface.empty() || known == world.host_interfaces.end()) continue;
    for (const net::IpAddr& address : host.addresses) {
      if (by_address == nullptr && has(known->second.addresses, address)) by_address = &host;
    }
  }
  return by_address != nullptr ? by_address : every;
}

}  // namespace caracal::policy::oracle
