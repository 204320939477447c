#include "policy/oracle/words.h"

#include <fmt/format.h>

#include <algorithm>

namespace caracal::policy::oracle {

using Decision = DirectionExplanation::Decision;

std::string labels_text(const model::Labels& labels) {
  std::string out;
  for (const auto& [key, value] : labels)
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", key, value);
  return out.empty() ? "no labels" : "labels " + out;
}

std::string endpoints_text(const model::EndpointPeer& peer) {
  const std::string_view what = peer.inherited ? "endpoints" : "pods";
  std::string out = peer.pods.matches_everything()
                        ? fmt::format("all {}", what)
                        : fmt::format("{} with {}", what, peer.pods.canonical());
  if (peer.in_namespace) out += " in namespace " + *peer.in_namespace;
  if (!peer.namespaces.matches_everything()) {
    out += " in namespaces with " + peer.namespaces.canonical();
  } else if (!peer.in_namespace) {
    out += peer.inherited ? "" : " in all namespaces";
  }
  return out;
}

std::string peer_text(const model::Peer& peer) {
  if (const auto* endpoints = std::get_if<model::EndpointPeer>(&peer))
    return endpoints_text(*endpoints);
  if (const auto* service = std::get_if<model::ServicePeer>(&peer))
    return "service " + service->service.to_string();
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
  if (const auto* icmp = std::get_if<model::IcmpMatch>(&port.port)) {
    out += fmt::format(" type {}", icmp->type);
    return icmp->code ? out + fmt::format(" code {}", *icmp->code) : out;
  }
  const auto& range = std::get<net::PortRange>(port.port);
  if (range.all()) return out;
  out += fmt::format("/{}", range.first);
  return range.first == range.last ? out : out + fmt::format("-{}", range.last);
}

std::string protocol_text(const Flow& flow) {
  std::string out = flow.protocol.to_string();
  if (flow.icmp_type) out += fmt::format(" type {}", *flow.icmp_type);
  if (flow.icmp_code) out += fmt::format(" code {}", *flow.icmp_code);
  if (flow.port) out += fmt::format("/{}", *flow.port);
  if (flow.source_port) out += fmt::format(" from port {}", *flow.source_port);
  return out;
}

std::string why(const PeerCheck& check) {
  const std::string what = !check.endpoint.empty() ? check.endpoint
                           : check.address         ? check.address->to_string()
                                                   : "the address";
  switch (check.reason) {
    case PeerCheck::Reason::kMatches:
      return "holds " + what;
    case PeerCheck::Reason::kNoPod: {
      const auto* endpoints = std::get_if<model::EndpointPeer>(&check.peer);
      const bool inherited = endpoints != nullptr && endpoints->inherited;
      return fmt::format("{} belongs to no {}", what, inherited ? "endpoint" : "pod");
    }
    case PeerCheck::Reason::kOtherNamespace:
      return what + " is in another namespace";
    case PeerCheck::Reason::kPodLabels:
      return what + " has " + labels_text(check.labels);
    case PeerCheck::Reason::kNamespaceUnknown:
      return what + " is in no known namespace";
    case PeerCheck::Reason::kNamespaceLabels:
      return "the namespace of " + what + " has " + labels_text(check.labels);
    case PeerCheck::Reason::kOutside:
      return what + " is outside";
    case PeerCheck::Reason::kExcepted:
      return fmt::format("{} is in the exception {}", what,
                         check.except ? check.except->to_string() : "");
    case PeerCheck::Reason::kNotOfService:
      return what + " is no ready endpoint of it";
    case PeerCheck::Reason::kOtherServicePort:
      return what + " is an endpoint of it, with other ports";
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
    case PortCheck::Reason::kOtherMessage:
      return "another message type or code";
    case PortCheck::Reason::kNoPod:
      return "a name needs an endpoint at that address";
    case PortCheck::Reason::kNameAbsent:
      return "the endpoint has no such port";
    case PortCheck::Reason::kNotThePeer:
      return "only an endpoint has it that the rule does not name";
  }
  return {};
}

std::string why(const PolicyCheck& check, model::Direction direction) {
  const std::string selects = "selects " + endpoints_text(check.selects);
  switch (check.reason) {
    case PolicyCheck::Reason::kApplies: {
      if (check.staged) {
        std::string out = "applies, staged: without effect";
        if (check.staged == model::StagedAction::kDelete) return out + ", would be deleted";
        if (!check.reached) return out + ", decided before it";
        if (check.deciding)
          return out + fmt::format(", its rule {} would {}", *check.deciding,
                                   word(check.rules.back().action));
        return out + ", none of its rules would match";
      }
      if (check.invalid) return "applies, but is invalid and allows nothing: " + *check.invalid;
      if (!check.reached) return "applies, decided before it";
      if (!check.deciding) return check.rules.empty() ? "applies, has no rules" : "applies";
      return fmt::format("applies, rule {} matches: {}", *check.deciding,
                         word(check.rules.back().action));
    }
    case PolicyCheck::Reason::kOtherDirection:
      return fmt::format("does not speak of {}", word(direction));
    case PolicyCheck::Reason::kPodLabels:
      return fmt::format("{}; this one has {}", selects, labels_text(check.labels));
    case PolicyCheck::Reason::kNamespaceUnknown:
      return fmt::format("{}; this one is in no known namespace", selects);
    case PolicyCheck::Reason::kNamespaceLabels:
      return fmt::format("{}; this namespace has {}", selects, labels_text(check.labels));
    case PolicyCheck::Reason::kPodsOnly:
      return "selects pods only";
    case PolicyCheck::Reason::kOtherHook:
      return "is for another place in a packet's way";
  }
  return {};
}

namespace {

// Did the deciding tier deny although its default action is Pass?
bool closed_by_invalid(const DirectionExplanation& side) {
  return std::any_of(side.tiers.begin(), side.tiers.end(), [&](const TierCheck& tier) {
    return tier.name == side.tier && tier.closed && tier.default_action == model::Action::kPass;
  });
}

}  // namespace

std::string why(const TierCheck& check) {
  switch (check.outcome) {
    case TierCheck::Outcome::kNotReached:
      return "decided before it";
    case TierCheck::Outcome::kNoPolicy:
      return "no policy of it applies";
    case TierCheck::Outcome::kRule:
      return "decides by a rule";
    case TierCheck::Outcome::kDefault:
      if (check.default_action == model::Action::kPass)
        return "no rule matches, denied because an invalid policy of it applies";
      return fmt::format("no rule matches, by its default action {}", word(check.default_action));
    case TierCheck::Outcome::kPassedByRule:
      return "a rule passes on to the next tier";
    case TierCheck::Outcome::kPassedByDefault:
      return "no rule matches, by its default action on to the next tier";
    case TierCheck::Outcome::kNoMatch:
      return "no rule matches";
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
    case Decision::kToOwnNode:
      return "a pod towards its own node: by the endpoint-to-host action";
    case Decision::kUnknownPod:
      return "the pod of this interface is not known";
    case Decision::kNotIsolated:
      return fmt::format("no policy isolates it for {}", word(side.direction));
    case Decision::kRule:
      return fmt::format("by {} {} rule {}{}", side.policy ? side.policy->to_string() : "",
                         word(side.direction), side.rule.value_or(0),
                         side.rule_name.empty() ? "" : " \"" + side.rule_name + "\"");
    case Decision::kTierDefault:
      if (closed_by_invalid(side))
        return fmt::format("an invalid policy of tier {} applies, and no rule matches", side.tier);
      return side.tier == model::kDefaultTier.name
                 ? fmt::format("isolated for {}, and no rule matches", word(side.direction))
                 : fmt::format("by the default of tier {}, no rule matches", side.tier);
    case Decision::kEndOfTiers:
      return "every tier passed it on";
    case Decision::kNamespaceUnknown:
      return "no tier decided, and the pod's namespace is not known";
    case Decision::kNoHostEndpoint:
      return "there is no host endpoint";
    case Decision::kFailsafe:
      return "a failsafe port";
    case Decision::kProfile:
      return fmt::format("no tier decided, by profile {}{}", side.profile,
                         side.verdict == Verdict::kDenied ? ", which is not there" : "");
    case Decision::kNoProfile:
      return "no tier decided, and it has no profile";
    case Decision::kGoesOn:
      return "no rule decided";
  }
  return {};
}

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAllowed:
      return "allowed";
    case Verdict::kDenied:
      return "denied";
    case Verdict::kUndecided:
      break;
  }
  return "undecided";
}

std::string_view to_string(HostHook hook) {
  switch (hook) {
    case HostHook::kUntrackedIngress:
      return "untracked input";
    case HostHook::kPreDnat:
      return "before destination NAT";
    case HostHook::kIngress:
      return "input";
    case HostHook::kForwardIngress:
      return "forwarded from the interface";
    case HostHook::kForwardEgress:
      return "forwarded to the interface";
    case HostHook::kEgress:
      return "output";
    case HostHook::kUntrackedEgress:
      return "untracked output";
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
    case model::Action::kLog:
      return "Log";
  }
  return {};
}

std::string_view word(model::StagedAction action) {
  switch (action) {
    case model::StagedAction::kSet:
      return "Set";
    case model::StagedAction::kDelete:
      return "Delete";
    case model::StagedAction::kLearn:
      return "Learn";
    case model::StagedAction::kIgnore:
      return "Ignore";
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
    case PeerCheck::Reason::kNotOfService:
      return "NotOfService";
    case PeerCheck::Reason::kOtherServicePort:
      return "OtherServicePort";
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
    case PortCheck::Reason::kOtherMessage:
      return "OtherMessage";
    case PortCheck::Reason::kNoPod:
      return "NoPod";
    case PortCheck::Reason::kNameAbsent:
      return "NameAbsent";
    case PortCheck::Reason::kNotThePeer:
      return "NotThePeer";
  }
  return {};
}

std::string_view word(RuleCheck::Condition condition) {
  switch (condition) {
    case RuleCheck::Condition::kNone:
      return "None";
    case RuleCheck::Condition::kFamily:
      return "Family";
    case RuleCheck::Condition::kPeer:
      return "Peer";
    case RuleCheck::Condition::kNotPeer:
      return "NotPeer";
    case RuleCheck::Condition::kSelf:
      return "Self";
    case RuleCheck::Condition::kNotSelf:
      return "NotSelf";
    case RuleCheck::Condition::kPorts:
      return "Ports";
    case RuleCheck::Condition::kNotPorts:
      return "NotPorts";
    case RuleCheck::Condition::kSourcePorts:
      return "SourcePorts";
    case RuleCheck::Condition::kNotSourcePorts:
      return "NotSourcePorts";
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
    case PolicyCheck::Reason::kPodsOnly:
      return "PodsOnly";
    case PolicyCheck::Reason::kOtherHook:
      return "OtherHook";
  }
  return {};
}

std::string_view word(TierCheck::Outcome outcome) {
  switch (outcome) {
    case TierCheck::Outcome::kNotReached:
      return "NotReached";
    case TierCheck::Outcome::kNoPolicy:
      return "NoPolicy";
    case TierCheck::Outcome::kRule:
      return "Rule";
    case TierCheck::Outcome::kDefault:
      return "Default";
    case TierCheck::Outcome::kPassedByRule:
      return "PassedByRule";
    case TierCheck::Outcome::kPassedByDefault:
      return "PassedByDefault";
    case TierCheck::Outcome::kNoMatch:
      return "NoMatch";
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
    case Decision::kToOwnNode:
      return "ToOwnNode";
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
    case Decision::kNamespaceUnknown:
      return "NamespaceUnknown";
    case Decision::kNoHostEndpoint:
      return "NoHostEndpoint";
    case Decision::kFailsafe:
      return "Failsafe";
    case Decision::kProfile:
      return "Profile";
    case Decision::kNoProfile:
      return "NoProfile";
    case Decision::kGoesOn:
      return "GoesOn";
  }
  return {};
}

}  // namespace caracal::policy::oracle
