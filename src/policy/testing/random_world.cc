#include "policy/testing/random_world.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/testing/world_updates.h"

namespace caracal::policy_testing {
namespace {

net::IpAddr address(const char* text) { return *net::IpAddr::parse(text); }

model::Node node(const char* name, const char* v4, const char* v6) {
  model::Node out;
  out.name = name;
  out.internal_addresses = {address(v4), address(v6)};
  return out;
}

}  // namespace

RandomWorld::RandomWorld(uint32_t seed, RandomWorldOptions options) : parts_(seed, options) {
  beginning_.push_back(model::NodeUpdate{"n0", node("n0", "192.0.2.10", "2001:db8::10")});
  for (int i = 0; i < options.namespaces; ++i) {
    const std::string name = fmt::format("ns{}", i);
    beginning_.push_back(model::NamespaceUpdate{name, model::Namespace{name, parts_.labels()}});
  }
  if (options.tiers) {
    beginning_.push_back(
        model::TierUpdate{"first", model::Tier{"first", 10, model::Action::kPass}});
    beginning_.push_back(
        model::TierUpdate{"second", model::Tier{"second", 20, model::Action::kDeny}});
  }
  if (options.hosts) {
    const auto& addresses = options.host_addresses;
    for (size_t i = 0; i < options.host_interfaces.size(); ++i) {
      const std::string& name = options.host_interfaces[i];
      model::HostInterface interface {
        name, { addresses[i % addresses.size()] }
      };
      beginning_.push_back(model::HostInterfaceUpdate{name, interface});
    }
  }
}

model::Update RandomWorld::pod_change() {
  const model::ObjectName name = parts_.pod_name();
  const auto it = world_.pods.find(name);
  model::PodUpdate update{name, {}};
  if (it != world_.pods.end() && parts_.one_in(5)) return update;
  model::Pod pod;
  if (it != world_.pods.end()) pod = it->second;
  const bool fresh = it == world_.pods.end();
  pod.name = name;
  pod.node = parts_.one_in(2) ? "n0" : "n1";
  if (fresh || parts_.one_in(2)) pod.labels = parts_.labels();
  if (fresh || parts_.one_in(3)) pod.addresses = parts_.pod_addresses(name);
  if (fresh || parts_.one_in(3)) {
    pod.ports.clear();
    for (size_t i = parts_.below(3); i > 0; --i) pod.ports.push_back(parts_.named_port());
  }
  if (parts_.options().calico && (fresh || parts_.one_in(4)))
    pod.service_account = parts_.service_account_name();
  pod.host_network = parts_.one_in(20);
  pod.finished = parts_.one_in(15);
  update.value = std::move(pod);
  return update;
}

model::Update RandomWorld::namespace_change() {
  model::NamespaceUpdate update{parts_.namespace_name(), {}};
  if (!parts_.one_in(6)) update.value = model::Namespace{update.key, parts_.labels()};
  return update;
}

model::Update RandomWorld::policy_change() {
  const model::PolicyId id = parts_.policy_id();
  model::PolicyUpdate update{id, {}, {}};
  if (parts_.one_in(5)) return update;
  if (!parts_.one_in(20)) update.value = parts_.policy(id);
  if (!update.value || parts_.one_in(parts_.options().tiers ? 10 : 20))
    update.invalid = "spec: made invalid by the test";
  return update;
}

model::Update RandomWorld::endpoint_change() {
  const model::ObjectName pod = parts_.pod_name();
  const std::string interface = fmt::format("cali-{}-{}", pod.ns, pod.name);
  model::LocalEndpointUpdate update{interface, {}};
  if (world_.local_endpoints.contains(interface) && parts_.one_in(3)) return update;
  model::LocalEndpoint endpoint{pod, interface, {}};
  const auto it = world_.pods.find(pod);
  if (parts_.options().shared_addresses && parts_.one_in(3)) {
    endpoint.addresses = parts_.pod_addresses(pod);
  } else if (it != world_.pods.end()) {
    endpoint.addresses = it->second.addresses;
  }
  update.value = std::move(endpoint);
  return update;
}

model::Update RandomWorld::tier_change() {
  static const std::vector<std::string> kNames = {"first", "second", "default"};
  model::TierUpdate update{parts_.pick(kNames), {}};
  if (parts_.one_in(4)) return update;
  model::Tier tier{update.key, static_cast<double>(10 * parts_.below(3)),
                   parts_.one_in(2) ? model::Action::kPass : model::Action::kDeny};
  if (tier.name == "default") tier.order = model::kDefaultTier.order;
  update.value = std::move(tier);
  return update;
}

model::Update RandomWorld::network_set_change() {
  model::NetworkSetUpdate update{
      {parts_.one_in(2) ? "" : parts_.namespace_name(), fmt::format("set{}", parts_.below(2))}, {}};
  if (parts_.one_in(4)) return update;
  model::NetworkSet set{update.key, parts_.labels(), {}};
  for (size_t i = parts_.below(4); i > 0; --i) set.nets.push_back(parts_.cidr());
  std::sort(set.nets.begin(), set.nets.end());
  set.nets.erase(std::unique(set.nets.begin(), set.nets.end()), set.nets.end());
  update.value = std::move(set);
  return update;
}

model::Update RandomWorld::service_account_change() {
  std::string name = parts_.service_account_name();
  if (name.empty()) name = "default";
  model::ServiceAccountUpdate update{{parts_.namespace_name(), name}, {}};
  if (!parts_.one_in(4)) update.value = model::ServiceAccount{update.key, parts_.labels()};
  return update;
}

model::Update RandomWorld::slice_change() {
  model::EndpointSliceUpdate update{
      {parts_.namespace_name(), fmt::format("slice{}", parts_.below(3))}, {}};
  if (parts_.one_in(4)) return update;
  model::EndpointSlice slice;
  slice.name = update.key;
  slice.service = fmt::format("svc{}", parts_.below(2));
  for (size_t i = parts_.below(4); i > 0; --i) {
    const auto list = parts_.pod_addresses(parts_.pod_name());
    slice.addresses.insert(slice.addresses.end(), list.begin(), list.end());
  }
  for (size_t i = parts_.below(3); i > 0; --i) {
    const model::NamedPort port = parts_.named_port();
    slice.ports.push_back({port.name, port.protocol, port.port});
  }
  update.value = std::move(slice);
  return update;
}

model::Update RandomWorld::host_endpoint_change() {
  model::HostEndpointUpdate update{fmt::format("host{}", parts_.below(4)), {}};
  if (parts_.one_in(4)) return update;
  std::vector<std::string> interfaces = parts_.options().host_interfaces;
  interfaces.insert(interfaces.end(), {"*", "*", ""});
  static const std::vector<std::vector<std::string>> kProfiles = {
      {},
      {},
      {"projectcalico-default-allow"},
      {"kns.ns0"},
      {"kns.ns1", "projectcalico-default-allow"},
      {"other"}};
  model::HostEndpoint host;
  host.name = update.key;
  host.node = parts_.one_in(4) ? "n1" : kThisNode;
  host.interface = parts_.pick(interfaces);
  for (size_t i = host.interface.empty() ? 1 + parts_.below(2) : parts_.below(3); i > 0; --i)
    host.addresses.push_back(parts_.host_address());
  host.labels = parts_.labels();
  host.profiles = parts_.pick(kProfiles);
  for (size_t i = parts_.below(3); i > 0; --i) host.ports.push_back(parts_.named_port());
  update.value = std::move(host);
  return update;
}

model::Update RandomWorld::host_interface_change() {
  model::HostInterfaceUpdate update{parts_.pick(parts_.options().host_interfaces), {}};
  if (parts_.one_in(4)) return update;
  model::HostInterface interface {
    update.key, {}
  };
  for (size_t i = parts_.below(3); i > 0; --i) interface.addresses.push_back(parts_.host_address());
  update.value = std::move(interface);
  return update;
}

model::Update RandomWorld::settings_change() {
  model::PolicySettingsUpdate update;
  if (parts_.one_in(3)) return update;
  model::PolicySettings settings;
  const auto list = [&] {
    std::vector<model::Failsafe> out;
    for (size_t i = parts_.below(3); i > 0; --i) {
      const model::NamedPort port = parts_.named_port();
      model::Failsafe failsafe{port.protocol, port.port, std::nullopt};
      if (parts_.one_in(4)) failsafe = {net::Protocol{47}, 0, std::nullopt};
      if (parts_.one_in(2)) failsafe.net = parts_.cidr();
      out.push_back(failsafe);
    }
    return out;
  };
  settings.inbound = list();
  settings.outbound = list();
  settings.to_host = static_cast<model::ToHostAction>(parts_.below(3));
  update.value = std::move(settings);
  return update;
}

model::Update RandomWorld::any_change() {
  using Change = model::Update (RandomWorld::*)();
  const RandomWorldOptions& options = parts_.options();
  std::vector<std::pair<size_t, Change>> changes = {{4, &RandomWorld::pod_change},
                                                    {1, &RandomWorld::namespace_change},
                                                    {5, &RandomWorld::policy_change}};
  if (options.local_endpoints) changes.emplace_back(2, &RandomWorld::endpoint_change);
  if (options.tiers && parts_.one_in(4)) changes.emplace_back(1, &RandomWorld::tier_change);
  if (options.calico) {
    changes.emplace_back(1, &RandomWorld::network_set_change);
    changes.emplace_back(1, &RandomWorld::service_account_change);
    changes.emplace_back(1, &RandomWorld::slice_change);
  }
  if (options.hosts) {
    changes.emplace_back(2, &RandomWorld::host_endpoint_change);
    if (parts_.one_in(4)) changes.emplace_back(2, &RandomWorld::host_interface_change);
    if (parts_.one_in(4)) changes.emplace_back(2, &RandomWorld::settings_change);
  }
  size_t total = 0;
  for (const auto& [weight, change] : changes) total += weight;
  size_t at = parts_.below(total);
  for (const auto& [weight, change] : changes) {
    if (at < weight) return (this->*change)();
    at -= weight;
  }
  return pod_change();
}

model::Update RandomWorld::next() {
  model::Update update;
  if (beginning_.empty()) {
    update = any_change();
  } else {
    update = std::move(beginning_.front());
    beginning_.pop_front();
  }
  world_.apply(update);
  return update;
}

std::vector<model::Update> RandomWorld::rebuild() {
  std::vector<model::Update> out = updates_of(world_);
  const size_t n = out.size();
  for (size_t i = 0; i < n; ++i) {
    if (parts_.one_in(4)) out.push_back(out[i]);
  }
  std::shuffle(out.begin(), out.end(), parts_.random());
  return out;
}

std::vector<model::Update> RandomWorld::teardown() {
  std::vector<model::Update> out;
  for (const model::Update& update : updates_of(world_)) out.push_back(removal_of(update));
  std::shuffle(out.begin(), out.end(), parts_.random());
  return out;
}

}  // namespace caracal::policy_testing
