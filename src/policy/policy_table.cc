#include "policy/policy_table.h"

#include <algorithm>
#include <utility>

#include "model/world.h"

namespace caracal::policy {
namespace {

// More sorted lists than this are not kept from one flush to the next.
constexpr size_t kKeepSorted = 1024;

template <typename List>
uint32_t place_in(List& list, std::vector<uint32_t>& free) {
  if (free.empty()) {
    list.emplace_back();
    return static_cast<uint32_t>(list.size() - 1);
  }
  const uint32_t index = free.back();
  free.pop_back();
  return index;
}

}  // namespace

PolicyTable::PolicyTable(StringTable& strings) : strings_(strings) {
  for (const model::Tier& tier : model::initial_tiers()) set_tier({tier.name, tier});
}

uint32_t PolicyTable::acquire_tier(std::string_view name) {
  const StringId text = strings_.acquire(name);
  const auto [it, added] = tier_of_name_.try_emplace(text);
  if (added) {
    it->second = place_in(tiers_, free_tiers_);
    tiers_[it->second] = {};
    tiers_[it->second].name = text;
  } else {
    strings_.release(text);
  }
  ++tiers_[it->second].users;
  return it->second;
}

void PolicyTable::release_tier(uint32_t tier) {
  TierRecord& record = tiers_[tier];
  if (--record.users > 0) return;
  tier_of_name_.erase(record.name);
  strings_.release(record.name);
  free_tiers_.push_back(tier);
}

bool PolicyTable::set_tier(const model::TierUpdate& update) {
  std::optional<model::Tier> value = update.value;
  for (const model::Tier& tier : model::initial_tiers()) {
    if (!value && tier.name == update.key) value = tier;
  }
  const uint32_t index = acquire_tier(update.key);
  TierRecord& tier = tiers_[index];
  bool changed = tier.exists != value.has_value();
  if (changed && value) ++tier.users;  // existing is a use
  if (value) {
    changed |= tier.order != value->order || tier.default_action != value->default_action;
    tier.order = value->order;
    tier.default_action = value->default_action;
  }
  const bool gone = tier.exists && !value;
  tier.exists = value.has_value();
  release_tier(index);
  if (gone) release_tier(index);
  if (changed) sorted_.clear();
  return changed;
}

model::Action PolicyTable::tier_default(PolicyIndex index) const {
  const TierRecord& tier = tiers_[records_[index].tier];
  return tier.exists ? tier.default_action : model::Action::kDeny;
}

bool PolicyTable::before(PolicyIndex a, PolicyIndex b) const {
  if (a == b) return false;
  const PolicyRecord& p = records_[a];
  const PolicyRecord& q = records_[b];
  if (p.tier != q.tier) {
    const TierRecord& s = tiers_[p.tier];
    const TierRecord& t = tiers_[q.tier];
    if (s.exists != t.exists) return s.exists;
    if (s.exists && s.order != t.order) return s.order < t.order;
    return strings_.text(s.name) < strings_.text(t.name);
  }
  if (p.order != q.order) return p.order < q.order;
  const auto text = [&](StringId id) { return id == 0 ? std::string_view() : strings_.text(id); };
  if (p.name != q.name) return text(p.name) < text(q.name);
  if (p.ns != q.ns) return text(p.ns) < text(q.ns);
  return p.kind < q.kind;
}

const std::vector<PolicyIndex>& PolicyTable::sorted(StringId in_namespace) {
  const auto [it, added] = sorted_.try_emplace(in_namespace);
  if (added && in_namespace < heads_.size()) {
    for (PolicyIndex p = heads_[in_namespace]; p != 0; p = records_[p].next) {
      it->second.push_back(p);
    }
    std::sort(it->second.begin(), it->second.end(),
              [&](PolicyIndex a, PolicyIndex b) { return before(a, b); });
  }
  return it->second;
}

void PolicyTable::put(PolicyIndex index) {
  PolicyRecord& record = records_[index];
  if (heads_.size() <= record.in_namespace) heads_.resize(record.in_namespace + 1);
  PolicyIndex& head = heads_[record.in_namespace];
  record.previous = 0;
  record.next = head;
  if (head != 0) records_[head].previous = index;
  head = index;
  if (const auto it = sorted_.find(record.in_namespace); it != sorted_.end()) {
    const auto place = std::lower_bound(it->second.begin(), it->second.end(), index,
                                        [&](PolicyIndex a, PolicyIndex b) { return before(a, b); });
    it->second.insert(place, index);
  }
}

void PolicyTable::take(PolicyIndex index) {
  PolicyRecord& record = records_[index];
  if (record.next != 0) records_[record.next].previous = record.previous;
  if (record.previous != 0) {
    records_[record.previous].next = record.next;
  } else {
    heads_[record.in_namespace] = record.next;
  }
  if (const auto it = sorted_.find(record.in_namespace); it != sorted_.end()) {
    std::erase(it->second, index);
  }
}

uint32_t PolicyTable::acquire_target(const model::EndpointPeer& peer) {
  std::string key(peer.inherited ? "i" : "");
  key += peer.pods.canonical();
  key += '\n';
  key += peer.namespaces.canonical();
  const auto [it, added] = target_of_key_.try_emplace(key);
  if (added) {
    it->second = place_in(targets_, free_targets_);
    targets_[it->second] = {.key = std::move(key),
                            .pods = CompiledSelector(peer.pods, strings_, peer.inherited),
                            .namespaces = CompiledSelector(peer.namespaces, strings_),
                            .inherited = peer.inherited};
  }
  ++targets_[it->second].users;
  return it->second;
}

void PolicyTable::release_target(uint32_t index) {
  PolicyTarget& target = targets_[index];
  if (--target.users > 0) return;
  target.pods.release(strings_);
  target.namespaces.release(strings_);
  target_of_key_.erase(target.key);
  target = {};
  free_targets_.push_back(index);
}

uint64_t PolicyTable::hash_of(model::PolicyKind kind, StringId ns, StringId name) {
  return (uint64_t{ns} << 32 | name) * 0xff51afd7ed558ccdull + static_cast<uint64_t>(kind);
}

PolicyIndex PolicyTable::find(const model::PolicyId& id) const {
  const StringId name = strings_.find(id.name.name);
  const StringId ns = id.name.ns.empty() ? 0 : strings_.find(id.name.ns);
  if (name == 0 || (ns == 0 && !id.name.ns.empty())) return 0;
  return by_id_.find(hash_of(id.kind, ns, name), [&](PolicyIndex index) {
    const PolicyRecord& r = records_[index];
    return r.kind == id.kind && r.ns == ns && r.name == name;
  });
}

model::PolicyId PolicyTable::id(PolicyIndex index) const {
  const PolicyRecord& r = records_[index];
  return {r.kind,
          {r.ns == 0 ? std::string() : std::string(strings_.text(r.ns)),
           std::string(strings_.text(r.name))}};
}

void PolicyTable::release_parts(PolicyRecord& record) {
  release_tier(record.tier);
  release_target(record.target);
  if (record.in_namespace != 0) strings_.release(record.in_namespace);
}

void PolicyTable::set(const model::PolicyUpdate& update) {
  const bool exists = update.value || update.invalid;
  PolicyIndex index = find(update.key);
  if (!exists && (index == 0 || !records_[index].exists)) return;
  if (!exists) {
    take(index);
    release_parts(records_[index]);
    records_[index].exists = false;
  } else {
    const model::Policy form = update.invalid ? model::enforced_form(update) : model::Policy();
    const model::Policy& policy = update.invalid ? form : *update.value;
    PolicyRecord now;
    now.kind = update.key.kind;
    now.tier = acquire_tier(policy.tier);
    now.target = acquire_target(policy.selects);
    if (policy.selects.in_namespace)
      now.in_namespace = strings_.acquire(*policy.selects.in_namespace);
    now.order = policy.order;
    now.hook = policy.hook;
    now.applies_ingress = policy.applies_ingress;
    now.applies_egress = policy.applies_egress;
    now.staged = policy.staged.has_value();
    now.closes_tier = policy.closes_tier;
    now.exists = true;
    now.rules = PolicyBlob(policy);
    if (update.invalid) now.invalid = std::make_unique<std::string>(*update.invalid);

    if (index == 0) {
      index = place_in(records_, free_);
      PolicyRecord& record = records_[index];
      record.kind = update.key.kind;
      record.name = strings_.acquire(update.key.name.name);
      if (!update.key.name.ns.empty()) record.ns = strings_.acquire(update.key.name.ns);
      by_id_.insert(hash_of(record.kind, record.ns, record.name), index);
    }
    PolicyRecord& record = records_[index];
    const auto same_text = [](const auto& a, const auto& b) {
      return a && b ? *a == *b : !a && !b;
    };
    const bool same_place = record.exists && record.tier == now.tier && record.order == now.order &&
                            record.in_namespace == now.in_namespace;
    const bool same = same_place && record.target == now.target && record.hook == now.hook &&
                      record.applies_ingress == now.applies_ingress &&
                      record.applies_egress == now.applies_egress && record.staged == now.staged &&
                      record.closes_tier == now.closes_tier && record.rules == now.rules &&
                      same_text(record.invalid, now.invalid);
    if (same) {
      release_parts(now);
      return;
    }
    if (record.exists) {
      if (!same_place) take(index);
      release_parts(record);
    }
    now.ns = record.ns;
    now.name = record.name;
    now.users = record.users;
    now.host_users = record.host_users;
    now.changed = record.changed;
    now.previous = record.previous;
    now.next = record.next;
    now.compiled = std::move(record.compiled);
    record = std::move(now);
    if (!same_place) put(index);
  }
  PolicyRecord& record = records_[index];
  if (!record.changed) changed_.push_back(index);
  record.changed = true;
}

void PolicyTable::finish() {
  for (const PolicyIndex index : std::exchange(changed_, {})) {
    PolicyRecord& record = records_[index];
    record.changed = false;
    if (record.exists) continue;
    by_id_.erase(hash_of(record.kind, record.ns, record.name), index);
    strings_.release(record.name);
    if (record.ns != 0) strings_.release(record.ns);
    record = PolicyRecord();
    free_.push_back(index);
  }
  if (sorted_.size() > kKeepSorted) sorted_.clear();
}

}  // namespace caracal::policy
