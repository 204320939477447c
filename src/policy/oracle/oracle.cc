#include "policy/oracle/oracle.h"

#include <algorithm>

#include "policy/oracle/tiers.h"

namespace caracal::policy::oracle {
namespace {

using model::Direction;
using model::Hook;
using model::ObjectName;
using model::Pod;
using model::World;
using Decision = DirectionExplanation::Decision;

constexpr std::string_view kAllowProfile = "projectcalico-default-allow";
constexpr std::string_view kNamespaceProfile = "kns.";

bool has(const std::vector<net::IpAddr>& list, const net::IpAddr& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

DirectionExplanation settled(Direction direction, Decision decision,
                             std::optional<ObjectName> endpoint,
                             Verdict verdict = Verdict::kAllowed) {
  DirectionExplanation out;
  out.direction = direction;
  out.decision = decision;
  out.endpoint = std::move(endpoint);
  out.verdict = verdict;
  return out;
}

View view_of(const World& world, Direction direction, const Flow& flow) {
  View view;
  view.direction = direction;
  view.flow = flow;
  const bool ingress = direction == Direction::kIngress;
  const net::IpAddr& own = ingress ? flow.destination : flow.source;
  const net::IpAddr& far = ingress ? flow.source : flow.destination;
  view.own = {own, holders_at(world, own), nullptr};
  view.far = {far, holders_at(world, far), nullptr};
  return view;
}

// What the policies that apply to a pod say; behind the tiers its namespace's profile allows, when
// there is the namespace.
DirectionExplanation judge_pod(const World& world, const Pod& pod, View view) {
  view.own.self = &pod;
  const bool among = std::any_of(view.own.holders.begin(), view.own.holders.end(),
                                 [&](const Holder& holder) { return holder == Holder(&pod); });
  if (!among) view.own.holders.insert(view.own.holders.begin(), &pod);
  const TierRules rules{[](Hook hook) { return hook == Hook::kNormal || hook == Hook::kForward; },
                        true};
  DirectionExplanation out = evaluate_tiers(world, &pod, view, rules);
  out.endpoint = pod.name;
  if (out.decision != Decision::kEndOfTiers && out.decision != Decision::kNotIsolated) return out;
  out.verdict = Verdict::kAllowed;
  if (!world.namespaces.contains(pod.name.ns)) {
    out.decision = Decision::kNamespaceUnknown;
    out.verdict = Verdict::kDenied;
  }
  return out;
}

bool in_failsafes(const std::vector<model::Failsafe>& list, net::Protocol protocol,
                  std::optional<uint16_t> port, const net::IpAddr& peer) {
  return std::any_of(list.begin(), list.end(), [&](const model::Failsafe& failsafe) {
    return failsafe.protocol == protocol && (!protocol.has_ports() || port == failsafe.port) &&
           (!failsafe.net || failsafe.net->contains(peer));
  });
}

}  // namespace

bool is_failsafe(const World& world, HostHook hook, const Flow& flow) {
  if (hook == HostHook::kForwardIngress || hook == HostHook::kForwardEgress) return false;
  const bool inbound = direction_of(hook) == Direction::kIngress;
  const model::PolicySettings& settings = world.settings;
  const net::IpAddr& peer = inbound ? flow.source : flow.destination;
  const auto& list = inbound ? settings.inbound : settings.outbound;
  if (in_failsafes(list, flow.protocol, flow.port, peer)) return true;
  const bool untracked = hook == HostHook::kUntrackedIngress || hook == HostHook::kUntrackedEgress;
  const auto& replies = inbound ? settings.outbound : settings.inbound;
  return untracked && in_failsafes(replies, flow.protocol, flow.source_port, peer);
}

namespace {

// No tier decided the host's own traffic: the first profile does.
void decide_by_profile(const World& world, const model::HostEndpoint& host,
                       DirectionExplanation& out) {
  out.verdict = Verdict::kDenied;
  out.decision = Decision::kNoProfile;
  if (host.profiles.empty()) return;
  out.decision = Decision::kProfile;
  out.profile = host.profiles.front();
  const std::string_view profile = out.profile;
  const bool allows = profile == kAllowProfile ||
                      (profile.starts_with(kNamespaceProfile) &&
                       world.namespaces.contains(out.profile.substr(kNamespaceProfile.size())));
  if (allows) out.verdict = Verdict::kAllowed;
}

TierRules rules_of(HostHook hook) {
  switch (hook) {
    case HostHook::kUntrackedIngress:
    case HostHook::kUntrackedEgress:
      return {[](Hook h) { return h == Hook::kUntracked; }, false};
    case HostHook::kPreDnat:
      return {[](Hook h) { return h == Hook::kPreDnat; }, false};
    case HostHook::kForwardIngress:
    case HostHook::kForwardEgress:
      return {[](Hook h) { return h == Hook::kForward; }, true};
    case HostHook::kIngress:
    case HostHook::kEgress:
      break;
  }
  return {[](Hook h) { return h == Hook::kNormal || h == Hook::kForward; }, true};
}

DirectionExplanation judge_host(const World& world, const model::HostEndpoint& host, HostHook hook,
                                const Flow& flow) {
  const Direction direction = direction_of(hook);
  const TierRules rules = rules_of(hook);
  const bool forwarded = hook == HostHook::kForwardIngress || hook == HostHook::kForwardEgress;
  DirectionExplanation out = evaluate_tiers(world, &host, view_of(world, direction, flow), rules);
  const bool undecided =
      out.decision == Decision::kEndOfTiers || out.decision == Decision::kNotIsolated;
  const bool judged = out.isolated || (rules.end_of_tier && !forwarded);
  if (judged && is_failsafe(world, hook, flow)) {
    out = settled(direction, Decision::kFailsafe, std::nullopt);
  } else if (undecided && !rules.end_of_tier) {
    out.decision = Decision::kGoesOn;
    out.verdict = Verdict::kUndecided;
  } else if (undecided && forwarded) {
    out.verdict = Verdict::kAllowed;
  } else if (undecided) {
    decide_by_profile(world, host, out);
  }
  out.host_endpoint = host.name;
  out.hook = hook;
  return out;
}

// One end of a flow: what is there.
struct End {
  const Pod* pod = nullptr;
  std::optional<ObjectName> host_network_pod;
  std::optional<ObjectName> unknown_pod;
  const model::Node* node = nullptr;
  const model::HostEndpoint* host = nullptr;
};

void find_host(const World& world, const net::IpAddr& address, End& end) {
  for (const auto& [name, node] : world.nodes) {
    if (end.node == nullptr && has(node.internal_addresses, address)) end.node = &node;
  }
  for (const auto& [name, host] : world.host_endpoints) {
    if (end.host == nullptr && has(host.addresses, address)) end.host = &host;
  }
  if (end.host != nullptr || end.node == nullptr) return;
  for (const auto& [name, host] : world.host_endpoints) {
    const bool covers = host.node == end.node->name && host.interface == "*";
    if (end.host == nullptr && covers) end.host = &host;
  }
}

End end_at(const World& world, const net::IpAddr& address, const std::optional<ObjectName>& name) {
  End end;
  for (const Holder& holder : holders_at(world, address)) {
    const auto* pod = std::get_if<const Pod*>(&holder);
    if (pod != nullptr && (end.pod == nullptr || (name && (*pod)->name == *name))) end.pod = *pod;
  }
  if (end.pod != nullptr) return end;
  for (const auto& [interface, endpoint] : world.local_endpoints) {
    if (has(endpoint.addresses, address)) end.unknown_pod = endpoint.pod;
  }
  if (name) {
    const auto it = world.pods.find(*name);
    if (it != world.pods.end() && it->second.host_network) end.host_network_pod = *name;
  }
  find_host(world, address, end);
  return end;
}

bool is_own_node(const End& pod, const End& node) {
  return pod.pod != nullptr && node.node != nullptr && pod.pod->node == node.node->name;
}

// The host's own traffic: the hooks it meets, the first that decides.
DirectionExplanation judge_host_end(const World& world, Direction direction,
                                    const model::HostEndpoint& host, const Flow& flow) {
  const std::vector<HostHook> hooks =
      direction == Direction::kIngress
          ? std::vector{HostHook::kUntrackedIngress, HostHook::kPreDnat, HostHook::kIngress}
          : std::vector{HostHook::kUntrackedEgress, HostHook::kEgress};
  DirectionExplanation out;
  for (const HostHook hook : hooks) {
    out = judge_host(world, host, hook, flow);
    if (out.verdict != Verdict::kUndecided) break;
  }
  return out;
}

DirectionExplanation explain_end(const World& world, Direction direction, const End& self,
                                 const End& other, const Flow& flow) {
  if (self.pod != nullptr) {
    if (self.pod == other.pod) return settled(direction, Decision::kSamePod, self.pod->name);
    if (direction == Direction::kIngress && is_own_node(self, other))
      return settled(direction, Decision::kFromOwnNode, self.pod->name);
    return judge_pod(world, *self.pod, view_of(world, direction, flow));
  }
  if (self.unknown_pod)
    return settled(direction, Decision::kUnknownPod, self.unknown_pod, Verdict::kDenied);
  // Between a node and its own pods host endpoints say nothing.
  if (is_own_node(other, self)) {
    if (direction == Direction::kEgress)
      return settled(direction, Decision::kFromOwnNode, std::nullopt);
    const bool drop = world.settings.to_host == model::ToHostAction::kDrop;
    return settled(direction, Decision::kToOwnNode, std::nullopt,
                   drop ? Verdict::kDenied : Verdict::kAllowed);
  }
  if (self.host != nullptr) return judge_host_end(world, direction, *self.host, flow);
  if (self.host_network_pod)
    return settled(direction, Decision::kHostNetwork, self.host_network_pod);
  return settled(direction, Decision::kNotAPod, std::nullopt);
}

}  // namespace

DirectionExplanation explain_direction(const World& world, Direction direction,
                                       const ObjectName& endpoint, const Flow& flow) {
  const auto pod = world.pods.find(endpoint);
  if (pod == world.pods.end() || !pod->second.networked())
    return settled(direction, Decision::kUnknownPod, endpoint, Verdict::kDenied);
  return judge_pod(world, pod->second, view_of(world, direction, flow));
}

DirectionExplanation explain_direction(const World& world, Direction direction,
                                       const ObjectName& endpoint, const net::IpAddr& peer,
                                       net::Protocol protocol, std::optional<uint16_t> port) {
  net::IpAddr own = net::IpAddr::first(peer.family());
  if (const auto pod = world.pods.find(endpoint); pod != world.pods.end()) {
    for (const net::IpAddr& address : pod->second.addresses) {
      if (address.family() != peer.family()) continue;
      own = address;
      break;
    }
  }
  const bool ingress = direction == Direction::kIngress;
  return explain_direction(world, direction, endpoint,
                           Flow{ingress ? peer : own, ingress ? own : peer, protocol, port});
}

DirectionExplanation explain_host(const World& world, const std::string& node, HostHook hook,
                                  const std::string& interface, const Flow& flow) {
  const model::HostEndpoint* host = host_endpoint_on(world, node, interface);
  if (host != nullptr) return judge_host(world, *host, hook, flow);
  DirectionExplanation out =
      settled(direction_of(hook), Decision::kNoHostEndpoint, std::nullopt, Verdict::kUndecided);
  out.hook = hook;
  return out;
}

Explanation explain(const World& world, const Flow& flow) {
  const End source = end_at(world, flow.source, flow.source_pod);
  const End destination = end_at(world, flow.destination, flow.destination_pod);
  Explanation out;
  out.flow = flow;
  if (source.pod) out.flow.source_pod = source.pod->name;
  if (destination.pod) out.flow.destination_pod = destination.pod->name;
  out.egress = explain_end(world, Direction::kEgress, source, destination, flow);
  out.ingress = explain_end(world, Direction::kIngress, destination, source, flow);
  const bool denied =
      out.egress.verdict == Verdict::kDenied || out.ingress.verdict == Verdict::kDenied;
  out.verdict = denied ? Verdict::kDenied : Verdict::kAllowed;
  return out;
}

Verdict evaluate(const World& world, const Flow& flow) { return explain(world, flow).verdict; }

}  // namespace caracal::policy::oracle
