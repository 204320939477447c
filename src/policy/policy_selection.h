// PolicySelector: which policies apply to an endpoint of this node, kept up as it, its namespace or
// the policies change.
//
// Shared by LocalEndpoints and HostEndpoints; counts the users of policies.
#pragma once

#include <array>
#include <vector>

#include "policy/policy_table.h"

namespace caracal::policy {

inline constexpr std::array kDirections = {model::Direction::kIngress, model::Direction::kEgress};
constexpr size_t place_of(model::Direction direction) { return static_cast<size_t>(direction); }

// The policies of one endpoint, staged ones among them.
struct Selection {
  ClassId cls = 0;                     // 0: no policy selects it
  bool dirty = true;                   // nothing is known yet
  bool host = false;                   // of a host endpoint
  std::array<NumberList, 2> policies;  // by direction, in the order of evaluation

  const NumberList& of(model::Direction direction) const { return policies[place_of(direction)]; }
};

class PolicySelector {
 public:
  // All outlive this.
  PolicySelector(const EndpointIndex& endpoints, const NamespaceTable& namespaces,
                 const PredicateRegistry& predicates, PolicyTable& policies)
      : endpoints_(endpoints),
        namespaces_(namespaces),
        predicates_(predicates),
        policies_(policies) {}

  // Brings the selection up to date; `cls` is the endpoint's class now. True when other policies
  // apply than before, or one that does has changed.
  bool refresh(Selection& selection, ClassId cls);
  // The endpoint is gone.
  void drop(Selection& selection);
  // The policies that got their first user, or their first host endpoint, or lost their last since
  // the last call. May repeat.
  std::vector<PolicyIndex> take_touched() { return std::exchange(touched_, {}); }

 private:
  bool selects(PolicyIndex index, const EndpointClass& c) const;
  void select_all(Selection& selection);
  void select_changed(Selection& selection);
  void take(PolicyIndex index, bool host);
  void give(PolicyIndex index, bool host);

  const EndpointIndex& endpoints_;
  const NamespaceTable& namespaces_;
  const PredicateRegistry& predicates_;
  PolicyTable& policies_;
  std::vector<PolicyIndex> touched_;
};

}  // namespace caracal::policy
