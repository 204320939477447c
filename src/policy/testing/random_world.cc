#include "policy/testing/random_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace caracal::policy_testing {
namespace {

using selector::Op;
using selector::Selector;

net::IpAddr address(const char* text) { return *net::IpAddr::parse(text); }
net::Cidr cidr(const char* text) { return *net::Cidr::parse(text); }

const std::vector<net::Cidr>& cidrs() {
  static const std::vector<net::Cidr> list = {
      cidr("0.0.0.0/0"),      cidr("10.0.0.0/8"),
      cidr("10.0.0.0/28"),    cidr("10.0.0.0/30"),
      cidr("10.0.0.4/31"),    cidr("10.0.0.5/32"),
      cidr("10.0.0.8/29"),    cidr("192.0.2.0/24"),
      cidr("192.0.2.128/25"), cidr("255.255.255.255/32"),
      cidr("::/0"),           cidr("fd00::/8"),
      cidr("fd00::/126"),     cidr("fd00::2/127"),
      cidr("fd00::5/128"),    cidr("2001:db8::/32"),
      cidr("128.0.0.0/1"),    cidr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")};
  return list;
}

const std::vector<std::string> kKeys = {"app", "tier", "x"};
const std::vector<std::string> kValues = {"a", "b", "c", ""};
const std::vector<uint16_t> kPorts = {0, 1, 53, 79, 80, 81, 443, 8080, 8081, 65534, 65535};
const std::vector<std::string> kPortNames = {"http", "dns", "admin"};
const std::vector<net::Protocol> kPortProtocols = {net::kTcp, net::kTcp, net::kUdp, net::kSctp};

std::string describe_peer(const model::EndpointPeer& peer) {
  return fmt::format("pods({}) namespaces({}){}", peer.pods.canonical(),
                     peer.namespaces.canonical(),
                     peer.in_namespace ? " in " + *peer.in_namespace : "");
}

std::string describe_rule(const model::Rule& rule) {
  static const char* const kActions[] = {"allow", "deny", "pass"};
  std::string out = kActions[static_cast<size_t>(rule.action)];
  if (rule.peers) {
    out += " peers [";
    for (const model::Peer& peer : *rule.peers) {
      if (const auto* endpoints = std::get_if<model::EndpointPeer>(&peer)) {
        out += describe_peer(*endpoints) + "; ";
        continue;
      }
      const auto& block = std::get<model::CidrPeer>(peer);
      out += block.net.to_string();
      for (const net::Cidr& except : block.except) out += " except " + except.to_string();
      out += "; ";
    }
    out += "]";
  }
  if (rule.ports) {
    out += " ports [";
    for (const model::PortMatch& port : *rule.ports) {
      out += port.protocol.to_string();
      if (const auto* range = std::get_if<net::PortRange>(&port.port)) {
        out += fmt::format(" {}-{}; ", range->first, range->last);
      } else {
        out += " " + std::get<std::string>(port.port) + "; ";
      }
    }
    out += "]";
  }
  return out;
}

std::string describe_labels(const model::Labels& labels) {
  std::string out;
  for (const auto& [key, value] : labels) out += fmt::format(" {}={}", key, value);
  return out;
}

template <typename List>
std::string describe_addresses(const List& list) {
  std::string out;
  for (const net::IpAddr& a : list) out += " " + a.to_string();
  return out;
}

std::string describe_policy(const model::Policy& policy) {
  std::string out =
      fmt::format("policy {}: tier {} order {} selects {}{}{}\n", policy.id.to_string(),
                  policy.tier, policy.order, describe_peer(policy.selects),
                  policy.applies_ingress ? " Ingress" : "", policy.applies_egress ? " Egress" : "");
  for (const model::Rule& rule : policy.ingress)
    out += "    ingress: " + describe_rule(rule) + "\n";
  for (const model::Rule& rule : policy.egress) out += "    egress: " + describe_rule(rule) + "\n";
  return out;
}

struct Describe {
  std::string operator()(const model::PodUpdate& u) const {
    if (!u.value) return fmt::format("pod {}: gone\n", u.key.to_string());
    const model::Pod& pod = *u.value;
    std::string ports;
    for (const model::NamedPort& port : pod.ports) {
      ports += fmt::format(" {}={}/{}", port.name, port.protocol.to_string(), port.port);
    }
    return fmt::format("pod {}: node {} labels[{} ] addresses[{} ] ports[{} ]{}{}\n",
                       u.key.to_string(), pod.node, describe_labels(pod.labels),
                       describe_addresses(pod.addresses), ports,
                       pod.host_network ? " hostNetwork" : "", pod.finished ? " finished" : "");
  }
  std::string operator()(const model::NamespaceUpdate& u) const {
    if (!u.value) return fmt::format("namespace {}: gone\n", u.key);
    return fmt::format("namespace {}: labels[{} ]\n", u.key, describe_labels(u.value->labels));
  }
  std::string operator()(const model::NodeUpdate& u) const {
    if (!u.value) return fmt::format("node {}: gone\n", u.key);
    return fmt::format("node {}: addresses[{} ]\n", u.key,
                       describe_addresses(u.value->internal_addresses));
  }
  std::string operator()(const model::PolicyUpdate& u) const {
    if (u.invalid) {
      return fmt::format("invalid ({}): {}", *u.invalid, describe_policy(model::enforced_form(u)));
    }
    if (!u.value) return fmt::format("policy {}: gone\n", u.key.to_string());
    return describe_policy(*u.value);
  }
  std::string operator()(const model::LocalEndpointUpdate& u) const {
    if (!u.value) return fmt::format("interface {}: gone\n", u.key);
    return fmt::format("interface {}: pod {} addresses[{} ]\n", u.key, u.value->pod.to_string(),
                       describe_addresses(u.value->addresses));
  }
};

std::vector<model::Update> updates_of(const model::World& world) {
  std::vector<model::Update> out;
  for (const auto& [key, value] : world.namespaces)
    out.push_back(model::NamespaceUpdate{key, value});
  for (const auto& [key, value] : world.nodes) out.push_back(model::NodeUpdate{key, value});
  for (const auto& [key, value] : world.pods) out.push_back(model::PodUpdate{key, value});
  for (const auto& [key, value] : world.policies)
    out.push_back(model::PolicyUpdate{key, value, {}});
  for (const auto& [key, value] : world.invalid_policies) {
    out.push_back(model::PolicyUpdate{key, value.policy, value.reason});
  }
  for (const auto& [key, value] : world.local_endpoints) {
    out.push_back(model::LocalEndpointUpdate{key, value});
  }
  return out;
}

struct Remove {
  model::Update operator()(const model::PodUpdate& u) const { return model::PodUpdate{u.key, {}}; }
  model::Update operator()(const model::NamespaceUpdate& u) const {
    return model::NamespaceUpdate{u.key, {}};
  }
  model::Update operator()(const model::NodeUpdate& u) const {
    return model::NodeUpdate{u.key, {}};
  }
  model::Update operator()(const model::PolicyUpdate& u) const {
    return model::PolicyUpdate{u.key, {}, {}};
  }
  model::Update operator()(const model::LocalEndpointUpdate& u) const {
    return model::LocalEndpointUpdate{u.key, {}};
  }
};

}  // namespace

RandomWorld::RandomWorld(uint32_t seed, RandomWorldOptions options)
    : random_(seed), options_(options) {
  if (options_.tiers) {
    world_.tiers = {{"first", 10, model::Action::kPass},
                    {"second", 20, model::Action::kDeny},
                    model::kDefaultTier,
                    {"baseline", 2'000'000, model::Action::kAllow}};
  }
}

std::string RandomWorld::namespace_name() {
  return fmt::format("ns{}", below(static_cast<size_t>(options_.namespaces)));
}
model::ObjectName RandomWorld::pod_name() {
  return {namespace_name(),
          fmt::format("pod{}", below(static_cast<size_t>(options_.pods_per_namespace)))};
}

model::Labels RandomWorld::labels() {
  model::Labels out;
  for (const std::string& key : kKeys) {
    if (one_in(2)) out[key] = pick(kValues);
  }
  return out;
}

Selector RandomWorld::simple_selector() {
  switch (below(6)) {
    case 0:
      return Selector();
    case 1:
      return Selector::requirement(Op::kNotIn, pick(kKeys), {pick(kValues), pick(kValues)});
    case 2:
      return Selector::requirement(Op::kExists, pick(kKeys));
    case 3:
      return Selector::requirement(Op::kNotExists, pick(kKeys));
    case 4:
      return Selector::requirement(Op::kIn, pick(kKeys), {pick(kValues), pick(kValues)});
    default:
      return Selector::requirement(Op::kIn, pick(kKeys), {pick(kValues)});
  }
}

Selector RandomWorld::random_selector() {
  Selector out = simple_selector();
  if (one_in(3)) out = Selector::all_of({out, simple_selector()});
  if (options_.tiers && one_in(4)) out = Selector::any_of({out, simple_selector()});
  if (options_.tiers && one_in(6)) out = Selector::negation(out);
  return out;
}

std::vector<net::IpAddr> RandomWorld::addresses(const model::ObjectName& pod) {
  if (one_in(8)) return {};
  // A number of its own for each pod, or (sometimes) any.
  auto number = static_cast<uint32_t>((pod.ns.back() - '0') * options_.pods_per_namespace +
                                      (pod.name.back() - '0') + 1);
  if (options_.shared_addresses && one_in(4)) number = static_cast<uint32_t>(1 + below(10));
  std::vector<net::IpAddr> out;
  const size_t kind = below(4);
  if (kind != 0) out.push_back(net::IpAddr::v4(0x0a000000u + number));
  if (kind != 1) {
    std::array<uint8_t, 16> bytes{};
    bytes[0] = 0xfd;
    bytes[15] = static_cast<uint8_t>(number);
    out.push_back(net::IpAddr::v6(bytes));
  }
  return out;
}

net::PortRange RandomWorld::port_range() {
  if (one_in(6)) return {};
  const uint16_t first = pick(kPorts);
  if (!one_in(3)) return {first, first};
  const uint16_t last = pick(kPorts);
  return first <= last ? net::PortRange{first, last} : net::PortRange{last, first};
}

model::PortMatch RandomWorld::port_match() {
  model::PortMatch port{pick(kPortProtocols), net::PortRange{}};
  if (one_in(3)) {
    port.port = pick(kPortNames);
  } else {
    port.port = port_range();
  }
  if (options_.tiers && one_in(8))
    port = {one_in(2) ? net::kIcmp : net::Protocol{47}, net::PortRange{}};
  return port;
}

model::Peer RandomWorld::peer(const std::string& ns) {
  if (one_in(3)) {
    model::CidrPeer block{pick(cidrs()), {}};
    for (size_t i = below(3); i > 0; --i) {
      const net::Cidr& except = pick(cidrs());
      if (block.net.contains(except)) block.except.push_back(except);
    }
    return block;
  }
  model::EndpointPeer endpoints;
  switch (below(4)) {
    case 0:
      endpoints.pods = random_selector();
      endpoints.in_namespace = ns;
      break;
    case 1:
      endpoints.namespaces = random_selector();
      break;
    case 2:
      endpoints.pods = random_selector();
      endpoints.namespaces = random_selector();
      break;
    default:
      endpoints.in_namespace = ns;
      break;
  }
  return endpoints;
}

model::Rule RandomWorld::rule(const std::string& ns) {
  model::Rule rule;
  if (!one_in(5)) {
    rule.peers.emplace();
    for (size_t i = 1 + below(2); i > 0; --i) rule.peers->push_back(peer(ns));
    if (one_in(20)) rule.peers->clear();
  }
  if (!one_in(3)) {
    rule.ports.emplace();
    for (size_t i = 1 + below(3); i > 0; --i) rule.ports->push_back(port_match());
    if (one_in(20)) rule.ports->clear();
  }
  if (options_.tiers) rule.action = static_cast<model::Action>(below(3));
  return rule;
}

model::Policy RandomWorld::random_policy(const model::PolicyId& id) {
  model::Policy policy;
  policy.id = id;
  policy.selects.in_namespace = id.name.ns;
  if (!one_in(3)) policy.selects.pods = random_selector();
  if (options_.tiers) {
    static const std::vector<std::string> kTiers = {"first", "second", "default", "baseline",
                                                    "missing"};
    policy.tier = pick(kTiers);
    policy.order = static_cast<double>(below(3));
    if (one_in(3)) {
      policy.selects.in_namespace.reset();
      policy.selects.namespaces = random_selector();
    }
  }
  const size_t directions = below(4);
  policy.applies_ingress = directions != 0;
  policy.applies_egress = directions != 1;
  if (policy.applies_ingress) {
    for (size_t i = below(3); i > 0; --i) policy.ingress.push_back(rule(id.name.ns));
  }
  if (policy.applies_egress) {
    for (size_t i = below(3); i > 0; --i) policy.egress.push_back(rule(id.name.ns));
  }
  return policy;
}

model::Update RandomWorld::pod_change() {
  const model::ObjectName name = pod_name();
  const auto it = world_.pods.find(name);
  model::PodUpdate update{name, {}};
  if (it != world_.pods.end() && one_in(5)) return update;
  model::Pod pod;
  if (it != world_.pods.end()) pod = it->second;
  const bool fresh = it == world_.pods.end();
  pod.name = name;
  pod.node = one_in(2) ? "n0" : "n1";
  if (fresh || one_in(2)) pod.labels = labels();
  if (fresh || one_in(3)) pod.addresses = addresses(name);
  if (fresh || one_in(3)) {
    pod.ports.clear();
    for (size_t i = below(3); i > 0; --i) {
      pod.ports.push_back({pick(kPortNames), pick(kPortProtocols), pick(kPorts)});
    }
  }
  pod.host_network = one_in(20);
  pod.finished = one_in(15);
  update.value = std::move(pod);
  return update;
}

model::Update RandomWorld::namespace_change() {
  model::NamespaceUpdate update{namespace_name(), {}};
  if (!one_in(5)) update.value = model::Namespace{update.key, labels()};
  return update;
}

model::Update RandomWorld::policy_change() {
  const model::PolicyId id{
      model::PolicyKind::kNetworkPolicy,
      {namespace_name(),
       fmt::format("policy{}", below(static_cast<size_t>(options_.policies_per_namespace)))}};
  model::PolicyUpdate update{id, {}, {}};
  if (one_in(5)) return update;
  if (!one_in(20)) update.value = random_policy(id);
  if (!update.value || one_in(20)) update.invalid = "spec: made invalid by the test";
  return update;
}

model::Update RandomWorld::endpoint_change() {
  const model::ObjectName pod = pod_name();
  const std::string interface = fmt::format("cali-{}-{}", pod.ns, pod.name);
  model::LocalEndpointUpdate update{interface, {}};
  if (world_.local_endpoints.contains(interface) && one_in(3)) return update;
  model::LocalEndpoint endpoint{pod, interface, {}};
  const auto it = world_.pods.find(pod);
  if (options_.shared_addresses && one_in(3)) {
    endpoint.addresses = addresses(pod);
  } else if (it != world_.pods.end()) {
    endpoint.addresses = it->second.addresses;
  }
  update.value = std::move(endpoint);
  return update;
}

model::Update RandomWorld::next() {
  if (world_.nodes.empty()) {
    model::Node node;
    node.name = "n0";
    node.internal_addresses = {address("192.0.2.10"), address("2001:db8::10")};
    world_.nodes.emplace("n0", node);
    return model::NodeUpdate{"n0", node};
  }
  model::Update update;
  switch (below(options_.local_endpoints ? 12 : 10)) {
    case 0:
    case 1:
    case 2:
    case 3:
      update = pod_change();
      break;
    case 4:
      update = namespace_change();
      break;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
      update = policy_change();
      break;
    default:
      update = endpoint_change();
      break;
  }
  world_.apply(update);
  return update;
}

std::vector<model::Update> RandomWorld::rebuild() {
  std::vector<model::Update> out = updates_of(world_);
  const size_t n = out.size();
  for (size_t i = 0; i < n; ++i) {
    if (one_in(4)) out.push_back(out[i]);
  }
  std::shuffle(out.begin(), out.end(), random_);
  return out;
}

std::vector<model::Update> RandomWorld::teardown() {
  std::vector<model::Update> out;
  for (const model::Update& update : updates_of(world_))
    out.push_back(std::visit(Remove{}, update));
  std::shuffle(out.begin(), out.end(), random_);
  return out;
}

std::vector<net::IpAddr> RandomWorld::interesting_addresses() const {
  std::set<net::IpAddr> out = {address("203.0.113.7"),     address("2001:db8:ffff::7"),
                               address("0.0.0.0"),         address("::"),
                               address("255.255.255.255"), address("192.0.2.10")};
  const auto add = [&](const net::Cidr& block) {
    out.insert(block.first());
    out.insert(block.last());
    out.insert(block.first().previous());
    out.insert(block.last().next());
  };
  const auto add_rules = [&](const std::vector<model::Rule>& rules) {
    for (const model::Rule& rule : rules) {
      if (!rule.peers) continue;
      for (const model::Peer& peer : *rule.peers) {
        if (const auto* block = std::get_if<model::CidrPeer>(&peer)) {
          add(block->net);
          for (const net::Cidr& except : block->except) add(except);
        }
      }
    }
  };
  for (const auto& [id, policy] : world_.policies) {
    add_rules(policy.ingress);
    add_rules(policy.egress);
  }
  for (const auto& [name, pod] : world_.pods)
    out.insert(pod.addresses.begin(), pod.addresses.end());
  for (const auto& [key, endpoint] : world_.local_endpoints) {
    out.insert(endpoint.addresses.begin(), endpoint.addresses.end());
  }
  return {out.begin(), out.end()};
}

std::vector<uint16_t> RandomWorld::interesting_ports() const {
  std::set<uint16_t> out(kPorts.begin(), kPorts.end());
  for (const uint16_t port : kPorts) {
    if (port > 0) out.insert(static_cast<uint16_t>(port - 1));
    if (port < 65535) out.insert(static_cast<uint16_t>(port + 1));
  }
  return {out.begin(), out.end()};
}

std::string describe(const model::Update& update) { return std::visit(Describe{}, update); }

std::string describe(const model::World& world) {
  std::string out;
  for (const model::Update& update : updates_of(world)) out += describe(update);
  return out;
}

}  // namespace caracal::policy_testing
