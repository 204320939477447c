// GroupProgram: all rules of a group in the order of evaluation, arranged so that the verdict for
// an identity costs what the identity's predicates lead to, not the number of rules.
//
// One is made per group by the group table, and again when one of its policies changes.
#pragma once

#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "policy/identity_table.h"
#include "policy/policy_table.h"

namespace caracal::policy {

class GroupProgram {
 public:
  // What decides the ports: for each tier the (action, port set) pairs that match, then the tier's
  // default. Equal specs allow the same; `ports` numbers are those of the program's port set table.
  using Spec = std::vector<uint32_t>;

  GroupProgram() = default;
  // `policies` in the order of evaluation, all compiled; `own_ports` are what names mean on
  // ingress. `port_sets` outlives this.
  GroupProgram(const PolicyTable& policies, std::span<const PolicyIndex> list,
               model::Direction direction, std::span<const ClassPort> own_ports,
               ListTable& port_sets);
  // Gives away the port sets held, for the caller to release when no spec names them any more.
  std::vector<ListId> take_held() { return std::exchange(held_, {}); }

  // False when some identity may do less than one without predicates: a peer is denied or passed.
  bool monotone() const { return monotone_; }
  // The predicates that can make a difference: peers and families, and CIDRs.
  const std::vector<PredicateId>& predicates() const { return predicate_list_; }
  const std::vector<CidrId>& cidrs() const { return cidr_list_; }

  // What matches an endpoint with these predicates. Port sets made on the way go to `temporary` and
  // are held there.
  Spec match(std::span<const PredicateId> predicates, std::span<const CidrId> cidrs,
             const PredicateRegistry& registry, ListTable& port_sets,
             std::vector<ListId>& temporary) const;
  // The ports that a spec allows.
  static PortSet allowed(const Spec& spec, const ListTable& port_sets);

 private:
  struct Step {
    uint32_t tier = 0;
    model::Action action = model::Action::kAllow;
  };
  // A step, and the ports it matches on.
  struct Match {
    uint32_t step = 0;
    ListId ports = 0;
    auto operator<=>(const Match&) const = default;
  };
  struct CidrFamily {
    uint32_t step = 0;
    std::vector<CidrId> cidrs;
  };
  void add_rule(const CompiledRule& rule, uint32_t tier, std::span<const ClassPort> own_ports,
                ListTable& port_sets);

  std::vector<Step> steps_;
  std::vector<model::Action> tier_defaults_;
  std::vector<Match> any_;
  std::unordered_map<PredicateId, std::vector<Match>> by_peer_;
  std::unordered_map<CidrId, std::vector<Match>> by_cidr_;
  std::unordered_map<PredicateId, std::vector<uint32_t>> by_family_;
  std::unordered_map<PredicateId, std::vector<CidrFamily>> by_cidr_family_;
  std::vector<PredicateId> predicate_list_;
  std::vector<CidrId> cidr_list_;
  std::vector<ListId> held_;  // port sets
  bool monotone_ = true;
};

}  // namespace caracal::policy
