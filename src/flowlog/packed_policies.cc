#include "flowlog/packed_policies.h"

#include <algorithm>

namespace caracal::flowlog {

void PackedPolicies::apply(const model::PolicyUpdate& update) {
  remove(update.key);
  if (model::is_staged(update.key.kind) || (!update.value && !update.invalid)) return;
  const model::Policy policy = update.invalid ? model::enforced_form(update) : *update.value;

  Packed packed;
  Rare rare;
  const auto note_names = [&](const std::vector<model::Rule>& rules) {
    for (const model::Rule& rule : rules) rare.rule_names.push_back(rule.name);
  };
  note_names(policy.ingress);
  note_names(policy.egress);
  if (std::all_of(rare.rule_names.begin(), rare.rule_names.end(),
                  [](const std::string& name) { return name.empty(); }))
    rare.rule_names.clear();
  const model::EndpointPeer& selects = policy.selects;
  if (selects.in_namespace) {
    packed.scope =
        *selects.in_namespace == update.key.name.ns ? Scope::kOwnNamespace : Scope::kOtherNamespace;
    if (packed.scope == Scope::kOtherNamespace) rare.in_namespace = *selects.in_namespace;
  }
  rare.is_invalid = update.invalid.has_value();
  rare.invalid = update.invalid.value_or("");

  packed.rules = policy::PolicyBlob(policy);
  packed.pods = acquire(selects.pods);
  packed.namespaces = acquire(selects.namespaces);
  packed.inherited = selects.inherited;
  packed.tier = texts_.acquire(policy.tier);
  packed.order = policy.order;
  packed.hook = policy.hook;
  packed.applies_ingress = policy.applies_ingress;
  packed.applies_egress = policy.applies_egress;
  packed.closes_tier = policy.closes_tier;
  if (!rare.rule_names.empty() || rare.is_invalid || packed.scope == Scope::kOtherNamespace)
    packed.rare = std::make_unique<Rare>(std::move(rare));
  policies_.emplace(update.key, std::move(packed));
}

void PackedPolicies::remove(const model::PolicyId& id) {
  const auto it = policies_.find(id);
  if (it == policies_.end()) return;
  release(it->second.pods);
  release(it->second.namespaces);
  texts_.release(it->second.tier);
  policies_.erase(it);
}

const selector::Selector* PackedPolicies::acquire(const selector::Selector& selector) {
  // The key is a view of the text that the selector in the value shares.
  const auto it = selectors_.try_emplace(selector.canonical(), SharedSelector{selector, 0}).first;
  ++it->second.uses;
  return &it->second.selector;
}

void PackedPolicies::release(const selector::Selector* selector) {
  const auto it = selectors_.find(selector->canonical());
  if (--it->second.uses != 0) return;
  const selector::Selector last = it->second.selector;  // keeps the key's text until it is gone
  selectors_.erase(it);
}

PackedPolicies::Target PackedPolicies::target_of(const model::PolicyId& id, const Packed& packed) {
  const std::string* in_namespace = nullptr;
  if (packed.scope == Scope::kOwnNamespace) in_namespace = &id.name.ns;
  if (packed.scope == Scope::kOtherNamespace) in_namespace = &packed.rare->in_namespace;
  return {*packed.pods, *packed.namespaces, in_namespace, packed.inherited};
}

void PackedPolicies::unpack(const model::PolicyId& id, const Packed& packed, model::World& out) {
  model::Policy policy;
  policy.id = id;
  policy.tier = *packed.tier;
  policy.order = packed.order;
  const Target target = target_of(id, packed);
  policy.selects.pods = target.pods;
  policy.selects.namespaces = target.namespaces;
  if (target.in_namespace != nullptr) policy.selects.in_namespace = *target.in_namespace;
  policy.selects.inherited = target.inherited;
  policy.applies_ingress = packed.applies_ingress;
  policy.applies_egress = packed.applies_egress;
  policy.closes_tier = packed.closes_tier;
  policy.hook = packed.hook;
  policy::PolicyBlob::Rules rules = packed.rules.rules();
  policy.ingress = std::move(rules.ingress);
  policy.egress = std::move(rules.egress);
  if (packed.rare == nullptr) {
    out.policies.emplace(id, std::move(policy));
    return;
  }
  if (const auto& names = packed.rare->rule_names; !names.empty()) {
    for (size_t i = 0; i < policy.ingress.size(); ++i) policy.ingress[i].name = names[i];
    for (size_t i = 0; i < policy.egress.size(); ++i)
      policy.egress[i].name = names[policy.ingress.size() + i];
  }
  if (packed.rare->is_invalid) {
    out.invalid_policies.emplace(id, model::InvalidPolicy{std::move(policy), packed.rare->invalid});
  } else {
    out.policies.emplace(id, std::move(policy));
  }
}

}  // namespace caracal::flowlog
