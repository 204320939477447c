// GroupProgram: all rules of a group in the order of evaluation, arranged so that the verdict for
// an identity costs what the identity's predicates lead to, not the number of rules.
//
// One is made per group by the group table, and again when one of its policies changes.
#pragma once

#include <optional>
#include <span>
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

// A port that a name of a rule means at the local end.
struct OwnPort {
  uint32_t rule = 0;      // counted over all policies of a form
  bool negative = false;  // of a name that must not match
  net::Protocol protocol;
  uint16_t port = 0;
  auto operator<=>(const OwnPort&) const = default;
};

// What a group is: endpoints with equal forms share one.
struct GroupForm {
  model::Direction direction = model::Direction::kIngress;
  Undecided undecided = Undecided::kAllowed;
  // Its endpoints' other addresses lead to other groups; their packets from here are of the first.
  bool splits = false;
  NumberList policies;               // PolicyIndex, in the order of evaluation
  std::vector<ClassPort> own_ports;  // what the local end's port names mean; sorted
  // Of hosts: the local end is whatever has the own address, and `named_ports` (sorted) is what
  // names mean there, rule by rule.
  bool by_address = false;
  std::vector<OwnPort> named_ports;
  // Rules, counted over all policies, that do not hold for the own address; sorted.
  NumberList excluded;
  // Rules that hold for it because of something else than the local end, which they do not name: no
  // name of a port means one there. Sorted.
  NumberList unnamed;
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
  NumberList take_held() { return std::exchange(held_, {}); }

  // True when no identity may do less than one without predicates, and nothing is logged or told
  // apart as refused.
  bool monotone() const { return monotone_; }
  // Calls `visit(term)` for the predicates that can make a difference, in their order.
  template <typename Visit>
  void for_each_term(const Visit& visit) const {
    for (size_t i = 0; i < leads_.size(); ++i) {
      if (i == 0 || leads_[i].term != leads_[i - 1].term) visit(leads_[i].term);
    }
  }

  // Does a rule ask for source ports?
  bool has_sources() const { return has_sources_; }
  // The families that rules resolve source ports by.
  const NumberList& source_families() const { return source_families_; }
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
    const CompiledRule* rule = nullptr;
    ListId ports = 0;
    uint32_t tier : 24 = 0;
    model::Action action : 4 = model::Action::kAllow;
    bool plain : 1 = true;  // matches on `ports` wherever it is led to; else see matched()
    bool source_by_name : 1 = false;  // its source ports match by name only
  };
  // A predicate leads to a step, or (kConcerned) only to those that any identity may match.
  static constexpr uint32_t kConcerned = ~uint32_t{0};
  struct Lead {
    Term term = 0;
    uint32_t step = 0;
    auto operator<=>(const Lead&) const = default;
  };
  // A step, and the ports it matches on.
  struct Match {
    uint32_t step = 0;
    ListId ports = 0;
    auto operator<=>(const Match&) const = default;
  };
  struct Facts;  // of an identity

  void add_rule(const CompiledRule& rule, uint32_t ordinal, uint32_t tier, const GroupForm& form,
                ListTable& port_sets);
  bool lead_to(uint32_t step, const CompiledRule& rule);
  PortSet matched(const Step& step, const Facts& facts, const ListTable& port_sets) const;
  bool source_matches(const Step& step, const Facts& facts) const;

  model::Direction direction_ = model::Direction::kIngress;
  Undecided undecided_ = Undecided::kAllowed;
  std::optional<SourcePort> source_;
  std::vector<Step> steps_;
  NumberList tier_defaults_;    // of model::Action
  NumberList always_;           // steps that any identity may match
  std::vector<Lead> leads_;     // sorted; families by theirs
  NumberList source_families_;  // of PredicateId; sorted
  NumberList held_;             // port sets
  bool monotone_ = true;
  bool has_sources_ = false;
};

}  // namespace caracal::policy
