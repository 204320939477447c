#include "policy/policy_compiler.h"

namespace caracal::policy {

CompiledPolicy PolicyCompiler::compile(const model::Policy& policy) {
  CompiledPolicy out;
  if (policy.applies_ingress) {
    for (const model::Rule& rule : policy.ingress) {
      out.ingress.push_back(compile(rule, model::Direction::kIngress));
      const auto& names = out.ingress.back().names;
      out.ingress_names.insert(out.ingress_names.end(), names.begin(), names.end());
    }
  }
  if (policy.applies_egress) {
    for (const model::Rule& rule : policy.egress) {
      out.egress.push_back(compile(rule, model::Direction::kEgress));
    }
  }
  return out;
}

void PolicyCompiler::release(const CompiledPolicy& policy) {
  for (const CompiledRule& rule : policy.ingress) release(rule);
  for (const CompiledRule& rule : policy.egress) release(rule);
}

CompiledRule PolicyCompiler::compile(const model::Rule& rule, model::Direction direction) {
  CompiledRule out;
  out.action = rule.action;
  if (rule.ports) {
    for (const model::PortMatch& port : *rule.ports) {
      if (const auto* range = std::get_if<net::PortRange>(&port.port)) {
        out.ports.add(port.protocol, *range);
      } else {
        out.names.push_back({strings_.acquire(std::get<std::string>(port.port)), port.protocol});
      }
    }
  } else {
    out.ports = PortSet::everything();
  }

  const bool egress = direction == model::Direction::kEgress;
  const auto add_families = [&](const model::EndpointPeer& peer, std::vector<PredicateId>& to) {
    if (!egress) return;
    for (const PortName& name : out.names) to.push_back(predicates_.acquire_family(peer, name));
  };
  if (!rule.peers) {
    out.any_peer = true;
    add_families(model::EndpointPeer{}, out.families);
    return out;
  }
  for (const model::Peer& peer : *rule.peers) {
    if (const auto* endpoints = std::get_if<model::EndpointPeer>(&peer)) {
      // A rule of named ports alone reaches endpoints through its families only.
      if (!egress || !out.ports.empty()) out.peers.push_back(predicates_.acquire_peer(*endpoints));
      add_families(*endpoints, out.families);
    } else {
      out.cidrs.push_back(cidrs_.acquire(std::get<model::CidrPeer>(peer)));
    }
  }
  if (!out.cidrs.empty()) add_families(model::EndpointPeer{}, out.cidr_families);
  return out;
}

void PolicyCompiler::release(const CompiledRule& rule) {
  for (const PortName& name : rule.names) strings_.release(name.name);
  for (const PredicateId id : rule.peers) predicates_.release(id);
  for (const CidrId id : rule.cidrs) cidrs_.release(id);
  for (const PredicateId id : rule.families) predicates_.release(id);
  for (const PredicateId id : rule.cidr_families) predicates_.release(id);
}

}  // namespace caracal::policy
