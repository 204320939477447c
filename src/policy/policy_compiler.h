// PolicyCompiler: a policy's rules with peers as predicates and ports as port sets.
//
// A compiled policy holds its predicates in the registries until release(). Only policies that
// apply to a local endpoint are compiled.
#pragma once

#include <vector>

#include "model/policy.h"
#include "policy/cidr_registry.h"
#include "policy/port_set.h"
#include "policy/predicate_registry.h"

namespace caracal::policy {

// A rule matches an identity on `ports` when any_peer, or one of `peers` or `cidrs` is among the
// identity's predicates. Beyond that:
//  * ingress: on the ports that `names` stand for on the local endpoint, for the same peers;
//  * egress: on port N where a predicate "family resolved to N" of one of `families` holds; of one
//  of
//    `cidr_families` only when one of `cidrs` holds too.
struct CompiledRule {
  model::Action action = model::Action::kAllow;
  bool any_peer = false;
  std::vector<PredicateId> peers;
  std::vector<CidrId> cidrs;
  PortSet ports;
  std::vector<PortName> names;
  std::vector<PredicateId> families;
  std::vector<PredicateId> cidr_families;
};

struct CompiledPolicy {
  std::vector<CompiledRule> ingress;
  std::vector<CompiledRule> egress;
  std::vector<PortName> ingress_names;  // of all ingress rules
};

class PolicyCompiler {
 public:
  PolicyCompiler(StringTable& strings, PredicateRegistry& predicates, CidrRegistry& cidrs)
      : strings_(strings), predicates_(predicates), cidrs_(cidrs) {}

  CompiledPolicy compile(const model::Policy& policy);
  void release(const CompiledPolicy& policy);

 private:
  CompiledRule compile(const model::Rule& rule, model::Direction direction);
  void release(const CompiledRule& rule);

  StringTable& strings_;
  PredicateRegistry& predicates_;
  CidrRegistry& cidrs_;
};

}  // namespace caracal::policy
