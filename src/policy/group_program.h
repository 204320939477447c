// GroupProgram: all rules of a group in the order of evaluation, arranged so that the verdict for
// an identity costs what the identity's predicates lead to, not the number of rules.
//
// One is made per group by the group table, and again when one of its policies changes.
#pragma once

#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "policy/identity_table.h"
#include "policy/policy_table.h"
#include "policy/row_table.h"

namespace caracal::policy {

// What becomes of a packet that no rule and no tier decided.
enum class Undecided : uint8_t {
  kAllowed,  // the endpoint's profile allows
  kDenied,
  kGoesOn,  // no tier denies at its end; what rules deny is told apart (desired: `refused`)
};

// What a group is: endpoints with equal forms share one.
struct GroupForm {
  model::Direction direction = model::Direction::kIngress;
  Undecided undecided = Undecided::kAllowed;
  // Its endpoints' other addresses lead to other groups; their packets from here are of the first.
  bool splits = false;
  std::vector<PolicyIndex> policies;  // in the order of evaluation
  std::vector<ClassPort> own_ports;   // what the local end's port names mean; sorted
  // Rules, counted over all policies, that do not hold for the own address; sorted.
  std::vector<uint32_t> excluded;
};

// The source ports that a part of a group is for: one point of an interval that no rule tells
// apart.
struct SourcePort {
  desired::PortSpace space = desired::PortSpace::kTcp;
  uint16_t port = 0;
};

class GroupProgram {
 public:
  // What decides the ports: for each tier the (action, port set) pairs that match, then the tier's
  // end; last what becomes of the undecided. Equal specs allow the same; `ports` numbers are those
  // of the program's port set table.
  using Spec = std::vector<uint32_t>;

  GroupProgram() = default;
  // The policies are compiled. `source`: unset for packets without source ports, or when no rule
  // asks for them. `port_sets` outlives this.
  GroupProgram(const PolicyTable& policies, const GroupForm& form, std::optional<SourcePort> source,
               ListTable& port_sets);
  // Gives away the port sets held, for the caller to release when no spec names them any more.
  std::vector<ListId> take_held() { return std::exchange(held_, {}); }

  // True when no identity may do less than one without predicates, and nothing is logged or told
  // apart as refused.
  bool monotone() const { return monotone_; }
  // The predicates that can make a difference.
  const std::vector<Term>& terms() const { return terms_; }

  // Does a rule ask for source ports?
  bool has_sources() const { return has_sources_; }
  // The families that rules resolve source ports by.
  const std::vector<PredicateId>& source_families() const { return source_families_; }
  // The source ports cut where rules tell them apart: for each space the first port of each
  // interval, with a signature: equal ones are treated alike.
  struct SourceInterval {
    SourcePort first;
    std::vector<uint32_t> signature;
  };
  static std::vector<SourceInterval> cut_sources(const PolicyTable& policies, const GroupForm& form,
                                                 const PredicateRegistry& registry);

  // What matches an identity. Port sets made on the way go to `temporary` and are held there.
  Spec match(std::span<const PredicateId> predicates, std::span<const CidrId> cidrs,
             const PredicateRegistry& registry, ListTable& port_sets,
             std::vector<ListId>& temporary) const;
  // What a spec says of ports.
  static RowContent content(const Spec& spec, const ListTable& port_sets);

 private:
  struct Step {
    uint32_t tier = 0;
    model::Action action = model::Action::kAllow;
    bool plain = true;            // matches on `ports` wherever it is led to; else see matched()
    bool source_by_name = false;  // its source ports match by name only
    ListId ports = 0;
    const CompiledRule* rule = nullptr;
  };
  // A step, and the ports it matches on.
  struct Match {
    uint32_t step = 0;
    ListId ports = 0;
    auto operator<=>(const Match&) const = default;
  };
  struct Facts;  // of an identity

  void add_rule(const CompiledRule& rule, uint32_t tier, const GroupForm& form,
                ListTable& port_sets);
  bool lead_to(uint32_t step, const CompiledRule& rule);
  PortSet matched(const Step& step, const Facts& facts, const ListTable& port_sets) const;
  bool source_matches(const Step& step, const Facts& facts) const;

  model::Direction direction_ = model::Direction::kIngress;
  Undecided undecided_ = Undecided::kAllowed;
  std::optional<SourcePort> source_;
  std::vector<Step> steps_;
  std::vector<model::Action> tier_defaults_;
  std::vector<uint32_t> always_;                             // steps that any identity may match
  std::unordered_map<Term, std::vector<uint32_t>> by_term_;  // families by theirs
  std::vector<Term> terms_;
  std::vector<PredicateId> source_families_;
  std::vector<ListId> held_;  // port sets
  bool monotone_ = true;
  bool has_sources_ = false;
};

}  // namespace caracal::policy
