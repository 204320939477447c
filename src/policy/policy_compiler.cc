#include "policy/policy_compiler.h"

#include <algorithm>

namespace caracal::policy {
namespace {

// Endpoints of all kinds that may have named ports.
model::EndpointPeer any_endpoint() {
  model::EndpointPeer peer;
  peer.inherited = true;
  return peer;
}

// Does the list hold for no address of the other family anyhow?
bool implies(const std::vector<model::Peer>& peers, net::Family family) {
  return !peers.empty() && std::all_of(peers.begin(), peers.end(), [&](const model::Peer& peer) {
    const auto* block = std::get_if<model::CidrPeer>(&peer);
    return block != nullptr && block->net.family() == family;
  });
}

using PeerLists = std::vector<std::vector<model::Peer>>;
PeerLists::const_iterator first_with_endpoints(const PeerLists& lists) {
  return std::find_if(lists.begin(), lists.end(), [](const std::vector<model::Peer>& list) {
    return std::any_of(list.begin(), list.end(), [](const model::Peer& peer) {
      return std::holds_alternative<model::EndpointPeer>(peer);
    });
  });
}

}  // namespace

bool RareConditions::empty() const {
  return none_of.empty() && self_all_of.empty() && self_none_of.empty() && not_ports.empty() &&
         source_ports.empty() && not_source_ports.empty() && own_names.empty() &&
         own_not_names.empty() && own.empty() && far.empty() && services.empty() &&
         held_names.empty();
}

const RareConditions& CompiledRule::more() const {
  static const RareConditions kNone{};
  return rare ? *rare : kNone;
}

CompiledPolicy PolicyCompiler::compile(const PolicyBlob::Rules& rules, bool ingress, bool egress,
                                       bool for_hosts) {
  CompiledPolicy out;
  out.for_hosts = for_hosts;
  const auto add = [&](const model::Rule& rule, model::Direction direction,
                       std::vector<CompiledRule>& to, bool& self) {
    to.push_back(compile(rule, direction, for_hosts));
    const RareConditions& rare = to.back().more();
    out.has_names |= !(rare.own_names.empty() && rare.own_not_names.empty());
    self |= to.back().has_self();
  };
  if (ingress) {
    out.ingress.reserve(rules.ingress.size());
    for (const model::Rule& rule : rules.ingress) {
      add(rule, model::Direction::kIngress, out.ingress, out.ingress_self);
    }
  }
  if (egress) {
    out.egress.reserve(rules.egress.size());
    for (const model::Rule& rule : rules.egress) {
      add(rule, model::Direction::kEgress, out.egress, out.egress_self);
    }
  }
  return out;
}

void PolicyCompiler::release(const CompiledPolicy& policy) {
  for (const CompiledRule& rule : policy.ingress) release(rule);
  for (const CompiledRule& rule : policy.egress) release(rule);
}

Term PolicyCompiler::compile_peer(const model::Peer& peer, RareConditions& rare) {
  if (const auto* endpoints = std::get_if<model::EndpointPeer>(&peer))
    return term_of(predicates_.acquire_peer(*endpoints));
  if (const auto* block = std::get_if<model::CidrPeer>(&peer))
    return term_of_cidr(cidrs_.acquire(*block));
  const auto& service = std::get<model::ServicePeer>(peer);
  services_.take(service.service);
  rare.services.push_back(service.service);
  return term_of(predicates_.acquire_service(service));
}

// `service_ports`: a service's endpoints with their ports, else their addresses alone. `endpoints`:
// whether peers that are endpoints are wanted.
PeerList PolicyCompiler::compile_peers(const std::vector<model::Peer>& peers, bool service_ports,
                                       bool endpoints, RareConditions& rare) {
  PeerList out;
  for (const model::Peer& peer : peers) {
    if (!endpoints && std::holds_alternative<model::EndpointPeer>(peer)) continue;
    const auto* service = std::get_if<model::ServicePeer>(&peer);
    if (service == nullptr || !service_ports) {
      out.terms.push_back(compile_peer(peer, rare));
      continue;
    }
    services_.take(service->service);
    rare.services.push_back(service->service);
    out.service_families.push_back(predicates_.acquire_service_family(*service));
  }
  return out;
}

// The names go back, everything else into `numbers`.
std::vector<PortName> PolicyCompiler::split_names(const std::vector<model::PortMatch>& ports,
                                                  PortSet& numbers, RareConditions& rare) {
  std::vector<PortName> names;
  for (const model::PortMatch& port : ports) {
    if (const auto* name = std::get_if<std::string>(&port.port)) {
      names.push_back({strings_.acquire(*name), port.protocol});
      rare.held_names.push_back(names.back());
    } else {
      numbers.add(port);
    }
  }
  return names;
}

CompiledRule PolicyCompiler::compile(const model::Rule& rule, model::Direction direction,
                                     bool for_hosts) {
  const bool egress = direction == model::Direction::kEgress;
  CompiledRule out;
  RareConditions rare;
  out.action = rule.action;

  std::vector<PortName> names, source_names;
  if (rule.ports) {
    names = split_names(*rule.ports, out.ports, rare);
  } else {
    out.ports = PortSet::everything();
  }
  const std::vector<PortName> not_names = split_names(rule.not_ports, rare.not_ports, rare);
  out.has_source = rule.source_ports || !rule.not_source_ports.empty();
  if (rule.source_ports) {
    source_names = split_names(*rule.source_ports, rare.source_ports, rare);
  } else if (out.has_source) {
    rare.source_ports = PortSet::everything();
  }
  const std::vector<PortName> not_source_names =
      split_names(rule.not_source_ports, rare.not_source_ports, rare);
  rare.own_names = egress ? source_names : names;
  rare.own_not_names = egress ? not_source_names : not_names;
  if (for_hosts && !(rare.own_names.empty() && rare.own_not_names.empty()))
    rare.own = compile_names(rule.self, rare.own_names, rare.own_not_names, false, rare);
  rare.far = compile_names(rule.peer, egress ? names : source_names,
                           egress ? not_names : not_source_names, egress, rare);
  for (size_t i = 0; i < rule.peer.all_of.size(); ++i) {
    // A rule of named ports alone reaches endpoints through its families only.
    const bool by_name_only = egress && rare.far.lead == i && out.ports.empty();
    out.all_of.push_back(compile_peers(rule.peer.all_of[i], egress, !by_name_only, rare));
  }
  rare.none_of = compile_peers(rule.peer.none_of, egress, true, rare);
  if (rule.family) {
    const auto& lists = rule.peer.all_of;
    const bool told = std::any_of(lists.begin(), lists.end(),
                                  [&](const auto& list) { return implies(list, *rule.family); });
    if (!told) {
      const net::Cidr all(net::IpAddr::first(*rule.family), 0);
      out.all_of.push_back({{term_of_cidr(cidrs_.acquire({all, {}}))}, {}});
      out.last_is_family = true;
    }
  }
  for (const auto& peers : rule.self.all_of) {
    NumberList& list = rare.self_all_of.emplace_back();
    for (const model::Peer& peer : peers) list.push_back(compile_peer(peer, rare));
  }
  for (const model::Peer& peer : rule.self.none_of)
    rare.self_none_of.push_back(compile_peer(peer, rare));
  const auto lead = first_with_endpoints(rule.self.all_of);
  if (!rare.own_names.empty() && lead != rule.self.all_of.end())
    rare.own_lead = static_cast<size_t>(lead - rule.self.all_of.begin());
  if (!rare.empty()) out.rare = std::make_unique<RareConditions>(std::move(rare));
  return out;
}

// The names as the endpoints of an end resolve them.
EndNames PolicyCompiler::compile_names(const model::EndMatch& end,
                                       const std::vector<PortName>& names,
                                       const std::vector<PortName>& not_names, bool service_ports,
                                       RareConditions& rare) {
  EndNames out;
  const auto& lists = end.all_of;
  if (!names.empty()) {
    const auto lead = first_with_endpoints(lists);
    if (lead != lists.end()) out.lead = static_cast<size_t>(lead - lists.begin());
    bool any = lead == lists.end();
    if (lead != lists.end()) {
      for (const model::Peer& peer : *lead) {
        const auto* endpoints = std::get_if<model::EndpointPeer>(&peer);
        if (endpoints == nullptr) {
          any = true;
          continue;
        }
        for (const PortName& name : names)
          out.families.push_back(predicates_.acquire_family(*endpoints, name));
      }
      out.rest = compile_peers(*lead, service_ports, false, rare);
    }
    for (const PortName& name : names) {
      if (any) out.any_families.push_back(predicates_.acquire_family(any_endpoint(), name));
    }
  }
  for (const PortName& name : not_names) {
    out.not_families.push_back(predicates_.acquire_family(any_endpoint(), name));
  }
  return out;
}

void PolicyCompiler::release(Term term) {
  if (is_cidr(term)) {
    cidrs_.release(number_of(term));
  } else {
    predicates_.release(number_of(term));
  }
}

void PolicyCompiler::release(const PeerList& list) {
  for (const Term term : list.terms) release(term);
  for (const PredicateId id : list.service_families) predicates_.release(id);
}

void PolicyCompiler::release(const EndNames& names) {
  release(names.rest);
  for (const auto* list : {&names.families, &names.any_families, &names.not_families}) {
    for (const PredicateId id : *list) predicates_.release(id);
  }
}

void PolicyCompiler::release(const CompiledRule& rule) {
  for (const PeerList& list : rule.all_of) release(list);
  if (!rule.rare) return;
  const RareConditions& rare = *rule.rare;
  release(rare.none_of);
  release(rare.own);
  release(rare.far);
  for (const NumberList& list : rare.self_all_of) {
    for (const Term term : list) release(term);
  }
  for (const Term term : rare.self_none_of) release(term);
  for (const PortName& name : rare.held_names) strings_.release(name.name);
  for (const model::ObjectName& service : rare.services) services_.drop(service);
}

}  // namespace caracal::policy
