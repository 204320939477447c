// Explanation as JSON and as text.
#include <fmt/format.h>

#include "policy/oracle/explanation.h"

namespace caracal::policy::oracle {
namespace {

using Decision = DirectionExplanation::Decision;

std::string labels_text(const model::Labels& labels) {
  std::string out;
  for (const auto& [key, value] : labels)
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", key, value);
  return out.empty() ? "no labels" : "labels " + out;
}

std::string endpoints_text(const model::EndpointPeer& peer) {
  std::string out =
      peer.pods.matches_everything() ? "all pods" : "pods with " + peer.pods.canonical();
  if (peer.in_namespace) out += " in namespace " + *peer.in_namespace;
  if (!peer.namespaces.matches_everything()) {
    out += " in namespaces with " + peer.namespaces.canonical();
  } else if (!peer.in_namespace) {
    out += " in all namespaces";
  }
  return out;
}

std::string peer_text(const model::Peer& peer) {
  if (const auto* endpoints = std::get_if<model::EndpointPeer>(&peer))
    return endpoints_text(*endpoints);
  const auto& cidr = std::get<model::CidrPeer>(peer);
  std::string out = cidr.net.to_string();
  for (size_t i = 0; i < cidr.except.size(); ++i) {
    out += (i == 0 ? " except " : ", ") + cidr.except[i].to_string();
  }
  return out;
}

std::string port_text(const model::PortMatch& port) {
  std::string out = port.protocol.to_string();
  if (const auto* name = std::get_if<std::string>(&port.port)) return out + "/" + *name;
  const auto& range = std::get<net::PortRange>(port.port);
  if (range.all()) return out;
  out += fmt::format("/{}", range.first);
  return range.first == range.last ? out : out + fmt::format("-{}", range.last);
}

std::string why(const PeerCheck& check) {
  const std::string pod = check.pod ? "pod " + check.pod->to_string() : "the address";
  switch (check.reason) {
    case PeerCheck::Reason::kMatches:
      return check.pod ? "matches " + pod : "matches";
    case PeerCheck::Reason::kNoPod:
      return "the address belongs to no pod";
    case PeerCheck::Reason::kOtherNamespace:
      return pod + " is in another namespace";
    case PeerCheck::Reason::kPodLabels:
      return pod + " has " + labels_text(check.labels);
    case PeerCheck::Reason::kNamespaceUnknown:
      return "the namespace of " + pod + " is not known";
    case PeerCheck::Reason::kNamespaceLabels:
      return "the namespace of " + pod + " has " + labels_text(check.labels);
    case PeerCheck::Reason::kOutside:
      return "the address is outside";
    case PeerCheck::Reason::kExcepted:
      return "the address is in the exception " + (check.except ? check.except->to_string() : "");
  }
  return {};
}
std::string_view word(PeerCheck::Reason reason) {
  switch (reason) {
    case PeerCheck::Reason::kMatches:
      return "Matches";
    case PeerCheck::Reason::kNoPod:
      return "NoPod";
    case PeerCheck::Reason::kOtherNamespace:
      return "OtherNamespace";
    case PeerCheck::Reason::kPodLabels:
      return "PodLabels";
    case PeerCheck::Reason::kNamespaceUnknown:
      return "NamespaceUnknown";
    case PeerCheck::Reason::kNamespaceLabels:
      return "NamespaceLabels";
    case PeerCheck::Reason::kOutside:
      return "OutsideCidr";
    case PeerCheck::Reason::kExcepted:
      return "Excepted";
  }
  return {};
}

std::string why(const PortCheck& check) {
  std::string numbers;
  for (const uint16_t port : check.resolved)
    numbers += fmt::format("{}{}", numbers.empty() ? "" : ", ", port);
  const std::string named = numbers.empty() ? "" : " (the name stands for " + numbers + ")";
  switch (check.reason) {
    case PortCheck::Reason::kMatches:
      return "matches" + named;
    case PortCheck::Reason::kOtherProtocol:
      return "another protocol";
    case PortCheck::Reason::kOtherPort:
      return "another port" + named;
    case PortCheck::Reason::kNoPod:
      return "a name needs a pod as destination";
    case PortCheck::Reason::kNameAbsent:
      return "the destination pod has no such port";
  }
  return {};
}
std::string_view word(PortCheck::Reason reason) {
  switch (reason) {
    case PortCheck::Reason::kMatches:
      return "Matches";
    case PortCheck::Reason::kOtherProtocol:
      return "OtherProtocol";
    case PortCheck::Reason::kOtherPort:
      return "OtherPort";
    case PortCheck::Reason::kNoPod:
      return "NoPod";
    case PortCheck::Reason::kNameAbsent:
      return "NameAbsent";
  }
  return {};
}

std::string why(const PolicyCheck& check, std::string_view direction) {
  switch (check.reason) {
    case PolicyCheck::Reason::kApplies:
      if (check.invalid) return "applies, but is invalid and allows nothing: " + *check.invalid;
      return check.reached ? "applies" : "applies, decided before it";
    case PolicyCheck::Reason::kOtherDirection:
      return fmt::format("does not speak of {}", direction);
    case PolicyCheck::Reason::kPodLabels:
      return fmt::format("selects {}; this one has {}", endpoints_text(check.selects),
                         labels_text(check.labels));
    case PolicyCheck::Reason::kNamespaceUnknown:
      return fmt::format("selects {}; this namespace is not known", endpoints_text(check.selects));
    case PolicyCheck::Reason::kNamespaceLabels:
      return fmt::format("selects {}; this namespace has {}", endpoints_text(check.selects),
                         labels_text(check.labels));
  }
  return {};
}
std::string_view word(PolicyCheck::Reason reason) {
  switch (reason) {
    case PolicyCheck::Reason::kApplies:
      return "Applies";
    case PolicyCheck::Reason::kOtherDirection:
      return "OtherDirection";
    case PolicyCheck::Reason::kPodLabels:
      return "PodLabels";
    case PolicyCheck::Reason::kNamespaceUnknown:
      return "NamespaceUnknown";
    case PolicyCheck::Reason::kNamespaceLabels:
      return "NamespaceLabels";
  }
  return {};
}

std::string_view word(model::Direction direction) {
  return direction == model::Direction::kIngress ? "ingress" : "egress";
}
std::string_view word(model::Action action) {
  switch (action) {
    case model::Action::kAllow:
      return "Allow";
    case model::Action::kDeny:
      return "Deny";
    case model::Action::kPass:
      return "Pass";
  }
  return {};
}

std::string_view word(Decision decision) {
  switch (decision) {
    case Decision::kNotAPod:
      return "NotAPod";
    case Decision::kHostNetwork:
      return "HostNetwork";
    case Decision::kSamePod:
      return "SamePod";
    case Decision::kFromOwnNode:
      return "FromOwnNode";
    case Decision::kUnknownPod:
      return "UnknownPod";
    case Decision::kNotIsolated:
      return "NotIsolated";
    case Decision::kRule:
      return "Rule";
    case Decision::kTierDefault:
      return "TierDefault";
    case Decision::kEndOfTiers:
      return "EndOfTiers";
  }
  return {};
}

std::string why(const DirectionExplanation& side) {
  switch (side.decision) {
    case Decision::kNotAPod:
      return "this end is not a pod, nothing is enforced here";
    case Decision::kHostNetwork:
      return "the pod is on the host network, policy does not apply to it";
    case Decision::kSamePod:
      return "a pod always reaches itself";
    case Decision::kFromOwnNode:
      return "a node always reaches its own pods";
    case Decision::kUnknownPod:
      return "the pod of this interface is not known";
    case Decision::kNotIsolated:
      return fmt::format("no policy isolates it for {}", word(side.direction));
    case Decision::kRule:
      return fmt::format("by {} {} rule {}", side.policy ? side.policy->to_string() : "",
                         word(side.direction), side.rule.value_or(0));
    case Decision::kTierDefault:
      return side.tier == model::kDefaultTier.name
                 ? fmt::format("isolated for {}, and no rule matches", word(side.direction))
                 : fmt::format("by the default of tier {}, no rule matches", side.tier);
    case Decision::kEndOfTiers:
      return "every tier passed it on";
  }
  return {};
}

json::object json_of(const model::Labels& labels) {
  json::object out;
  for (const auto& [key, value] : labels) out[key] = value;
  return out;
}

json::object json_of(const PeerCheck& check) {
  json::object out{{"peer", peer_text(check.peer)},
                   {"matches", check.matches()},
                   {"reason", word(check.reason)},
                   {"message", why(check)}};
  if (check.pod) out["pod"] = check.pod->to_string();
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

json::object json_of(const RuleCheck& check) {
  json::object out{
      {"index", check.index}, {"action", word(check.action)}, {"matches", check.matches}};
  if (!check.any_peer) {
    json::array& list = out["peers"].emplace_array();
    for (const PeerCheck& peer : check.peers) list.emplace_back(json_of(peer));
  }
  if (!check.any_port) {
    json::array& list = out["ports"].emplace_array();
    for (const PortCheck& port : check.ports) list.emplace_back(json_of(port));
  }
  return out;
}

json::object json_of(const PolicyCheck& check, std::string_view direction) {
  json::object out{{"policy", check.id.to_string()},
                   {"tier", check.tier},
                   {"applies", check.applies()},
                   {"reason", word(check.reason)},
                   {"message", why(check, direction)}};
  if (check.invalid) out["invalid"] = *check.invalid;
  if (check.reached) {
    json::array& rules = out["rules"].emplace_array();
    for (const RuleCheck& rule : check.rules) rules.emplace_back(json_of(rule));
  }
  return out;
}

json::object json_of_end(const net::IpAddr& address, const std::optional<model::ObjectName>& pod) {
  json::object out{{"address", address.to_string()}};
  if (pod) out["pod"] = pod->to_string();
  return out;
}

// A line with its lines below.
struct Line {
  std::string text;
  std::vector<Line> below;
};

void draw(std::string& out, const std::vector<Line>& lines, const std::string& indent) {
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool last = i + 1 == lines.size();
    out += indent + (last ? "└─ " : "├─ ") + lines[i].text + "\n";
    draw(out, lines[i].below, indent + (last ? "   " : "│  "));
  }
}

Line line_of(const RuleCheck& rule, std::string_view side) {
  Line line;
  line.text = fmt::format("rule {}: {}", rule.index, rule.matches ? "matches" : "does not match");
  if (rule.action != model::Action::kAllow)
    line.text += fmt::format(", action {}", word(rule.action));
  if (rule.any_peer) {
    line.below.push_back({fmt::format("{} everything", side), {}});
  } else if (rule.peers.empty()) {
    line.below.push_back({fmt::format("{} nothing", side), {}});
  }
  for (const PeerCheck& peer : rule.peers) {
    line.below.push_back({fmt::format("{} {}: {}", side, peer_text(peer.peer), why(peer)), {}});
  }
  if (rule.any_port) line.below.push_back({"every port", {}});
  for (const PortCheck& port : rule.ports) {
    line.below.push_back({fmt::format("port {}: {}", port_text(port.port), why(port)), {}});
  }
  return line;
}

Line line_of(const DirectionExplanation& side, const net::IpAddr& address) {
  const std::string_view direction = word(side.direction);
  Line line;
  line.text = fmt::format("{} of {}: {}, {}", direction,
                          side.endpoint ? "pod " + side.endpoint->to_string() : address.to_string(),
                          to_string(side.verdict), why(side));
  for (const PolicyCheck& check : side.policies) {
    Line policy{fmt::format("{}: {}", check.id.to_string(), why(check, direction)), {}};
    if (check.reached && check.rules.empty() && !check.invalid) policy.text += ", has no rules";
    for (const RuleCheck& rule : check.rules) {
      policy.below.push_back(
          line_of(rule, side.direction == model::Direction::kIngress ? "from" : "to"));
    }
    line.below.push_back(std::move(policy));
  }
  if (side.other_namespaces > 0) {
    line.below.push_back({fmt::format("{} {} of other namespaces", side.other_namespaces,
                                      side.other_namespaces == 1 ? "policy" : "policies"),
                          {}});
  }
  return line;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  return verdict == Verdict::kAllowed ? "allowed" : "denied";
}

json::value to_json(const DirectionExplanation& side) {
  json::object out{{"direction", word(side.direction)},
                   {"verdict", to_string(side.verdict)},
                   {"decision", word(side.decision)},
                   {"message", why(side)},
                   {"isolated", side.isolated}};
  if (side.endpoint) out["endpoint"] = side.endpoint->to_string();
  if (side.policy) out["policy"] = side.policy->to_string();
  if (side.rule) out["rule"] = *side.rule;
  if (!side.tier.empty()) out["tier"] = side.tier;
  json::array& policies = out["policies"].emplace_array();
  for (const PolicyCheck& check : side.policies) {
    policies.emplace_back(json_of(check, word(side.direction)));
  }
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
  out["egress"] = to_json(explanation.egress);
  out["ingress"] = to_json(explanation.ingress);
  return out;
}

std::string to_text(const Explanation& explanation) {
  const Flow& flow = explanation.flow;
  const auto end = [](const net::IpAddr& address, const std::optional<model::ObjectName>& pod) {
    return pod ? fmt::format("{} ({})", pod->to_string(), address.to_string())
               : address.to_string();
  };
  std::string out =
      fmt::format("{} -> {} {}{}: {}\n", end(flow.source, flow.source_pod),
                  end(flow.destination, flow.destination_pod), flow.protocol.to_string(),
                  flow.port ? fmt::format("/{}", *flow.port) : "", to_string(explanation.verdict));
  draw(out,
       {line_of(explanation.egress, flow.source), line_of(explanation.ingress, flow.destination)},
       "");
  return out;
}

}  // namespace caracal::policy::oracle
