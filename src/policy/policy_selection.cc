#include "policy/policy_selection.h"

#include <algorithm>

namespace caracal::policy {

bool PolicySelector::selects(PolicyIndex index, const EndpointClass& c) const {
  const PolicyRecord& policy = policies_.at(index);
  if (!policy.exists) return false;
  if (policy.in_namespace != 0 && policy.in_namespace != c.ns) return false;
  const PolicyTarget& target = policies_.target(index);
  if (c.kind == HolderKind::kPod) {
    const bool for_pods =
        policy.hook == model::Hook::kNormal || policy.hook == model::Hook::kForward;
    if (!for_pods) return false;
  } else if (!target.inherited) {
    return false;
  }
  if (!target.pods.matches_everything()) {
    const bool match = target.inherited ? target.pods.matches(predicates_.seen(c))
                                        : target.pods.matches(endpoints_.labels(c));
    if (!match) return false;
  }
  return namespaces_.matches(target.namespaces, c.ns);
}

void PolicySelector::select_all(Selection& selection) {
  for (auto& list : selection.policies) list.clear();
  if (selection.cls == 0) return;
  const EndpointClass& c = endpoints_.at(selection.cls);
  policies_.for_each_candidate(c.ns, [&](PolicyIndex index) {
    if (!selects(index, c)) return;
    for (const model::Direction direction : kDirections) {
      if (PolicyTable::names(policies_.at(index), direction))
        selection.policies[place_of(direction)].push_back(index);
    }
  });
}

void PolicySelector::select_changed(Selection& selection) {
  for (auto& list : selection.policies) {
    list.erase_if([&](PolicyIndex p) { return policies_.at(p).changed; });
  }
  if (selection.cls == 0) return;
  const EndpointClass& c = endpoints_.at(selection.cls);
  for (const PolicyIndex index : policies_.changed()) {
    if (!selects(index, c)) continue;
    for (const model::Direction direction : kDirections) {
      if (!PolicyTable::names(policies_.at(index), direction)) continue;
      auto& list = selection.policies[place_of(direction)];
      const auto place =
          std::lower_bound(list.begin(), list.end(), index,
                           [&](PolicyIndex a, PolicyIndex b) { return policies_.before(a, b); });
      list.insert(place, index);
    }
  }
}

bool PolicySelector::refresh(Selection& selection, ClassId cls) {
  if (!selection.dirty && policies_.changed().empty()) return false;
  const auto before = selection.policies;
  selection.cls = cls;
  if (std::exchange(selection.dirty, false)) {
    select_all(selection);
  } else {
    select_changed(selection);
  }
  if (selection.policies == before) {
    const auto changed = [&](PolicyIndex p) { return policies_.at(p).changed; };
    return std::any_of(selection.policies.begin(), selection.policies.end(), [&](const auto& list) {
      return std::any_of(list.begin(), list.end(), changed);
    });
  }
  for (const auto& list : selection.policies) {
    for (const PolicyIndex index : list) take(index, selection.host);
  }
  for (const auto& list : before) {
    for (const PolicyIndex index : list) give(index, selection.host);
  }
  return true;
}

void PolicySelector::take(PolicyIndex index, bool host) {
  PolicyRecord& policy = policies_.at(index);
  const bool first_host = host && policy.host_users++ == 0;
  if (policy.users++ == 0 || first_host) touched_.push_back(index);
}

void PolicySelector::give(PolicyIndex index, bool host) {
  PolicyRecord& policy = policies_.at(index);
  const bool last_host = host && --policy.host_users == 0;
  if (--policy.users == 0 || last_host) touched_.push_back(index);
}

void PolicySelector::drop(Selection& selection) {
  for (auto& list : selection.policies) {
    for (const PolicyIndex index : std::exchange(list, {})) give(index, selection.host);
  }
}

}  // namespace caracal::policy
