#include "policy/oracle/matching.h"

#include <algorithm>

namespace caracal::policy::oracle {
namespace {

using model::EndMatch;
using model::World;

PeerCheck check_cidr(const model::CidrPeer& peer, const Place& place) {
  PeerCheck check;
  if (!place.address || !peer.net.contains(*place.address)) {
    check.reason = PeerCheck::Reason::kOutside;
    return check;
  }
  for (const net::Cidr& except : peer.except) {
    if (except.contains(*place.address)) {
      check.reason = PeerCheck::Reason::kExcepted;
      check.except = except;
      return check;
    }
  }
  return check;
}

bool has_port(const model::EndpointSlice& slice, const Flow& flow) {
  return std::any_of(slice.ports.begin(), slice.ports.end(), [&](const model::ServicePort& port) {
    return port.protocol == flow.protocol && (port.port == 0 || port.port == flow.port);
  });
}

// With `with_port` address, protocol and destination port of an endpoint count together.
PeerCheck check_service(const World& world, const model::ServicePeer& peer, const Place& place,
                        const Flow& flow, bool with_port) {
  using Reason = PeerCheck::Reason;
  PeerCheck check;
  check.reason = Reason::kNotOfService;
  for (const auto& [name, slice] : world.endpoint_slices) {
    if (name.ns != peer.service.ns || slice.service != peer.service.name) continue;
    const auto& list = slice.addresses;
    if (!place.address || std::find(list.begin(), list.end(), *place.address) == list.end())
      continue;
    if (!with_port || has_port(slice, flow)) {
      check.reason = Reason::kMatches;
      return check;
    }
    check.reason = Reason::kOtherServicePort;
  }
  return check;
}

// By one of the holders; the reason is that of the first one that could match.
PeerCheck check_holders(const World& world, const model::EndpointPeer& peer, const Place& place) {
  std::optional<PeerCheck> first;
  for (const Holder& holder : place.holders) {
    PeerCheck check = check_endpoint(world, peer, holder);
    if (check.matches()) return check;
    if (!first || first->reason == PeerCheck::Reason::kNoPod) first = std::move(check);
  }
  if (first) return *first;
  PeerCheck none;
  none.reason = PeerCheck::Reason::kNoPod;
  return none;
}

PeerCheck check_peer(const World& world, const model::Peer& peer, const Place& place,
                     const Flow& flow, bool with_port) {
  PeerCheck check;
  if (const auto* endpoints = std::get_if<model::EndpointPeer>(&peer)) {
    check = check_holders(world, *endpoints, place);
  } else if (const auto* service = std::get_if<model::ServicePeer>(&peer)) {
    check = check_service(world, *service, place, flow, with_port);
  } else {
    check = check_cidr(std::get<model::CidrPeer>(peer), place);
  }
  check.peer = peer;
  check.address = place.address;
  return check;
}

EndCheck check_end(const World& world, const EndMatch& match, const Place& place, const Flow& flow,
                   bool with_port) {
  EndCheck out;
  for (const auto& list : match.all_of) {
    auto& checks = out.all_of.emplace_back();
    for (const model::Peer& peer : list)
      checks.push_back(check_peer(world, peer, place, flow, with_port));
  }
  for (const model::Peer& peer : match.none_of)
    out.none_of.push_back(check_peer(world, peer, place, flow, with_port));
  return out;
}

// One list of ports of a rule: its end of the flow, the peers there, the number at that end.
class PortList {
 public:
  PortList(const World& world, const View& view, const Place& place, const EndMatch& match,
           bool destination, bool service_with_port)
      : world_(world),
        flow_(view.flow),
        place_(place),
        match_(match),
        number_(destination ? view.flow.port : view.flow.source_port),
        service_with_port_(service_with_port) {}

  std::vector<PortCheck> check(const std::vector<model::PortMatch>& ports, bool negative) const {
    std::vector<PortCheck> out;
    for (const model::PortMatch& port : ports) out.push_back(check_port(port, negative));
    return out;
  }

 private:
  using Reason = PortCheck::Reason;

  PortCheck check_port(const model::PortMatch& port, bool negative) const {
    PortCheck check;
    check.port = port;
    if (port.protocol != flow_.protocol) {
      check.reason = Reason::kOtherProtocol;
    } else if (const auto* range = std::get_if<net::PortRange>(&port.port)) {
      const bool in =
          range->all() || (number_ && flow_.protocol.has_ports() && range->contains(*number_));
      if (!in) check.reason = Reason::kOtherPort;
    } else if (const auto* icmp = std::get_if<model::IcmpMatch>(&port.port)) {
      const bool is_icmp = flow_.protocol == net::kIcmp || flow_.protocol == net::kIcmpV6;
      const bool same = is_icmp && flow_.icmp_type == icmp->type &&
                        (!icmp->code || flow_.icmp_code == icmp->code);
      if (!same) check.reason = Reason::kOtherMessage;
    } else {
      resolve(std::get<std::string>(port.port), negative, check);
    }
    return check;
  }

  void resolve(const std::string& name, bool negative, PortCheck& check) const {
    std::vector<Holder> holders = place_.holders;
    if (place_.self != nullptr) holders = {place_.self};
    check.reason = holders.empty() ? Reason::kNoPod : Reason::kNameAbsent;
    bool matches = false;
    for (const Holder& holder : holders) {
      for (const model::NamedPort& port : ports_of(holder)) {
        if (port.name != name || port.protocol != flow_.protocol) continue;
        if (!negative && !is_peer(holder)) {
          if (check.reason == Reason::kNameAbsent) check.reason = Reason::kNotThePeer;
          continue;
        }
        check.resolved.push_back(port.port);
        if (!matches) check.reason = Reason::kOtherPort;
        matches = matches || (flow_.protocol.has_ports() && number_ == port.port);
      }
    }
    if (matches) check.reason = Reason::kMatches;
  }

  // Is it one that the rule names: does the first list with endpoints in it hold for this one?
  bool is_peer(const Holder& holder) const {
    for (const auto& list : match_.all_of) {
      const bool names = std::any_of(list.begin(), list.end(), [](const model::Peer& peer) {
        return std::holds_alternative<model::EndpointPeer>(peer);
      });
      if (!names) continue;
      Place alone = place_;
      alone.holders = {holder};
      return check_end(world_, {{list}, {}}, alone, flow_, service_with_port_).all_hold();
    }
    return true;
  }

  const World& world_;
  const Flow& flow_;
  const Place& place_;
  const EndMatch& match_;
  std::optional<uint16_t> number_;
  bool service_with_port_;
};

bool any_matches(const std::vector<PortCheck>& checks) {
  return std::any_of(checks.begin(), checks.end(), [](const auto& c) { return c.matches(); });
}

RuleCheck::Condition first_failed(const RuleCheck& check, net::Family family) {
  using Condition = RuleCheck::Condition;
  if (check.family && *check.family != family) return Condition::kFamily;
  if (!check.peer.all_hold()) return Condition::kPeer;
  if (!check.peer.none_holds()) return Condition::kNotPeer;
  if (!check.self.all_hold()) return Condition::kSelf;
  if (!check.self.none_holds()) return Condition::kNotSelf;
  if (check.ports && !any_matches(*check.ports)) return Condition::kPorts;
  if (any_matches(check.not_ports)) return Condition::kNotPorts;
  if (check.source_ports && !any_matches(*check.source_ports)) return Condition::kSourcePorts;
  if (any_matches(check.not_source_ports)) return Condition::kNotSourcePorts;
  return Condition::kNone;
}

}  // namespace

bool EndCheck::all_hold() const {
  return std::all_of(all_of.begin(), all_of.end(), [](const auto& list) {
    return std::any_of(list.begin(), list.end(), [](const auto& c) { return c.matches(); });
  });
}

bool EndCheck::none_holds() const {
  return std::none_of(none_of.begin(), none_of.end(), [](const auto& c) { return c.matches(); });
}

RuleCheck check_rule(const World& world, const model::Rule& rule, size_t index, const View& view) {
  const bool ingress = view.direction == model::Direction::kIngress;
  // Only the far end of egress is a service's endpoint with its port.
  const bool far_with_port = !ingress;
  RuleCheck out;
  out.index = index;
  out.action = rule.action;
  out.name = rule.name;
  out.family = rule.family;
  out.peer = check_end(world, rule.peer, view.far, view.flow, far_with_port);
  out.self = check_end(world, rule.self, view.own, view.flow, false);

  const PortList far(world, view, view.far, rule.peer, !ingress, far_with_port);
  const PortList own(world, view, view.own, rule.self, ingress, false);
  const PortList& destination = ingress ? own : far;
  const PortList& source = ingress ? far : own;
  if (rule.ports) out.ports = destination.check(*rule.ports, false);
  out.not_ports = destination.check(rule.not_ports, true);
  if (rule.source_ports) out.source_ports = source.check(*rule.source_ports, false);
  out.not_source_ports = source.check(rule.not_source_ports, true);

  out.failed = first_failed(out, view.flow.source.family());
  return out;
}

}  // namespace caracal::policy::oracle
