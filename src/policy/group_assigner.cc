#include "policy/group_assigner.h"

#include <algorithm>

namespace caracal::policy {
namespace {

template <typename Number>
void sort_unique(std::vector<Number>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

// Do the rule's conditions on the own end hold for an address with these predicates?
bool self_holds(const CompiledRule& rule, const OwnFacts& own) {
  const RareConditions& rare = rule.more();
  return std::all_of(rare.self_all_of.begin(), rare.self_all_of.end(),
                     [&](const auto& list) { return own.has_any(list); }) &&
         !own.has_any(rare.self_none_of);
}

}  // namespace

bool GroupAssigner::asks_self(const NumberList& policies, model::Direction direction) const {
  return std::any_of(policies.begin(), policies.end(), [&](PolicyIndex p) {
    const auto& compiled = policies_.at(p).compiled;
    return compiled && compiled->asks_self(direction);
  });
}

std::vector<ClassPort> GroupAssigner::own_ports(const GroupForm& form, ClassId cls) const {
  std::vector<ClassPort> out;
  if (cls == 0 || endpoints_.at(cls).ports == 0) return out;
  const std::vector<ClassPort> ports = endpoints_.ports(endpoints_.at(cls));
  for (const PolicyIndex index : form.policies) {
    const CompiledPolicy& policy = *policies_.at(index).compiled;
    if (!policy.has_names) continue;
    for (const CompiledRule& rule : policy.rules(form.direction)) {
      for (const auto* names : {&rule.more().own_names, &rule.more().own_not_names}) {
        for (const PortName& name : *names) {
          for (const ClassPort& port : ports) {
            if (port.name == name.name && port.protocol == name.protocol) out.push_back(port);
          }
        }
      }
    }
  }
  sort_unique(out);
  return out;
}

// Calls `visit(rule, its number over all policies)`.
template <typename Visit>
void GroupAssigner::for_each_rule(const GroupForm& form, const Visit& visit) const {
  uint32_t number = 0;
  for (const PolicyIndex index : form.policies) {
    for (const CompiledRule& rule : policies_.at(index).compiled->rules(form.direction))
      visit(rule, number++);
  }
}

std::vector<OwnPort> GroupAssigner::named_ports(const GroupForm& form, const OwnFacts& own) const {
  std::vector<OwnPort> out;
  const PredicateRegistry& registry = facts_.predicates();
  const auto add = [&](const std::vector<PredicateId>& families, OwnPort port) {
    for (const PredicateId id : own.resolved) {
      if (std::find(families.begin(), families.end(), registry.family_of(id)) == families.end())
        continue;
      port.protocol = registry.protocol_of(id);
      port.port = registry.ports_of(id).first;
      out.push_back(port);
    }
  };
  for_each_rule(form, [&](const CompiledRule& rule, uint32_t number) {
    const EndNames& names = rule.more().own;
    if (names.empty() || std::binary_search(form.excluded.begin(), form.excluded.end(), number))
      return;
    add(names.families, {.rule = number, .negative = false});
    if (!names.lead || own.has_any(names.rest.terms))
      add(names.any_families, {.rule = number, .negative = false});
    add(names.not_families, {.rule = number, .negative = true});
  });
  sort_unique(out);
  return out;
}

// Does the list that names endpoints hold for this one alone, whatever else has its address?
bool GroupAssigner::names_endpoint(const RareConditions& rare, const OwnFacts& own,
                                   ClassId cls) const {
  const std::span<const PredicateId> held = predicates_of(cls);
  const NumberList& list = rare.self_all_of[*rare.own_lead];
  return std::any_of(list.begin(), list.end(), [&](Term term) {
    return is_cidr(term) ? own.has(term)
                         : std::binary_search(held.begin(), held.end(), number_of(term));
  });
}

void GroupAssigner::set_own(GroupForm& form, const OwnFacts& own, ClassId cls) const {
  form.excluded.clear();
  form.unnamed.clear();
  for_each_rule(form, [&](const CompiledRule& rule, uint32_t number) {
    if (!rule.has_self()) return;
    if (!self_holds(rule, own)) {
      form.excluded.push_back(number);
    } else if (!form.by_address && rule.more().own_lead && !names_endpoint(rule.more(), own, cls)) {
      form.unnamed.push_back(number);
    }
  });
  if (form.by_address) form.named_ports = named_ports(form, own);
}

void GroupAssigner::assign(Assignment& assignment, GroupForm form, ClassId cls,
                           const std::vector<net::IpAddr>& own_addresses) {
  form.own_ports = own_ports(form, cls);
  Assignment now;
  if (!asks_self(form.policies, form.direction)) {
    now.group = groups_.acquire(form);
  } else {
    // The group itself is for the first address; numbers of identities depend on history.
    std::vector<net::IpAddr> addresses = own_addresses;
    sort_unique(addresses);
    set_own(form,
            addresses.empty() ? OwnFacts() : facts_.facts_of(facts_.identity_of(addresses[0])),
            cls);
    for (const net::IpAddr& address : addresses) {
      const IdentityId identity = facts_.identity_of(address);
      if (now.splits && now.splits->contains(identity)) continue;
      GroupForm other = form;
      set_own(other, facts_.facts_of(identity), cls);
      if (!(other.excluded == form.excluded && other.unnamed == form.unnamed))
        now.split(identity, groups_.acquire(other));
    }
    form.splits = now.splits != nullptr;
    now.group = groups_.acquire(form);
  }
  // What both have stays untouched: take first, give back then.
  if (now.splits) {
    for (const auto& [identity, target] : *now.splits) take(now.group, identity, target);
  }
  release(assignment);
  assignment = std::move(now);
}

void GroupAssigner::release(Assignment& assignment) {
  if (assignment.splits) {
    for (const auto& [identity, target] : *assignment.splits)
      give(assignment.group, identity, target);
  }
  if (assignment.group != 0) groups_.release(assignment.group);
  assignment = {};
}

// Notes what the form's rules ask of the own address.
void GroupAssigner::ask(HostAssignment& host) const {
  const auto append = [](const auto& list, auto& to) {
    to.insert(to.end(), list.begin(), list.end());
  };
  for_each_rule(host.form, [&](const CompiledRule& rule, uint32_t) {
    const RareConditions& rare = rule.more();
    for (const auto& list : rare.self_all_of) append(list, host.terms);
    append(rare.self_none_of, host.terms);
    append(rare.own.families, host.families);
    append(rare.own.any_families, host.families);
    append(rare.own.not_families, host.families);
  });
  sort_unique(host.terms);
  sort_unique(host.families);
}

HostAssignment GroupAssigner::assign_host(GroupForm form) {
  HostAssignment out;
  form.by_address = true;
  out.form = std::move(form);
  ask(out);
  set_own(out.form, {}, 0);
  out.form.splits = !out.terms.empty() || !out.families.empty();
  out.assignment.group = groups_.acquire(out.form);
  for (const IdentityId identity : facts_.identities_with(out.terms, out.families))
    add_split(out, identity);
  return out;
}

void GroupAssigner::add_split(HostAssignment& host, IdentityId identity) {
  GroupForm form = host.form;
  set_own(form, facts_.facts_of(identity), 0);
  if (form.excluded == host.form.excluded && form.named_ports == host.form.named_ports) return;
  form.splits = false;
  const GroupId target = groups_.acquire(form);
  host.assignment.split(identity, target);
  take(host.assignment.group, identity, target);
}

void GroupAssigner::follow(HostAssignment& host, const std::vector<IdentityId>& born,
                           const std::vector<IdentityId>& gone) {
  if (!host.form.splits) return;
  auto& splits = host.assignment.splits;
  for (const IdentityId identity : gone) {
    if (!splits) break;
    const auto it = splits->find(identity);
    if (it == splits->end()) continue;
    give(host.assignment.group, identity, it->second);
    splits->erase(it);
  }
  for (const IdentityId identity : born) add_split(host, identity);
}

void GroupAssigner::take(GroupId group, IdentityId identity, GroupId target) {
  const desired::OwnSplitKey key{group, identity};
  ++split_users_[key];
  own_splits_.set(key, target);
}

void GroupAssigner::give(GroupId group, IdentityId identity, GroupId target) {
  const desired::OwnSplitKey key{group, identity};
  if (--split_users_[key] == 0) {
    split_users_.erase(key);
    own_splits_.erase(key);
  }
  groups_.release(target);
}

}  // namespace caracal::policy
