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

}  // namespace

CompiledPolicy PolicyCompiler::compile(const PolicyBlob::Rules& rules, bool ingress, bool egress) {
  CompiledPolicy out;
  const auto add = [&](const model::Rule& rule, model::Direction direction,
                       std::vector<CompiledRule>& to, std::vector<PortName>& names, bool& self) {
    to.push_back(compile(rule, direction));
    const CompiledRule& one = to.back();
    names.insert(names.end(), one.own_names.begin(), one.own_names.end());
    names.insert(names.end(), one.own_not_names.begin(), one.own_not_names.end());
    self |= one.has_self();
  };
  if (ingress) {
    for (const model::Rule& rule : rules.ingress) {
      add(rule, model::Direction::kIngress, out.ingress, out.ingress_names, out.ingress_self);
    }
  }
  if (egress) {
    for (const model::Rule& rule : rules.egress) {
      add(rule, model::Direction::kEgress, out.egress, out.egress_names, out.egress_self);
    }
  }
  return out;
}

void PolicyCompiler::release(const CompiledPolicy& policy) {
  for (const CompiledRule& rule : policy.ingress) release(rule);
  for (const CompiledRule& rule : policy.egress) release(rule);
}

Term PolicyCompiler::compile_peer(const model::Peer& peer, CompiledRule& rule) {
  if (const auto* endpoints = std::get_if<model::EndpointPeer>(&peer))
    return term_of(predicates_.acquire_peer(*endpoints));
  if (const auto* block = std::get_if<model::CidrPeer>(&peer))
    return term_of_cidr(cidrs_.acquire(*block));
  const auto& service = std::get<model::ServicePeer>(peer);
  services_.take(service.service);
  rule.services.push_back(service.service);
  return term_of(predicates_.acquire_service(service));
}

// `service_ports`: a service's endpoints with their ports, else their addresses alone. `endpoints`:
// whether peers that are endpoints are wanted.
PeerList PolicyCompiler::compile_peers(const std::vector<model::Peer>& peers, bool service_ports,
                                       bool endpoints, CompiledRule& rule) {
  PeerList out;
  for (const model::Peer& peer : peers) {
    if (!endpoints && std::holds_alternative<model::EndpointPeer>(peer)) continue;
    const auto* service = std::get_if<model::ServicePeer>(&peer);
    if (service == nullptr || !service_ports) {
      out.terms.push_back(compile_peer(peer, rule));
      continue;
    }
    services_.take(service->service);
    rule.services.push_back(service->service);
    out.service_families.push_back(predicates_.acquire_service_family(*service));
  }
  return out;
}

// The names go back, everything else into `numbers`.
std::vector<PortName> PolicyCompiler::split_names(const std::vector<model::PortMatch>& ports,
                                                  PortSet& numbers, CompiledRule& rule) {
  std::vector<PortName> names;
  for (const model::PortMatch& port : ports) {
    if (const auto* name = std::get_if<std::string>(&port.port)) {
      names.push_back({strings_.acquire(*name), port.protocol});
      rule.held_names.push_back(names.back());
    } else {
      numbers.add(port);
    }
  }
  return names;
}

CompiledRule PolicyCompiler::compile(const model::Rule& rule, model::Direction direction) {
  const bool egress = direction == model::Direction::kEgress;
  CompiledRule out;
  out.action = rule.action;

  std::vector<PortName> names, source_names;
  if (rule.ports) {
    names = split_names(*rule.ports, out.ports, out);
  } else {
    out.ports = PortSet::everything();
  }
  const std::vector<PortName> not_names = split_names(rule.not_ports, out.not_ports, out);
  out.has_source = rule.source_ports || !rule.not_source_ports.empty();
  if (rule.source_ports) {
    source_names = split_names(*rule.source_ports, out.source_ports, out);
  } else {
    out.source_ports = PortSet::everything();
  }
  const std::vector<PortName> not_source_names =
      split_names(rule.not_source_ports, out.not_source_ports, out);
  out.own_names = egress ? source_names : names;
  out.own_not_names = egress ? not_source_names : not_names;
  compile_far(rule, egress ? names : source_names, egress ? not_names : not_source_names, egress,
              out);

  out.none_of = compile_peers(rule.peer.none_of, egress, true, out);
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
  const auto compile_self = [&](const model::Peer& peer, std::vector<Term>& list) {
    list.push_back(compile_peer(peer, out));
    const auto* block = std::get_if<model::CidrPeer>(&peer);
    if (block != nullptr && block->net.is_host())
      out.self_addresses.push_back(block->net.address());
  };
  for (const auto& peers : rule.self.all_of) {
    std::vector<Term>& list = out.self_all_of.emplace_back();
    for (const model::Peer& peer : peers) compile_self(peer, list);
  }
  for (const model::Peer& peer : rule.self.none_of) compile_self(peer, out.self_none_of);
  return out;
}

// The lists of peers, and the names that the far end's endpoints resolve.
void PolicyCompiler::compile_far(const model::Rule& rule, const std::vector<PortName>& names,
                                 const std::vector<PortName>& not_names, bool service_ports,
                                 CompiledRule& out) {
  const auto& lists = rule.peer.all_of;
  if (!names.empty()) {
    const auto has_endpoints = [](const std::vector<model::Peer>& list) {
      return std::any_of(list.begin(), list.end(), [](const model::Peer& peer) {
        return std::holds_alternative<model::EndpointPeer>(peer);
      });
    };
    const auto lead = std::find_if(lists.begin(), lists.end(), has_endpoints);
    if (lead != lists.end()) out.far.lead = static_cast<size_t>(lead - lists.begin());
    bool any = lead == lists.end();
    if (lead != lists.end()) {
      for (const model::Peer& peer : *lead) {
        const auto* endpoints = std::get_if<model::EndpointPeer>(&peer);
        if (endpoints == nullptr) {
          any = true;
          continue;
        }
        for (const PortName& name : names)
          out.far.families.push_back(predicates_.acquire_family(*endpoints, name));
      }
      out.far.rest = compile_peers(*lead, service_ports, false, out);
    }
    for (const PortName& name : names) {
      if (any) out.far.any_families.push_back(predicates_.acquire_family(any_endpoint(), name));
    }
  }
  for (const PortName& name : not_names) {
    out.far.not_families.push_back(predicates_.acquire_family(any_endpoint(), name));
  }
  for (size_t i = 0; i < lists.size(); ++i) {
    // A rule of named ports alone reaches endpoints through its families only.
    const bool by_name_only = service_ports && out.far.lead == i && out.ports.empty();
    out.all_of.push_back(compile_peers(lists[i], service_ports, !by_name_only, out));
  }
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

void PolicyCompiler::release(const CompiledRule& rule) {
  for (const PeerList& list : rule.all_of) release(list);
  release(rule.none_of);
  release(rule.far.rest);
  for (const auto& list : rule.self_all_of) {
    for (const Term term : list) release(term);
  }
  for (const Term term : rule.self_none_of) release(term);
  for (const auto* list : {&rule.far.families, &rule.far.any_families, &rule.far.not_families}) {
    for (const PredicateId id : *list) predicates_.release(id);
  }
  for (const PortName& name : rule.held_names) strings_.release(name.name);
  for (const model::ObjectName& service : rule.services) services_.drop(service);
}

}  // namespace caracal::policy
