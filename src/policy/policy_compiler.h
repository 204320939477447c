// PolicyCompiler: a policy's rules with peers as predicates and ports as port sets.
//
// A compiled policy holds its predicates in the registries until release(). Only policies that
// apply to a local endpoint are compiled.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "model/policy.h"
#include "policy/cidr_registry.h"
#include "policy/number_list.h"
#include "policy/policy_blob.h"
#include "policy/port_set.h"
#include "policy/predicate_registry.h"
#include "policy/service_table.h"

namespace caracal::policy {

// A predicate of either kind: of endpoints or of address ranges.
using Term = uint32_t;
constexpr Term term_of(PredicateId id) { return 2 * id; }
constexpr Term term_of_cidr(CidrId id) { return 2 * id + 1; }
constexpr bool is_cidr(Term term) { return term % 2 == 1; }
constexpr uint32_t number_of(Term term) { return term / 2; }

// Some peers: holds for an address that has one of `terms`, and, for an address with a predicate
// resolved from one of `service_families`, on the ports of that.
struct PeerList {
  NumberList terms;             // of Term
  NumberList service_families;  // of PredicateId
  bool empty() const { return terms.empty() && service_families.empty(); }
};

// Names of ports that the endpoints of an end of the connection resolve.
struct EndNames {
  // Resolved from one of these: the port of that name of an endpoint that a peer of `lead` matches.
  std::vector<PredicateId> families;
  // Likewise, of any endpoint: counts where `rest`, the peers of `lead` that are no endpoints,
  // holds, or everywhere when there is no `lead`.
  std::vector<PredicateId> any_families;
  PeerList rest;
  std::optional<size_t> lead;  // of the end's all_of
  // Any endpoint's, for names that must not match.
  std::vector<PredicateId> not_families;
  bool empty() const { return families.empty() && any_families.empty() && not_families.empty(); }
};

// What few rules have.
struct RareConditions {
  PeerList none_of;
  std::vector<NumberList> self_all_of;  // of Term
  NumberList self_none_of;
  PortSet not_ports;
  PortSet source_ports, not_source_ports;
  // Of the destination on ingress, of the source on egress. With `own_lead`, the first list of
  // self_all_of with endpoints in it, the first ones count only for endpoints that it names.
  std::vector<PortName> own_names, own_not_names;
  std::optional<size_t> own_lead;
  // The same names, by whoever has the own address: what they mean on a host, whose own address may
  // be anybody's. Only in the form for hosts.
  EndNames own;
  // Of the destination on egress, of the source on ingress.
  EndNames far;
  std::vector<model::ObjectName> services;  // named, held in the ServiceTable
  std::vector<PortName> held_names;         // texts held

  bool empty() const;
};

// A rule matches a packet when each list of `all_of` holds and `none_of` does not, the same for
// `self` and the own address, and both ports match: the destination's in `ports` (or named), not in
// `not_ports`; the source's likewise when `has_source`. `names` are the local end's.
struct CompiledRule {
  model::Action action = model::Action::kAllow;
  bool last_is_family = false;  // all_of ends with the list that stands for model::Rule::family
  bool has_source = false;
  std::vector<PeerList> all_of;
  PortSet ports;
  std::unique_ptr<RareConditions> rare;  // null: none of them

  const RareConditions& more() const;
  bool has_self() const {
    return rare && !(rare->self_all_of.empty() && rare->self_none_of.empty());
  }
};

struct CompiledPolicy {
  std::vector<CompiledRule> ingress;
  std::vector<CompiledRule> egress;
  bool ingress_self = false, egress_self = false;  // a rule asks for the own address
  bool has_names = false;                          // a rule has names of own ports
  bool for_hosts = false;                          // and RareConditions::own for them

  const std::vector<CompiledRule>& rules(model::Direction direction) const {
    return direction == model::Direction::kIngress ? ingress : egress;
  }
  bool asks_self(model::Direction direction) const {
    return direction == model::Direction::kIngress ? ingress_self : egress_self;
  }
};

class PolicyCompiler {
 public:
  PolicyCompiler(StringTable& strings, PredicateRegistry& predicates, CidrRegistry& cidrs,
                 ServiceTable& services)
      : strings_(strings), predicates_(predicates), cidrs_(cidrs), services_(services) {}

  // `for_hosts`: the policy applies to a host endpoint, too.
  CompiledPolicy compile(const PolicyBlob::Rules& rules, bool ingress, bool egress, bool for_hosts);
  void release(const CompiledPolicy& policy);

 private:
  CompiledRule compile(const model::Rule& rule, model::Direction direction, bool for_hosts);
  PeerList compile_peers(const std::vector<model::Peer>& peers, bool service_ports, bool endpoints,
                         RareConditions& rare);
  Term compile_peer(const model::Peer& peer, RareConditions& rare);
  std::vector<PortName> split_names(const std::vector<model::PortMatch>& ports, PortSet& numbers,
                                    RareConditions& rare);
  EndNames compile_names(const model::EndMatch& end, const std::vector<PortName>& names,
                         const std::vector<PortName>& not_names, bool service_ports,
                         RareConditions& rare);
  void release(const CompiledRule& rule);
  void release(const EndNames& names);
  void release(const PeerList& list);
  void release(Term term);

  StringTable& strings_;
  PredicateRegistry& predicates_;
  CidrRegistry& cidrs_;
  ServiceTable& services_;
};

}  // namespace caracal::policy
