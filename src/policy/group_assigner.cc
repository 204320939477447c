#include "policy/group_assigner.h"

#include <algorithm>

namespace caracal::policy {

bool GroupAssigner::asks_self(const std::vector<PolicyIndex>& policies,
                              model::Direction direction) const {
  return std::any_of(policies.begin(), policies.end(), [&](PolicyIndex p) {
    const auto& compiled = policies_.at(p).compiled;
    return compiled && compiled->asks_self(direction);
  });
}

std::vector<net::IpAddr> GroupAssigner::asked_addresses(const std::vector<PolicyIndex>& policies,
                                                        model::Direction direction) const {
  std::vector<net::IpAddr> out;
  for (const PolicyIndex p : policies) {
    const auto& compiled = policies_.at(p).compiled;
    if (!compiled || !compiled->asks_self(direction)) continue;
    for (const CompiledRule& rule : compiled->rules(direction)) {
      out.insert(out.end(), rule.self_addresses.begin(), rule.self_addresses.end());
    }
  }
  return out;
}

std::vector<ClassPort> GroupAssigner::own_ports(const GroupForm& form, ClassId cls) const {
  std::vector<ClassPort> out;
  if (cls == 0 || endpoints_.at(cls).ports == 0) return out;
  const std::vector<ClassPort> ports = endpoints_.ports(endpoints_.at(cls));
  for (const PolicyIndex index : form.policies) {
    for (const PortName& name : policies_.at(index).compiled->names(form.direction)) {
      for (const ClassPort& port : ports) {
        if (port.name == name.name && port.protocol == name.protocol) out.push_back(port);
      }
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// The rules that do not hold for an own address with these predicates; null: not known which.
std::vector<uint32_t> GroupAssigner::excluded(const GroupForm& form,
                                              const std::vector<Term>* terms) const {
  std::vector<uint32_t> out;
  const auto has = [&](Term term) {
    return std::binary_search(terms->begin(), terms->end(), term);
  };
  const auto holds = [&](const CompiledRule& rule) {
    if (terms == nullptr) {
      const bool never = std::any_of(rule.self_all_of.begin(), rule.self_all_of.end(),
                                     [](const auto& list) { return list.empty(); });
      return rule.action == model::Action::kDeny && !never;
    }
    return std::all_of(
               rule.self_all_of.begin(), rule.self_all_of.end(),
               [&](const auto& list) { return std::any_of(list.begin(), list.end(), has); }) &&
           std::none_of(rule.self_none_of.begin(), rule.self_none_of.end(), has);
  };
  uint32_t first = 0;
  for (const PolicyIndex index : form.policies) {
    const CompiledPolicy& policy = *policies_.at(index).compiled;
    const auto& rules = policy.rules(form.direction);
    if (policy.asks_self(form.direction)) {
      for (uint32_t i = 0; i < rules.size(); ++i) {
        if (rules[i].has_self() && !holds(rules[i])) out.push_back(first + i);
      }
    }
    first += static_cast<uint32_t>(rules.size());
  }
  return out;
}

void GroupAssigner::assign(Assignment& assignment, GroupForm form, const OwnEnd& own) {
  form.own_ports = own_ports(form, own.cls);
  Assignment now;
  if (!asks_self(form.policies, form.direction)) {
    now.group = groups_.acquire(form);
  } else {
    std::vector<std::pair<net::IpAddr, std::vector<uint32_t>>> by_address;
    for (const net::IpAddr& address : own.addresses) {
      const std::vector<Term> terms = facts_.terms_of(facts_.identity_of(address));
      by_address.emplace_back(address, excluded(form, &terms));
    }
    std::sort(by_address.begin(), by_address.end());
    by_address.erase(std::unique(by_address.begin(), by_address.end()), by_address.end());
    const bool from_first = !own.others && !by_address.empty();
    const std::vector<uint32_t> base =
        from_first ? by_address.front().second : excluded(form, nullptr);
    std::erase_if(by_address, [&](const auto& entry) { return entry.second == base; });
    for (const auto& [address, list] : by_address) {
      form.excluded = list;
      now.splits.emplace_back(address, groups_.acquire(form));
    }
    form.excluded = base;
    form.splits = !now.splits.empty();
    now.group = groups_.acquire(form);
  }
  // What both have stays untouched: take first, give back then.
  for (const auto& [address, group] : now.splits) {
    const desired::OwnSplitKey key{now.group, address};
    ++split_users_[key];
    own_splits_.set(key, group);
  }
  release(assignment);
  assignment = std::move(now);
}

void GroupAssigner::release(Assignment& assignment) {
  for (const auto& [address, group] : assignment.splits) {
    const desired::OwnSplitKey key{assignment.group, address};
    if (--split_users_[key] == 0) {
      split_users_.erase(key);
      own_splits_.erase(key);
    }
    groups_.release(group);
  }
  if (assignment.group != 0) groups_.release(assignment.group);
  assignment = {};
}

}  // namespace caracal::policy
