#include "policy/testing/random_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace caracal::policy_testing {
namespace {

using model::PolicyKind;
using selector::Op;
using selector::Selector;

net::IpAddr address(const char* text) { return *net::IpAddr::parse(text); }
net::Cidr block(const char* text) { return *net::Cidr::parse(text); }

const std::vector<std::string> kKeys = {"app", "tier", "x"};
const std::vector<std::string> kValues = {"a", "b", "ab", ""};
const std::vector<std::string> kPortNames = {"http", "dns", "admin"};
const std::vector<net::Protocol> kPortProtocols = {net::kTcp, net::kTcp, net::kUdp, net::kSctp};
// 63 characters: too long to be the value of a label that Caracal adds.
const std::string kLongAccount(63, 's');

struct InheritedKey {
  std::string key;
  std::vector<std::string> values;
};
const std::vector<InheritedKey> kInheritedKeys = {
    {"projectcalico.org/namespace", {"ns0", "ns1", "ns2"}},
    {"projectcalico.org/orchestrator", {"k8s"}},
    {"projectcalico.org/serviceaccount", {"sa0", "sa1"}},
    {"pcns.app", kValues},
    {"pcns.x", kValues},
    {"pcns.projectcalico.org/name", {"ns0", "ns1", "ns2"}},
    {"pcsa.app", kValues},
    {"pcsa.projectcalico.org/name", {"sa0", "sa1"}}};

}  // namespace

const std::vector<uint16_t>& port_pool() {
  static const std::vector<uint16_t> list = {0, 1, 53, 79, 80, 81, 443, 8080, 8081, 65534, 65535};
  return list;
}

const std::vector<net::Cidr>& cidr_pool() {
  static const std::vector<net::Cidr> list = {
      block("0.0.0.0/0"),      block("10.0.0.0/8"),
      block("10.0.0.0/28"),    block("10.0.0.0/30"),
      block("10.0.0.4/31"),    block("10.0.0.5/32"),
      block("10.0.0.8/29"),    block("192.0.2.0/24"),
      block("192.0.2.128/25"), block("255.255.255.255/32"),
      block("::/0"),           block("fd00::/8"),
      block("fd00::/126"),     block("fd00::2/127"),
      block("fd00::5/128"),    block("2001:db8::/32"),
      block("128.0.0.0/1"),    block("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")};
  return list;
}

std::string RandomParts::namespace_name() {
  return fmt::format("ns{}", below(static_cast<size_t>(options_.namespaces)));
}
model::ObjectName RandomParts::pod_name() {
  return {namespace_name(),
          fmt::format("pod{}", below(static_cast<size_t>(options_.pods_per_namespace)))};
}
std::string RandomParts::service_account_name() {
  static const std::vector<std::string> kNames = {"", "sa0", "sa0", "sa1", "sa1", kLongAccount};
  return pick(kNames);
}

model::Labels RandomParts::labels() {
  model::Labels out;
  for (const std::string& key : kKeys) {
    if (one_in(2)) out[key] = pick(kValues);
  }
  // What a user may write although it looks like an inherited label.
  if (options_.calico && one_in(12)) out["pcns.app"] = pick(kValues);
  if (options_.calico && one_in(12)) out["projectcalico.org/namespace"] = "ns0";
  return out;
}

model::NamedPort RandomParts::named_port() {
  return {pick(kPortNames), pick(kPortProtocols), port()};
}

uint16_t RandomParts::port() { return pick(port_pool()); }
net::Cidr RandomParts::cidr() { return pick(cidr_pool()); }

net::IpAddr RandomParts::host_address() { return pick(options_.host_addresses); }

std::vector<net::IpAddr> RandomWorldOptions::default_host_addresses() {
  return {address("192.0.2.10"), address("192.0.2.11"), address("192.0.2.12"),
          address("2001:db8::10"), address("2001:db8::11")};
}

Selector RandomParts::simple_selector(bool inherited) {
  std::string key = pick(kKeys);
  const std::vector<std::string>* values = &kValues;
  if (inherited && one_in(2)) {
    const InheritedKey& other = pick(kInheritedKeys);
    key = other.key;
    values = &other.values;
  }
  switch (below(inherited ? 9 : 6)) {
    case 0:
      return Selector();
    case 1:
      return Selector::requirement(Op::kNotIn, key, {pick(*values), pick(*values)});
    case 2:
      return Selector::requirement(Op::kExists, key);
    case 3:
      return Selector::requirement(Op::kNotExists, key);
    case 4:
      return Selector::requirement(Op::kIn, key, {pick(*values), pick(*values)});
    case 6:
      return Selector::requirement(Op::kContains, key, {pick(kValues)});
    case 7:
      return Selector::requirement(Op::kStartsWith, key, {one_in(3) ? "n" : pick(kValues)});
    case 8:
      return Selector::requirement(Op::kEndsWith, key, {one_in(3) ? "0" : pick(kValues)});
    default:
      return Selector::requirement(Op::kIn, key, {pick(*values)});
  }
}

Selector RandomParts::selector(bool inherited) {
  Selector out = simple_selector(inherited);
  if (one_in(3)) out = Selector::all_of({out, simple_selector(inherited)});
  if (options_.tiers && one_in(4)) out = Selector::any_of({out, simple_selector(inherited)});
  if (options_.tiers && one_in(6)) out = Selector::negation(out);
  return out;
}

std::vector<net::IpAddr> RandomParts::pod_addresses(const model::ObjectName& pod) {
  if (one_in(8)) return {};
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

net::PortRange RandomParts::port_range() {
  if (one_in(6)) return {};
  const uint16_t first = port();
  if (!one_in(3)) return {first, first};
  const uint16_t last = port();
  return first <= last ? net::PortRange{first, last} : net::PortRange{last, first};
}

model::PortMatch RandomParts::port_match() {
  model::PortMatch out{pick(kPortProtocols), net::PortRange{}};
  if (one_in(3)) {
    out.port = pick(kPortNames);
  } else {
    out.port = port_range();
  }
  if (options_.tiers && one_in(8))
    out = {one_in(2) ? net::kIcmp : net::Protocol{47}, net::PortRange{}};
  if (options_.calico && one_in(6)) {
    static const std::vector<uint8_t> kTypes = {0, 3, 8, 128, 255};
    model::IcmpMatch icmp{pick(kTypes), std::nullopt};
    if (one_in(2)) icmp.code = static_cast<uint8_t>(below(3));
    out = {one_in(2) ? net::kIcmp : net::kIcmpV6, icmp};
    if (one_in(4)) out.port = net::PortRange{};
  }
  return out;
}

std::vector<model::PortMatch> RandomParts::port_list() {
  std::vector<model::PortMatch> out;
  for (size_t i = 1 + below(3); i > 0; --i) out.push_back(port_match());
  if (one_in(20)) out.clear();
  return out;
}

model::Peer RandomParts::peer(const std::string& ns, bool calico) {
  if (one_in(3)) {
    model::CidrPeer out{cidr(), {}};
    for (size_t i = below(3); i > 0; --i) {
      const net::Cidr except = cidr();
      if (out.net.contains(except)) out.except.push_back(except);
    }
    return out;
  }
  if (calico && one_in(6))
    return model::ServicePeer{{namespace_name(), fmt::format("svc{}", below(2))}};
  model::EndpointPeer out;
  out.inherited = calico && !one_in(5);
  switch (below(4)) {
    case 0:
      out.pods = selector(out.inherited);
      if (!ns.empty()) out.in_namespace = ns;
      break;
    case 1:
      out.namespaces = selector(false);
      break;
    case 2:
      out.pods = selector(out.inherited);
      if (!out.inherited || one_in(3)) out.namespaces = selector(false);
      break;
    default:
      out.in_namespace = ns.empty() ? namespace_name() : ns;
      break;
  }
  return out;
}

// Kubernetes has one list of peers; Calico's rules make several, and exceptions.
model::EndMatch RandomParts::end(const std::string& ns, bool calico) {
  model::EndMatch out;
  const size_t lists = calico ? below(3) : (one_in(5) ? 0 : 1);
  for (size_t i = 0; i < lists; ++i) {
    auto& peers = out.all_of.emplace_back();
    for (size_t j = 1 + below(2); j > 0; --j) peers.push_back(peer(ns, calico));
    if (one_in(20)) peers.clear();
  }
  if (calico && one_in(4)) {
    for (size_t i = 1 + below(2); i > 0; --i) out.none_of.push_back(peer(ns, calico));
  }
  return out;
}

model::Rule RandomParts::rule(const std::string& ns, bool calico) {
  model::Rule out;
  out.peer = end(ns, calico);
  if (!one_in(3)) out.ports = port_list();
  if (options_.tiers) out.action = static_cast<model::Action>(below(calico ? 4 : 3));
  if (!calico) return out;
  if (one_in(4)) out.self = end(ns, calico);
  if (one_in(5)) out.not_ports = port_list();
  if (one_in(5)) out.source_ports = port_list();
  if (one_in(8)) out.not_source_ports = port_list();
  if (one_in(6)) out.family = one_in(2) ? net::Family::kIPv4 : net::Family::kIPv6;
  return out;
}

model::PolicyId RandomParts::policy_id() {
  std::vector<PolicyKind> kinds = {PolicyKind::kNetworkPolicy};
  const auto add = [&kinds](std::initializer_list<PolicyKind> more) {
    for (const PolicyKind kind : more) kinds.push_back(kind);
  };
  if (options_.tiers) add({PolicyKind::kClusterNetworkPolicy});
  if (options_.calico)
    add({PolicyKind::kCalicoNetworkPolicy, PolicyKind::kCalicoNetworkPolicy,
         PolicyKind::kGlobalNetworkPolicy, PolicyKind::kGlobalNetworkPolicy,
         PolicyKind::kStagedNetworkPolicy, PolicyKind::kStagedGlobalNetworkPolicy});
  if (options_.hosts) add({PolicyKind::kGlobalNetworkPolicy, PolicyKind::kGlobalNetworkPolicy});
  const PolicyKind kind = pick(kinds);
  const bool cluster_wide = kind == PolicyKind::kClusterNetworkPolicy ||
                            kind == PolicyKind::kGlobalNetworkPolicy ||
                            kind == PolicyKind::kStagedGlobalNetworkPolicy;
  return {kind,
          {cluster_wide ? "" : namespace_name(),
           fmt::format("policy{}", below(static_cast<size_t>(options_.policies_per_namespace)))}};
}

void RandomParts::place_in_tier(model::Policy& policy) {
  static const std::vector<std::string> kTiers = {"first",   "second",        "default",
                                                  "default", "kube-baseline", "missing"};
  policy.tier = pick(kTiers);
  policy.order =
      one_in(8) ? std::numeric_limits<double>::infinity() : static_cast<double>(below(3));
}

void RandomParts::fill_rules(model::Policy& policy, bool calico) {
  const size_t directions = below(4);
  policy.applies_ingress = directions != 0;
  policy.applies_egress = directions != 1;
  if (policy.hook == model::Hook::kPreDnat) {
    policy.applies_ingress = true;
    policy.applies_egress = false;
  }
  const std::string& ns = policy.id.name.ns;
  if (policy.applies_ingress) {
    for (size_t i = below(3); i > 0; --i) policy.ingress.push_back(rule(ns, calico));
  }
  if (policy.applies_egress) {
    for (size_t i = below(3); i > 0; --i) policy.egress.push_back(rule(ns, calico));
  }
}

model::Policy RandomParts::policy(const model::PolicyId& id) {
  model::Policy out;
  out.id = id;
  const bool kubernetes = id.kind == PolicyKind::kNetworkPolicy;
  const bool calico = !kubernetes && id.kind != PolicyKind::kClusterNetworkPolicy;
  out.selects.inherited = calico;
  if (!id.name.ns.empty()) out.selects.in_namespace = id.name.ns;
  if (!one_in(3)) out.selects.pods = selector(calico);
  if (options_.tiers && !kubernetes) place_in_tier(out);
  if (options_.tiers && id.name.ns.empty() && one_in(3)) out.selects.namespaces = selector(false);
  if (model::is_staged(id.kind)) out.staged = static_cast<model::StagedAction>(below(4));
  if (options_.hosts && id.kind == PolicyKind::kGlobalNetworkPolicy)
    out.hook = static_cast<model::Hook>(below(4));
  fill_rules(out, calico);
  return out;
}

}  // namespace caracal::policy_testing
