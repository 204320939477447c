#include "policy/oracle/oracle.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

namespace caracal::policy::oracle {
namespace {

using model::Direction;
using model::EndpointPeer;
using model::Labels;
using model::ObjectName;
using model::Pod;
using model::World;

bool labels_match(const selector::Selector& selector, const Labels& labels) {
  return selector.matches([&](std::string_view key) -> std::optional<std::string_view> {
    const auto it = labels.find(key);
    if (it == labels.end()) return std::nullopt;
    return it->second;
  });
}

bool holds(const World& world, const Pod& pod, const net::IpAddr& address) {
  if (!pod.networked()) return false;
  const auto has = [&](const std::vector<net::IpAddr>& list) {
    return std::find(list.begin(), list.end(), address) != list.end();
  };
  if (has(pod.addresses)) return true;
  for (const auto& [interface, endpoint] : world.local_endpoints) {
    if (endpoint.pod == pod.name && has(endpoint.addresses)) return true;
  }
  return false;
}

std::vector<const Pod*> pods_at(const World& world, const net::IpAddr& address) {
  std::vector<const Pod*> pods;
  for (const auto& [name, pod] : world.pods) {
    if (holds(world, pod, address)) pods.push_back(&pod);
  }
  return pods;
}

PeerCheck check_endpoints(const World& world, const EndpointPeer& peer, const Pod* pod) {
  using Reason = PeerCheck::Reason;
  PeerCheck check;
  check.peer = peer;
  if (pod == nullptr) {
    check.reason = Reason::kNoPod;
    return check;
  }
  check.pod = pod->name;
  if (peer.in_namespace && *peer.in_namespace != pod->name.ns) {
    check.reason = Reason::kOtherNamespace;
    return check;
  }
  if (!peer.namespaces.matches_everything()) {
    const auto ns = world.namespaces.find(pod->name.ns);
    if (ns == world.namespaces.end()) {
      check.reason = Reason::kNamespaceUnknown;
      return check;
    }
    if (!labels_match(peer.namespaces, ns->second.labels)) {
      check.reason = Reason::kNamespaceLabels;
      check.labels = ns->second.labels;
      return check;
    }
  }
  if (!labels_match(peer.pods, pod->labels)) check.reason = Reason::kPodLabels;
  check.labels = pod->labels;
  return check;
}

PeerCheck check_cidr(const model::CidrPeer& peer, const net::IpAddr& address) {
  PeerCheck check;
  check.peer = peer;
  if (!peer.net.contains(address)) {
    check.reason = PeerCheck::Reason::kOutside;
    return check;
  }
  for (const net::Cidr& except : peer.except) {
    if (except.contains(address)) {
      check.reason = PeerCheck::Reason::kExcepted;
      check.except = except;
      return check;
    }
  }
  return check;
}

PortCheck check_port(const model::PortMatch& port, const Pod* destination, net::Protocol protocol,
                     std::optional<uint16_t> number) {
  using Reason = PortCheck::Reason;
  PortCheck check;
  check.port = port;
  if (port.protocol != protocol) {
    check.reason = Reason::kOtherProtocol;
    return check;
  }
  if (const auto* range = std::get_if<net::PortRange>(&port.port)) {
    const bool in = range->all() || (number && protocol.has_ports() && range->contains(*number));
    if (!in) check.reason = Reason::kOtherPort;
    return check;
  }
  if (destination == nullptr) {
    check.reason = Reason::kNoPod;
    return check;
  }
  for (const model::NamedPort& named : destination->ports) {
    if (named.name == std::get<std::string>(port.port) && named.protocol == protocol) {
      check.resolved.push_back(named.port);
    }
  }
  const auto& list = check.resolved;
  if (list.empty()) {
    check.reason = Reason::kNameAbsent;
  } else if (!number || !protocol.has_ports() ||
             std::find(list.begin(), list.end(), *number) == list.end()) {
    check.reason = Reason::kOtherPort;
  }
  return check;
}

// One direction of one endpoint, against one peer address.
class Evaluation {
 public:
  Evaluation(const World& world, Direction direction, const Pod& self, const net::IpAddr& peer,
             const std::vector<const Pod*>& peer_pods, net::Protocol protocol,
             std::optional<uint16_t> port)
      : world_(world),
        direction_(direction),
        self_(self),
        peer_(peer),
        candidates_(peer_pods),
        protocol_(protocol),
        port_(port) {
    if (candidates_.empty()) candidates_.push_back(nullptr);
  }

  DirectionExplanation run() {
    DirectionExplanation out;
    out.direction = direction_;
    out.endpoint = self_.name;
    collect(out);
    using Decision = DirectionExplanation::Decision;
    out.decision = out.isolated ? Decision::kEndOfTiers : Decision::kNotIsolated;
    out.verdict = Verdict::kAllowed;

    bool decided = false;
    for (size_t first = 0; first < out.policies.size();) {
      size_t end = first;
      while (end < out.policies.size() && out.policies[end].tier == out.policies[first].tier) ++end;
      if (!decided) decided = run_tier(out, first, end);
      first = end;
    }
    return out;
  }

 private:
  struct Entry {
    const model::Policy* policy;
    std::optional<std::string> invalid;
  };

  const model::Tier* tier_of(const std::string& name) const {
    for (const model::Tier& tier : world_.tiers) {
      if (tier.name == name) return &tier;
    }
    return nullptr;
  }

  // The policies in the order of evaluation, each with whether it applies.
  void collect(DirectionExplanation& out) {
    std::vector<Entry> entries;
    for (const auto& [id, policy] : world_.policies) entries.push_back({&policy, std::nullopt});
    for (const auto& [id, invalid] : world_.invalid_policies) {
      entries.push_back({&invalid.policy, invalid.reason});
    }
    const auto place = [&](const Entry& entry) {
      const model::Policy& p = *entry.policy;
      const model::Tier* tier = tier_of(p.tier);
      const double order = tier ? tier->order : std::numeric_limits<double>::infinity();
      return std::tuple(tier == nullptr, order, std::string_view(p.tier), p.order,
                        std::string_view(p.id.name.name), std::string_view(p.id.name.ns),
                        p.id.kind);
    };
    std::sort(entries.begin(), entries.end(),
              [&](const Entry& a, const Entry& b) { return place(a) < place(b); });
    for (Entry& entry : entries) {
      const model::Policy& policy = *entry.policy;
      if (policy.selects.in_namespace && *policy.selects.in_namespace != self_.name.ns) {
        ++out.other_namespaces;
        continue;
      }
      PolicyCheck check = applies(policy);
      check.invalid = std::move(entry.invalid);
      out.isolated = out.isolated || check.applies();
      out.policies.push_back(std::move(check));
      policies_.push_back(&policy);
    }
  }

  PolicyCheck applies(const model::Policy& policy) const {
    using Reason = PolicyCheck::Reason;
    PolicyCheck check;
    check.id = policy.id;
    check.tier = policy.tier;
    check.selects = policy.selects;
    const PeerCheck selected = check_endpoints(world_, policy.selects, &self_);
    check.labels = selected.labels;
    switch (selected.reason) {
      case PeerCheck::Reason::kMatches:
        break;
      case PeerCheck::Reason::kNamespaceUnknown:
        check.reason = Reason::kNamespaceUnknown;
        return check;
      case PeerCheck::Reason::kNamespaceLabels:
        check.reason = Reason::kNamespaceLabels;
        return check;
      default:
        check.reason = Reason::kPodLabels;
        return check;
    }
    const bool named =
        direction_ == Direction::kIngress ? policy.applies_ingress : policy.applies_egress;
    if (!named) check.reason = Reason::kOtherDirection;
    return check;
  }

  // Evaluates the policies [first, end) of one tier. True when the verdict is settled.
  bool run_tier(DirectionExplanation& out, size_t first, size_t end) {
    using Decision = DirectionExplanation::Decision;
    bool any = false;
    for (size_t i = first; i < end; ++i) {
      PolicyCheck& check = out.policies[i];
      if (!check.applies()) continue;
      any = true;
      check.reached = true;
      const auto& rules =
          direction_ == Direction::kIngress ? policies_[i]->ingress : policies_[i]->egress;
      for (size_t r = 0; r < rules.size(); ++r) {
        check.rules.push_back(check_rule(rules[r], r));
        if (!check.rules.back().matches) continue;
        if (rules[r].action == model::Action::kPass) return false;  // on to the next tier
        out.decision = Decision::kRule;
        out.verdict =
            rules[r].action == model::Action::kAllow ? Verdict::kAllowed : Verdict::kDenied;
        out.policy = check.id;
        out.rule = r;
        out.tier = check.tier;
        return true;
      }
    }
    if (!any) return false;
    const model::Tier* tier = tier_of(out.policies[first].tier);
    const model::Action action = tier ? tier->default_action : model::Action::kDeny;
    if (action == model::Action::kPass) return false;
    out.decision = Decision::kTierDefault;
    out.verdict = action == model::Action::kAllow ? Verdict::kAllowed : Verdict::kDenied;
    out.tier = out.policies[first].tier;
    return true;
  }

  // A rule matches when, for one of the pods at the peer address (or for the bare address), one of
  // its peers and one of its ports match.
  RuleCheck check_rule(const model::Rule& rule, size_t index) const {
    std::optional<RuleCheck> first;
    for (const Pod* candidate : candidates_) {
      RuleCheck check;
      check.index = index;
      check.action = rule.action;
      check.any_peer = !rule.peers;
      check.any_port = !rule.ports;
      bool peer_matches = check.any_peer;
      if (rule.peers) {
        for (const model::Peer& peer : *rule.peers) {
          if (const auto* endpoints = std::get_if<EndpointPeer>(&peer)) {
            check.peers.push_back(check_endpoints(world_, *endpoints, candidate));
          } else {
            check.peers.push_back(check_cidr(std::get<model::CidrPeer>(peer), peer_));
          }
          peer_matches = peer_matches || check.peers.back().matches();
        }
      }
      bool port_matches = check.any_port;
      if (rule.ports) {
        const Pod* destination = direction_ == Direction::kIngress ? &self_ : candidate;
        for (const model::PortMatch& port : *rule.ports) {
          check.ports.push_back(check_port(port, destination, protocol_, port_));
          port_matches = port_matches || check.ports.back().matches();
        }
      }
      check.matches = peer_matches && port_matches;
      if (check.matches) return check;
      if (!first) first = std::move(check);
    }
    return *first;
  }

  const World& world_;
  const Direction direction_;
  const Pod& self_;
  const net::IpAddr& peer_;
  std::vector<const Pod*> candidates_;
  const net::Protocol protocol_;
  const std::optional<uint16_t> port_;
  std::vector<const model::Policy*> policies_;  // beside DirectionExplanation::policies
};

DirectionExplanation settled(Direction direction, DirectionExplanation::Decision decision,
                             std::optional<ObjectName> endpoint) {
  DirectionExplanation out;
  out.direction = direction;
  out.decision = decision;
  out.endpoint = std::move(endpoint);
  if (decision == DirectionExplanation::Decision::kUnknownPod) out.verdict = Verdict::kDenied;
  return out;
}

// One end of a flow: the pod there, if any.
struct End {
  const Pod* pod = nullptr;
  std::optional<ObjectName> host_network_pod;
  std::optional<ObjectName> unknown_pod;
};

End end_at(const World& world, const net::IpAddr& address, const std::optional<ObjectName>& name) {
  End end;
  for (const Pod* pod : pods_at(world, address)) {
    if (end.pod == nullptr || (name && pod->name == *name)) end.pod = pod;
  }
  if (end.pod != nullptr) return end;
  for (const auto& [interface, endpoint] : world.local_endpoints) {
    const auto& list = endpoint.addresses;
    if (std::find(list.begin(), list.end(), address) != list.end()) end.unknown_pod = endpoint.pod;
  }
  if (name) {
    const auto it = world.pods.find(*name);
    if (it != world.pods.end() && it->second.host_network) end.host_network_pod = *name;
  }
  return end;
}

bool is_own_node(const World& world, const Pod& pod, const net::IpAddr& address) {
  const auto node = world.nodes.find(pod.node);
  if (node != world.nodes.end()) {
    const auto& list = node->second.internal_addresses;
    if (std::find(list.begin(), list.end(), address) != list.end()) return true;
  }
  return false;
}

}  // namespace

DirectionExplanation explain_direction(const World& world, Direction direction,
                                       const ObjectName& endpoint, const net::IpAddr& peer,
                                       net::Protocol protocol, std::optional<uint16_t> port) {
  const auto pod = world.pods.find(endpoint);
  if (pod == world.pods.end() || !pod->second.networked()) {
    return settled(direction, DirectionExplanation::Decision::kUnknownPod, endpoint);
  }
  return Evaluation(world, direction, pod->second, peer, pods_at(world, peer), protocol, port)
      .run();
}

Explanation explain(const World& world, const Flow& flow) {
  using Decision = DirectionExplanation::Decision;
  const End source = end_at(world, flow.source, flow.source_pod);
  const End destination = end_at(world, flow.destination, flow.destination_pod);
  const auto side = [&](Direction direction, const End& self, const End& other,
                        const net::IpAddr& peer) {
    if (self.unknown_pod) return settled(direction, Decision::kUnknownPod, self.unknown_pod);
    if (self.host_network_pod)
      return settled(direction, Decision::kHostNetwork, self.host_network_pod);
    if (self.pod == nullptr) return settled(direction, Decision::kNotAPod, std::nullopt);
    if (self.pod == other.pod) return settled(direction, Decision::kSamePod, self.pod->name);
    if (direction == Direction::kIngress && is_own_node(world, *self.pod, peer)) {
      return settled(direction, Decision::kFromOwnNode, self.pod->name);
    }
    return Evaluation(world, direction, *self.pod, peer, pods_at(world, peer), flow.protocol,
                      flow.port)
        .run();
  };
  Explanation out;
  out.flow = flow;
  if (source.pod) out.flow.source_pod = source.pod->name;
  if (destination.pod) out.flow.destination_pod = destination.pod->name;
  out.egress = side(Direction::kEgress, source, destination, flow.destination);
  out.ingress = side(Direction::kIngress, destination, source, flow.source);
  const bool allowed =
      out.egress.verdict == Verdict::kAllowed && out.ingress.verdict == Verdict::kAllowed;
  out.verdict = allowed ? Verdict::kAllowed : Verdict::kDenied;
  return out;
}

Verdict evaluate(const World& world, const Flow& flow) { return explain(world, flow).verdict; }

}  // namespace caracal::policy::oracle
