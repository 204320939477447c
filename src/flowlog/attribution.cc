#include "flowlog/attribution.h"

#include <fmt/format.h>

#include "policy/oracle/oracle.h"

namespace caracal::flowlog {
namespace {

namespace nft = dataplane::nft;
namespace oracle = policy::oracle;

using Decision = oracle::DirectionExplanation::Decision;

bool is_pod(nft::LogPlace place) {
  return place == nft::LogPlace::kPodIngress || place == nft::LogPlace::kPodEgress;
}

oracle::HostHook host_hook(nft::LogPlace place) {
  return static_cast<oracle::HostHook>(static_cast<int>(place) -
                                       static_cast<int>(nft::LogPlace::kHostUntrackedIngress));
}

model::Direction direction_of(nft::LogPlace place) {
  if (place == nft::LogPlace::kPodIngress) return model::Direction::kIngress;
  if (place == nft::LogPlace::kPodEgress) return model::Direction::kEgress;
  return oracle::direction_of(host_hook(place));
}

oracle::Flow flow_of(const Subject& subject) {
  const Packet& packet = subject.flow.packet;
  oracle::Flow flow;
  flow.source = packet.source;
  flow.destination = packet.destination;
  flow.protocol = packet.protocol;
  flow.port = packet.destination_port;
  flow.source_port = packet.source_port;
  flow.icmp_type = packet.icmp_type;
  flow.icmp_code = packet.icmp_code;
  return flow;
}

// Which policies of the tier made its end a denial.
std::string isolating(const oracle::DirectionExplanation& explanation) {
  std::string names;
  size_t count = 0;
  for (const oracle::TierCheck& tier : explanation.tiers) {
    if (tier.name != explanation.tier) continue;
    for (const oracle::PolicyCheck& policy : tier.policies) {
      if (!policy.applies() || policy.staged) continue;
      if (++count <= 3) names += (count == 1 ? "" : ", ") + policy.id.to_string();
    }
  }
  if (count > 3) names += fmt::format(" and {} more", count - 3);
  return names;
}

void note_decision(const oracle::DirectionExplanation& explanation, Record& record) {
  record.tier = explanation.tier;
  switch (explanation.decision) {
    case Decision::kRule:
      if (explanation.policy) record.policy = explanation.policy->to_string();
      record.rule = explanation.rule;
      record.rule_name = explanation.rule_name;
      break;
    case Decision::kTierDefault: {
      const std::string names = isolating(explanation);
      const bool one = names.find(',') == std::string::npos;
      if (one) record.policy = names;
      record.reason = one ? "no rule matches" : "no rule matches of " + names;
      break;
    }
    case Decision::kUnknownPod:
      record.reason = "the endpoint is closed: its pod is not known";
      break;
    case Decision::kNamespaceUnknown:
      record.reason = "no policy decides, and the pod's namespace is not known";
      break;
    case Decision::kEndOfTiers:
      record.reason = "every tier passes it on";
      break;
    case Decision::kNoProfile:
      record.reason = "no policy decides, and the host endpoint has no profile that allows";
      break;
    case Decision::kToOwnNode:
      record.reason = "pods may not reach their node (settings)";
      break;
    default:
      record.reason = "denied";
  }
}

// The first rule with action Log that matches, in the order of evaluation.
bool note_logging_rule(const oracle::DirectionExplanation& explanation, Record& record) {
  for (const oracle::TierCheck& tier : explanation.tiers) {
    for (const oracle::PolicyCheck& policy : tier.policies) {
      if (!policy.applies() || policy.staged) continue;
      for (const oracle::RuleCheck& rule : policy.rules) {
        if (rule.action != model::Action::kLog || !rule.matches()) continue;
        record.tier = tier.name;
        record.policy = policy.id.to_string();
        record.rule = rule.index;
        record.rule_name = rule.name;
        return true;
      }
    }
  }
  return false;
}

void note_policy(const Subject& subject, const model::World& world, Record& record) {
  const nft::LogPlace place = subject.flow.mark.place;
  const oracle::Flow flow = flow_of(subject);
  if (is_pod(place) && !subject.pod) {
    record.reason = "no pod has this interface";
    return;
  }
  const oracle::DirectionExplanation explanation =
      is_pod(place)
          ? oracle::explain_direction(world, direction_of(place), *subject.pod, flow)
          : oracle::explain_host(world, subject.node, host_hook(place), subject.interface, flow);
  if (record.verdict == RecordVerdict::kLogged) {
    if (!note_logging_rule(explanation, record))
      record.reason = "the rule that asked for it has gone";
  } else if (explanation.verdict == oracle::Verdict::kDenied) {
    note_decision(explanation, record);
  } else {
    record.reason =
        "allowed by the policies of now; denied by those before, or the endpoint was closed";
  }
}

}  // namespace

Record attribute(const Subject& subject, const model::World& world) {
  const Flow& flow = subject.flow;
  Record record;
  record.time = flow.time;
  record.node = subject.node;
  record.verdict =
      flow.mark.event == nft::LogEvent::kLogged ? RecordVerdict::kLogged : RecordVerdict::kDenied;
  record.direction = direction_of(flow.mark.place);
  record.interface = subject.interface;
  record.source = flow.packet.source;
  record.destination = flow.packet.destination;
  record.source_name = subject.source_name;
  record.destination_name = subject.destination_name;
  record.protocol = flow.packet.protocol;
  record.source_port = flow.packet.source_port;
  record.destination_port = flow.packet.destination_port;
  record.icmp_type = flow.packet.icmp_type;
  record.icmp_code = flow.packet.icmp_code;
  record.count = flow.count;
  switch (flow.mark.reason) {
    case nft::LogReason::kPolicy:
      note_policy(subject, world, record);
      break;
    case nft::LogReason::kSpoofed:
      record.reason = "the source address is not the pod's";
      break;
    case nft::LogReason::kUnknownInterface:
      record.reason = "the interface is not known";
      break;
    case nft::LogReason::kMidStream:
      record.reason = "in the middle of a TCP connection that is not known (or was ended)";
      break;
    case nft::LogReason::kToHost:
      record.reason = "pods may not reach their node (settings)";
      break;
  }
  return record;
}

}  // namespace caracal::flowlog
