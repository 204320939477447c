// Explanation as JSON: everything that was looked at.
#include <cmath>

#include "policy/oracle/explanation.h"
#include "policy/oracle/words.h"

namespace caracal::policy::oracle {
namespace {

json::object json_of(const model::Labels& labels) {
  json::object out;
  for (const auto& [key, value] : labels) out[key] = value;
  return out;
}

// JSON has no infinity: an order of "last" is null.
json::value order_of(double order) {
  return std::isfinite(order) ? json::value(order) : json::value(nullptr);
}

json::object json_of(const PeerCheck& check) {
  json::object out{{"peer", peer_text(check.peer)},
                   {"matches", check.matches()},
                   {"reason", word(check.reason)},
                   {"message", why(check)}};
  if (!check.endpoint.empty()) out["endpoint"] = check.endpoint;
  if (check.address) out["address"] = check.address->to_string();
  if (!check.labels.empty()) out["labels"] = json_of(check.labels);
  return out;
}

json::object json_of(const PortCheck& check) {
  json::object out{{"port", port_text(check.port)},
                   {"matches", check.matches()},
                   {"reason", word(check.reason)},
                   {"message", why(check)}};
  if (!check.resolved.empty()) {
    json::array& list = out["resolved"].emplace_array();
    for (const uint16_t port : check.resolved) list.emplace_back(port);
  }
  return out;
}

json::object json_of(const RuleCheck& check);

template <typename Check>
json::array list_of(const std::vector<Check>& checks) {
  json::array out;
  for (const Check& check : checks) out.emplace_back(json_of(check));
  return out;
}

// {"allOf": [[peer, ...], ...], "noneOf": [...]}; absent members do not look at the end.
json::object json_of(const EndCheck& check) {
  json::object out;
  if (!check.all_of.empty()) {
    json::array& lists = out["allOf"].emplace_array();
    for (const auto& list : check.all_of) lists.emplace_back(list_of(list));
  }
  if (!check.none_of.empty()) out["noneOf"] = list_of(check.none_of);
  return out;
}

json::object json_of(const RuleCheck& check) {
  json::object out{
      {"index", check.index}, {"action", word(check.action)}, {"matches", check.matches()}};
  if (!check.name.empty()) out["name"] = check.name;
  if (!check.matches()) out["failed"] = word(check.failed);
  if (check.family) out["family"] = net::to_string(*check.family);
  if (json::object peer = json_of(check.peer); !peer.empty()) out["peer"] = std::move(peer);
  if (json::object self = json_of(check.self); !self.empty()) out["self"] = std::move(self);
  if (check.ports) out["ports"] = list_of(*check.ports);
  if (!check.not_ports.empty()) out["notPorts"] = list_of(check.not_ports);
  if (check.source_ports) out["sourcePorts"] = list_of(*check.source_ports);
  if (!check.not_source_ports.empty()) out["notSourcePorts"] = list_of(check.not_source_ports);
  return out;
}

json::object json_of(const PolicyCheck& check, model::Direction direction) {
  json::object out{{"policy", check.id.to_string()},
                   {"order", order_of(check.order)},
                   {"selects", endpoints_text(check.selects)},
                   {"applies", check.applies()},
                   {"reason", word(check.reason)},
                   {"message", why(check, direction)}};
  if (!check.labels.empty()) out["labels"] = json_of(check.labels);
  if (check.invalid) out["invalid"] = *check.invalid;
  if (check.staged) out["staged"] = word(*check.staged);
  if (check.reached) out["rules"] = list_of(check.rules);
  if (check.deciding) out["deciding"] = *check.deciding;
  if (!check.warnings.empty()) {
    json::array& list = out["warnings"].emplace_array();
    for (const std::string& warning : check.warnings) list.emplace_back(warning);
  }
  return out;
}

json::object json_of(const TierCheck& check, model::Direction direction) {
  json::object out{{"tier", check.name},
                   {"order", order_of(check.order)},
                   {"defaultAction", word(check.default_action)},
                   {"missing", check.missing},
                   {"closedByInvalidPolicy", check.closed},
                   {"outcome", word(check.outcome)},
                   {"message", why(check)}};
  json::array& policies = out["policies"].emplace_array();
  for (const PolicyCheck& policy : check.policies)
    policies.emplace_back(json_of(policy, direction));
  return out;
}

json::object json_of_end(const net::IpAddr& address, const std::optional<model::ObjectName>& pod) {
  json::object out{{"address", address.to_string()}};
  if (pod) out["pod"] = pod->to_string();
  return out;
}

}  // namespace

json::value to_json(const DirectionExplanation& side) {
  json::object out{{"direction", word(side.direction)}, {"verdict", to_string(side.verdict)},
                   {"decision", word(side.decision)},   {"message", why(side)},
                   {"isolated", side.isolated},         {"logged", side.logged}};
  if (side.endpoint) out["endpoint"] = side.endpoint->to_string();
  if (side.host_endpoint) out["hostEndpoint"] = *side.host_endpoint;
  if (side.hook) out["hook"] = to_string(*side.hook);
  if (side.policy) out["policy"] = side.policy->to_string();
  if (side.rule) out["rule"] = *side.rule;
  if (!side.rule_name.empty()) out["ruleName"] = side.rule_name;
  if (!side.tier.empty()) out["tier"] = side.tier;
  if (!side.profile.empty()) out["profile"] = side.profile;
  json::array& tiers = out["tiers"].emplace_array();
  for (const TierCheck& tier : side.tiers) tiers.emplace_back(json_of(tier, side.direction));
  out["policiesOfOtherNamespaces"] = side.other_namespaces;
  return out;
}

json::value to_json(const Explanation& explanation) {
  const Flow& flow = explanation.flow;
  json::object out{{"verdict", to_string(explanation.verdict)},
                   {"source", json_of_end(flow.source, flow.source_pod)},
                   {"destination", json_of_end(flow.destination, flow.destination_pod)},
                   {"protocol", flow.protocol.to_string()}};
  if (flow.port) out["port"] = *flow.port;
  if (flow.source_port) out["sourcePort"] = *flow.source_port;
  if (flow.icmp_type) out["icmpType"] = *flow.icmp_type;
  if (flow.icmp_code) out["icmpCode"] = *flow.icmp_code;
  out["egress"] = to_json(explanation.egress);
  out["ingress"] = to_json(explanation.ingress);
  return out;
}

}  // namespace caracal::policy::oracle
