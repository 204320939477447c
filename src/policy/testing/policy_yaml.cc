#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>

#include "policy/testing/object_yaml.h"

namespace caracal::policy_testing {
namespace {

constexpr std::array<std::string_view, 4> kActions = {"Allow", "Deny", "Pass", "Log"};
constexpr std::array<std::string_view, 4> kHooks = {"Normal", "Forward", "PreDNAT", "Untracked"};
constexpr std::array<std::string_view, 4> kStaged = {"Set", "Delete", "Learn", "Ignore"};

template <typename Enum, size_t N>
Result<Enum> parse_word(const std::array<std::string_view, N>& words, std::string_view text) {
  for (size_t i = 0; i < N; ++i) {
    if (words[i] == text) return static_cast<Enum>(i);
  }
  return fail(Errc::kInvalid,
              fmt::format("\"{}\": must be one of {}", text, fmt::join(words, ", ")));
}

json::object peer_to_json(const model::Peer& peer) {
  if (const auto* cidr = std::get_if<model::CidrPeer>(&peer)) {
    json::object out{{"net", cidr->net.to_string()}};
    if (!cidr->except.empty()) {
      json::array& except = out["except"].emplace_array();
      for (const net::Cidr& net : cidr->except) except.emplace_back(net.to_string());
    }
    return out;
  }
  if (const auto* service = std::get_if<model::ServicePeer>(&peer))
    return {{"service", service->service.name}, {"serviceNamespace", service->service.ns}};
  const auto& endpoints = std::get<model::EndpointPeer>(peer);
  json::object out{{"selector", endpoints.pods.canonical()}};
  if (!endpoints.namespaces.matches_everything())
    out["namespaceSelector"] = endpoints.namespaces.canonical();
  if (endpoints.in_namespace) out["inNamespace"] = *endpoints.in_namespace;
  if (endpoints.inherited) out["inherited"] = true;
  return out;
}

Result<model::EndpointPeer> endpoints_from_json(const json::value& value) {
  model::EndpointPeer out;
  CARACAL_ASSIGN(out.pods,
                 selector::Selector::parse_expression(jsonio::get_string(value, {"selector"})));
  CARACAL_ASSIGN(out.namespaces, selector::Selector::parse_expression(
                                     jsonio::get_string(value, {"namespaceSelector"})));
  if (jsonio::get(value, {"inNamespace"}) != nullptr)
    out.in_namespace = jsonio::get_string(value, {"inNamespace"});
  out.inherited = jsonio::get_bool(value, {"inherited"});
  return out;
}

Result<model::Peer> peer_from_json(const json::value& value) {
  if (jsonio::get(value, {"net"}) != nullptr) {
    model::CidrPeer out;
    CARACAL_ASSIGN(out.net, net::Cidr::parse(jsonio::get_string(value, {"net"})));
    for (const json::value& text : jsonio::get_array(value, {"except"})) {
      CARACAL_ASSIGN(const net::Cidr except, net::Cidr::parse(jsonio::get_string(text, {})));
      out.except.push_back(except);
    }
    return model::Peer(out);
  }
  if (jsonio::get(value, {"service"}) != nullptr)
    return model::Peer(
        model::ServicePeer{{std::string(jsonio::get_string(value, {"serviceNamespace"})),
                            std::string(jsonio::get_string(value, {"service"}))}});
  CARACAL_ASSIGN(model::EndpointPeer out, endpoints_from_json(value));
  return model::Peer(std::move(out));
}

json::object end_to_json(const model::EndMatch& end) {
  json::object out;
  if (!end.all_of.empty()) {
    json::array& lists = out["allOf"].emplace_array();
    for (const auto& list : end.all_of) {
      json::array peers;
      for (const model::Peer& peer : list) peers.emplace_back(peer_to_json(peer));
      lists.emplace_back(std::move(peers));
    }
  }
  if (!end.none_of.empty()) {
    json::array& peers = out["noneOf"].emplace_array();
    for (const model::Peer& peer : end.none_of) peers.emplace_back(peer_to_json(peer));
  }
  return out;
}

Result<model::EndMatch> end_from_json(const json::value& value) {
  model::EndMatch out;
  for (const json::value& list : jsonio::get_array(value, {"allOf"})) {
    auto& peers = out.all_of.emplace_back();
    for (const json::value& item : jsonio::get_array(list, {})) {
      CARACAL_ASSIGN(model::Peer peer, peer_from_json(item));
      peers.push_back(std::move(peer));
    }
  }
  for (const json::value& item : jsonio::get_array(value, {"noneOf"})) {
    CARACAL_ASSIGN(model::Peer peer, peer_from_json(item));
    out.none_of.push_back(std::move(peer));
  }
  return out;
}

json::array ports_to_json(const std::vector<model::PortMatch>& ports) {
  json::array out;
  for (const model::PortMatch& port : ports) out.emplace_back(port_text(port));
  return out;
}

Result<std::vector<model::PortMatch>> ports_from_json(const json::array& list) {
  std::vector<model::PortMatch> out;
  for (const json::value& text : list) {
    CARACAL_ASSIGN(model::PortMatch port, parse_port(jsonio::get_string(text, {})));
    out.push_back(std::move(port));
  }
  return out;
}

json::object rule_to_json(const model::Rule& rule) {
  json::object out{{"action", kActions[static_cast<size_t>(rule.action)]}};
  if (!rule.name.empty()) out["name"] = rule.name;
  if (!rule.peer.any()) out["peer"] = end_to_json(rule.peer);
  if (!rule.self.any()) out["self"] = end_to_json(rule.self);
  if (rule.ports) out["ports"] = ports_to_json(*rule.ports);
  if (!rule.not_ports.empty()) out["notPorts"] = ports_to_json(rule.not_ports);
  if (rule.source_ports) out["sourcePorts"] = ports_to_json(*rule.source_ports);
  if (!rule.not_source_ports.empty()) out["notSourcePorts"] = ports_to_json(rule.not_source_ports);
  if (rule.family) out["family"] = net::to_string(*rule.family);
  return out;
}

Result<model::Rule> rule_from_json(const json::value& value) {
  model::Rule out;
  CARACAL_ASSIGN(out.action,
                 parse_word<model::Action>(kActions, jsonio::get_string(value, {"action"})));
  out.name = jsonio::get_string(value, {"name"});
  CARACAL_ASSIGN(out.peer, end_from_json(jsonio::get_object(value, {"peer"})));
  CARACAL_ASSIGN(out.self, end_from_json(jsonio::get_object(value, {"self"})));
  if (jsonio::get(value, {"ports"}) != nullptr) {
    CARACAL_ASSIGN(out.ports, ports_from_json(jsonio::get_array(value, {"ports"})));
  }
  if (jsonio::get(value, {"sourcePorts"}) != nullptr) {
    CARACAL_ASSIGN(out.source_ports, ports_from_json(jsonio::get_array(value, {"sourcePorts"})));
  }
  CARACAL_ASSIGN(out.not_ports, ports_from_json(jsonio::get_array(value, {"notPorts"})));
  CARACAL_ASSIGN(out.not_source_ports,
                 ports_from_json(jsonio::get_array(value, {"notSourcePorts"})));
  if (const auto family = jsonio::get_string(value, {"family"}); !family.empty())
    out.family = family == "IPv6" ? net::Family::kIPv6 : net::Family::kIPv4;
  return out;
}

json::array rules_to_json(const std::vector<model::Rule>& rules) {
  json::array out;
  for (const model::Rule& rule : rules) out.emplace_back(rule_to_json(rule));
  return out;
}

Result<std::vector<model::Rule>> rules_from_json(const json::array& list) {
  std::vector<model::Rule> out;
  for (const json::value& item : list) {
    CARACAL_ASSIGN(model::Rule rule, rule_from_json(item));
    out.push_back(std::move(rule));
  }
  return out;
}

Result<model::PolicyKind> kind_from(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(model::PolicyKind::kStagedKubernetesNetworkPolicy); ++i) {
    const auto kind = static_cast<model::PolicyKind>(i);
    if (model::to_string(kind) == text) return kind;
  }
  return fail(Errc::kInvalid, fmt::format("api \"{}\": no kind of policy", text));
}

std::optional<unsigned> number(std::string_view text) {
  unsigned out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

}  // namespace

std::string_view to_string(model::Hook hook) { return kHooks[static_cast<size_t>(hook)]; }

std::string port_text(const model::PortMatch& port) {
  std::string out = port.protocol.to_string();
  if (const auto* name = std::get_if<std::string>(&port.port)) return out + ":" + *name;
  if (const auto* icmp = std::get_if<model::IcmpMatch>(&port.port)) {
    out += fmt::format(":type {}", icmp->type);
    return icmp->code ? out + fmt::format(" code {}", *icmp->code) : out;
  }
  const auto& range = std::get<net::PortRange>(port.port);
  return range.all() ? out : out + fmt::format(":{}-{}", range.first, range.last);
}

Result<model::PortMatch> parse_port(std::string_view text) {
  model::PortMatch out;
  const size_t colon = text.find(':');
  CARACAL_ASSIGN(out.protocol, net::Protocol::parse(text.substr(0, colon)));
  out.port = net::PortRange{};
  if (colon == std::string_view::npos) return out;
  std::string_view rest = text.substr(colon + 1);
  if (rest.starts_with("type ")) {
    rest.remove_prefix(5);
    const size_t code = rest.find(" code ");
    const auto type = number(rest.substr(0, code));
    if (!type) return fail(Errc::kInvalid, fmt::format("port \"{}\": no message type", text));
    model::IcmpMatch icmp{static_cast<uint8_t>(*type), std::nullopt};
    if (code != std::string_view::npos) {
      const auto value = number(rest.substr(code + 6));
      if (!value) return fail(Errc::kInvalid, fmt::format("port \"{}\": no message code", text));
      icmp.code = static_cast<uint8_t>(*value);
    }
    out.port = icmp;
    return out;
  }
  const size_t dash = rest.find('-');
  const auto first = number(rest.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : number(rest.substr(dash + 1));
  if (first && last) {
    out.port = net::PortRange{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
  } else {
    out.port = std::string(rest);
  }
  return out;
}

json::object policy_to_json(const model::Policy& policy) {
  json::object out{{"kind", "Policy"}, {"api", model::to_string(policy.id.kind)}};
  if (!policy.id.name.ns.empty()) out["namespace"] = policy.id.name.ns;
  out["name"] = policy.id.name.name;
  if (policy.tier != model::kDefaultTier.name) out["tier"] = policy.tier;
  if (policy.order != std::numeric_limits<double>::infinity()) out["order"] = policy.order;
  out["selects"] = peer_to_json(policy.selects);
  json::array& types = out["types"].emplace_array();
  if (policy.applies_ingress) types.emplace_back("Ingress");
  if (policy.applies_egress) types.emplace_back("Egress");
  if (policy.hook != model::Hook::kNormal) out["hook"] = to_string(policy.hook);
  if (policy.staged) out["staged"] = kStaged[static_cast<size_t>(*policy.staged)];
  if (!policy.ingress.empty()) out["ingress"] = rules_to_json(policy.ingress);
  if (!policy.egress.empty()) out["egress"] = rules_to_json(policy.egress);
  return out;
}

Result<model::Policy> policy_from_json(const json::value& value) {
  model::Policy out;
  CARACAL_ASSIGN(out.id.kind, kind_from(jsonio::get_string(value, {"api"})));
  out.id.name = {std::string(jsonio::get_string(value, {"namespace"})),
                 std::string(jsonio::get_string(value, {"name"}))};
  out.tier = jsonio::get_string(value, {"tier"}, model::kDefaultTier.name);
  const json::value* order = jsonio::get(value, {"order"});
  out.order = std::numeric_limits<double>::infinity();
  if (order != nullptr && order->is_number()) out.order = order->to_number<double>();
  CARACAL_ASSIGN(out.selects, endpoints_from_json(jsonio::get_object(value, {"selects"})));
  for (const json::value& type : jsonio::get_array(value, {"types"})) {
    (jsonio::get_string(type, {}) == "Ingress" ? out.applies_ingress : out.applies_egress) = true;
  }
  CARACAL_ASSIGN(out.hook, parse_word<model::Hook>(
                               kHooks, jsonio::get_string(value, {"hook"}, kHooks.front())));
  if (const auto staged = jsonio::get_string(value, {"staged"}); !staged.empty()) {
    CARACAL_ASSIGN(out.staged, parse_word<model::StagedAction>(kStaged, staged));
  }
  CARACAL_ASSIGN(out.ingress, rules_from_json(jsonio::get_array(value, {"ingress"})));
  CARACAL_ASSIGN(out.egress, rules_from_json(jsonio::get_array(value, {"egress"})));
  return out;
}

}  // namespace caracal::policy_testing
