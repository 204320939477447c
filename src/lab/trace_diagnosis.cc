#include "lab/trace_diagnosis.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "base/subprocess.h"
#include "flowlog/record.h"
#include "lab/faults.h"
#include "lab/lab_parts.h"
#include "rpc/client.h"

namespace caracal::lab {
namespace {

using policy::oracle::DirectionExplanation;
using policy::oracle::Verdict;

Result<CommandOutput> ip_in(const std::string& netns, std::vector<std::string> arguments) {
  Command command{.argv = {"ip"}, .timeout = std::chrono::seconds(5)};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.netns = netns;
  return run(command);
}

// Where the packet would go next, by the kernel's own look-up.
struct NextHop {
  std::string problem;  // why there is none
  net::IpAddr gateway;  // the destination itself when it is on the link
  std::string device;
};

NextHop look_up_route(const LossPlace& loss) {
  NextHop out;
  const Sighting& packet = loss.last;
  // Around a tunnel packet that comes in stands the tunnel, which ends here: what is inside counts.
  std::vector<std::string> arguments = {packet.destination.is_v4() ? "-4" : "-6", "-j", "route",
                                        "get", packet.destination.to_string()};
  if (packet.outgoing) {
    if (!packet.around.empty()) arguments[4] = packet.around.front().destination.to_string();
  } else {
    arguments.insert(arguments.end(), {"from", packet.source.to_string(), "iif", packet.device});
  }
  if (!packet.around.empty() && packet.outgoing)
    arguments[0] = packet.around.front().destination.is_v4() ? "-4" : "-6";
  const auto answer = ip_in(loss.netns, arguments);
  if (!answer) {
    out.problem = answer.error().message;
    return out;
  }
  const auto routes = jsonio::parse(trim(answer->out).empty() ? "[]" : trim(answer->out));
  const json::array* list = routes ? routes->if_array() : nullptr;
  const json::value* first = list == nullptr || list->empty() ? nullptr : &list->front();
  const std::string type(first == nullptr ? "" : jsonio::get_string(*first, {"type"}));
  if (answer->exit_code != 0 || first == nullptr || type == "blackhole" || type == "unreachable" ||
      type == "prohibit") {
    std::string_view kernel = trim(answer->err);
    constexpr std::string_view kPrefix = "RTNETLINK answers: ";
    if (kernel.starts_with(kPrefix)) kernel.remove_prefix(kPrefix.size());
    const char* meaning = "no route";
    if (type == "blackhole" || kernel == "Invalid argument") meaning = "a blackhole route";
    if (type == "prohibit" || kernel == "Permission denied") meaning = "a prohibit route";
    if (type == "unreachable" || kernel == "No route to host") meaning = "an unreachable route";
    if (kernel == "Invalid cross-device link") meaning = "refused by the reverse path filter";
    out.problem = fmt::format("{} to {}{}", meaning, arguments[4],
                              kernel.empty() ? "" : fmt::format(" (kernel: {})", kernel));
    return out;
  }
  out.device = jsonio::get_string(*first, {"dev"});
  std::string_view gateway = jsonio::get_string(*first, {"gateway"});
  if (gateway.empty()) gateway = jsonio::get_string(*first, {"via", "host"});
  const auto address = net::IpAddr::parse(gateway.empty() ? arguments[4] : gateway);
  if (address) out.gateway = *address;
  if (type == "local") out.device = "lo";
  return out;
}

// State of the neighbour entry, as `ip neigh` names it; "" when there is none.
std::string neighbour_state(const std::string& netns, const NextHop& next) {
  const auto answer =
      ip_in(netns, {"-j", "neigh", "show", "to", next.gateway.to_string(), "dev", next.device});
  if (!answer || answer->exit_code != 0) return "";
  const auto value = jsonio::parse(trim(answer->out).empty() ? "[]" : trim(answer->out));
  if (!value) return "";
  const json::array* list = value->if_array();
  if (list == nullptr || list->empty()) return "";
  for (const json::value& state : jsonio::get_array(list->front(), {"state"})) {
    if (const json::string* text = state.if_string()) return std::string(*text);
  }
  return "";
}

// Faults on the segment that a device of some place is joined to.
std::vector<std::string> faults_near(const Lab& lab, const LossPlace& loss) {
  std::vector<std::string> out;
  const std::vector<Link> links = lab.plan.links();
  const auto faults = load_faults(lab.paths);
  if (!faults) return out;
  for (const Link& mine : links) {
    const std::string netns = mine.netns.empty() ? "" : netns_path(mine.netns);
    if (netns != loss.netns) continue;
    for (const Link& link : links) {
      if (link.segment != mine.segment) continue;
      for (const Fault& fault : *faults) {
        if (fault.target == link.name && fault.kind != Fault::Kind::kApi &&
            fault.kind != Fault::Kind::kDelay)
          out.push_back(to_text(fault));
      }
    }
  }
  return out;
}

}  // namespace

std::string verdict_text(const DirectionExplanation& d) {
  using Decision = DirectionExplanation::Decision;
  std::string who = d.endpoint        ? "pod " + d.endpoint->to_string()
                    : d.host_endpoint ? "host endpoint " + *d.host_endpoint
                                      : "no endpoint";
  std::string what = d.verdict == Verdict::kDenied ? "denied" : "allowed";
  std::string why;
  switch (d.decision) {
    case Decision::kNotAPod:
      return "";
    case Decision::kHostNetwork:
      why = "the pod uses its node's network";
      break;
    case Decision::kSamePod:
      why = "a pod reaches itself";
      break;
    case Decision::kFromOwnNode:
      why = "a node reaches its own pods";
      break;
    case Decision::kToOwnNode:
      why = "what a pod may do towards its node";
      break;
    case Decision::kUnknownPod:
      why = "the interface's pod is not known";
      break;
    case Decision::kNotIsolated:
      why = "no policy applies";
      break;
    case Decision::kRule:
      why = fmt::format("rule {}{} of {}{}", d.rule ? std::to_string(*d.rule) : "?",
                        d.rule_name.empty() ? "" : " (" + d.rule_name + ")",
                        d.policy ? d.policy->to_string() : "a policy",
                        d.tier.empty() ? "" : " in tier " + d.tier);
      break;
    case Decision::kTierDefault: {
      std::string policies;
      for (const auto& tier : d.tiers) {
        if (tier.name != d.tier) continue;
        for (const auto& policy : tier.policies) {
          if (policy.applies() && !policy.staged)
            policies += (policies.empty() ? "" : ", ") + policy.id.to_string();
        }
      }
      why = fmt::format("no rule matches of the policies of tier {} that apply{}", d.tier,
                        policies.empty() ? "" : ": " + policies);
      break;
    }
    case Decision::kEndOfTiers:
      why = "every tier passed it on";
      break;
    case Decision::kNamespaceUnknown:
      why = "no tier decided, and the pod's namespace is not known";
      break;
    case Decision::kNoHostEndpoint:
      return "";
    case Decision::kFailsafe:
      why = "a failsafe port";
      break;
    case Decision::kProfile:
      why = "profile " + d.profile;
      break;
    case Decision::kNoProfile:
      why = "no tier decided, and there is no profile";
      break;
    case Decision::kGoesOn:
      return "";
  }
  return fmt::format("policy, {} of {}: {}: {}",
                     d.direction == model::Direction::kEgress ? "egress" : "ingress", who, what,
                     why);
}

std::vector<std::string> explain_loss(const Lab& lab, const LossPlace& loss,
                                      const std::vector<std::string>& denied) {
  std::vector<std::string> out;
  if (!loss.last.outgoing) {
    out = denied;
    if (!out.empty()) return out;
    const NextHop next = look_up_route(loss);
    if (!next.problem.empty()) return {next.problem};
    if (next.device == "lo") {
      return {fmt::format("it is for {} itself, and {} gave no answer", loss.place, loss.place)};
    }
    const std::string state = neighbour_state(loss.netns, next);
    if (state == "FAILED" || state == "INCOMPLETE") {
      out.push_back(fmt::format("the neighbour {} on {} does not answer ({})",
                                next.gateway.to_string(), next.device, state));
      for (std::string& fault : faults_near(lab, loss)) out.push_back(std::move(fault));
      return out;
    }
    for (std::string& fault : faults_near(lab, loss)) out.push_back(std::move(fault));
    out.push_back(
        fmt::format("the route leads to {} on {} (neighbour {}), and no policy denies it: "
                    "`caracal lab exec {} -- nft list ruleset` shows what else filters",
                    next.gateway.to_string(), next.device, state.empty() ? "not resolved" : state,
                    loss.is_node ? "node/" + loss.place : loss.place));
    return out;
  }
  out = faults_near(lab, loss);
  if (out.empty()) {
    const NextHop next = look_up_route(loss);
    const std::string state = next.problem.empty() ? neighbour_state(loss.netns, next) : "";
    out.push_back(fmt::format(
        "it left by {} towards {} and was not seen at any other end of that "
        "link{}",
        loss.last.device, next.problem.empty() ? next.gateway.to_string() : next.problem,
        state.empty() ? "" : fmt::format(" (neighbour {})", state)));
  }
  return out;
}

std::string flow_log_entry(const Lab& lab, const std::string& node, const Sighting& packet,
                           std::chrono::system_clock::time_point since,
                           std::chrono::milliseconds limit) {
  std::string found;
  wait_until(limit, [&] {
    const auto reply = rpc::call_once(lab.paths.node_socket(node), "flows", {{"last", 200}},
                                      std::chrono::milliseconds(2'000));
    if (!reply || reply->error) return true;  // no flow log: nothing to wait for
    for (const json::value& one : jsonio::get_array(reply->result, {"records"})) {
      const auto record = flowlog::record_from_json(one);
      if (!record || record->verdict != flowlog::RecordVerdict::kDenied ||
          record->source != packet.source || record->destination != packet.destination ||
          record->protocol != packet.protocol || record->time < since)
        continue;
      const bool icmp = packet.protocol == net::kIcmp || packet.protocol == net::kIcmpV6;
      if (!icmp && record->destination_port != packet.destination_port) continue;
      found = flowlog::to_text(*record);
    }
    return !found.empty();
  });
  return found;
}

}  // namespace caracal::lab
