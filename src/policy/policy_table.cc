#include "policy/policy_table.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "model/world.h"

namespace caracal::policy {

PolicyTable::PolicyTable(std::vector<model::Tier> tiers) : tiers_(std::move(tiers)) {
  std::sort(tiers_.begin(), tiers_.end(), [](const model::Tier& a, const model::Tier& b) {
    return std::tie(a.order, a.name) < std::tie(b.order, b.name);
  });
}

size_t PolicyTable::tier_place(const std::string& name) const {
  const auto it = std::find_if(tiers_.begin(), tiers_.end(),
                               [&](const model::Tier& tier) { return tier.name == name; });
  return static_cast<size_t>(it - tiers_.begin());
}

model::Action PolicyTable::tier_default(PolicyIndex index) const {
  const size_t place = records_[index].tier;
  return place < tiers_.size() ? tiers_[place].default_action : model::Action::kDeny;
}

bool PolicyTable::before(PolicyIndex a, PolicyIndex b) const {
  if (a == b) return false;
  const PolicyRecord& p = records_[a];
  const PolicyRecord& q = records_[b];
  if (p.tier != q.tier) return p.tier < q.tier;
  if (p.tier == tiers_.size() && p.policy.tier != q.policy.tier) {
    return p.policy.tier < q.policy.tier;
  }
  const auto place = [](const model::Policy& policy) {
    return std::tie(policy.order, policy.id.name.name, policy.id.name.ns, policy.id.kind);
  };
  return place(p.policy) < place(q.policy);
}

const std::vector<PolicyIndex>& PolicyTable::sorted(Bucket& bucket) {
  if (!std::exchange(bucket.sorted, true)) {
    std::sort(bucket.list.begin(), bucket.list.end(),
              [&](PolicyIndex a, PolicyIndex b) { return before(a, b); });
  }
  return bucket.list;
}

void PolicyTable::put(PolicyIndex index) {
  const auto& ns = records_[index].policy.selects.in_namespace;
  Bucket& bucket = ns ? by_namespace_[*ns] : cluster_wide_;
  bucket.list.push_back(index);
  bucket.sorted = false;
}

void PolicyTable::take(PolicyIndex index) {
  const auto& ns = records_[index].policy.selects.in_namespace;
  if (!ns) {
    std::erase(cluster_wide_.list, index);
    return;
  }
  const auto it = by_namespace_.find(*ns);
  std::erase(it->second.list, index);
  if (it->second.list.empty()) by_namespace_.erase(it);
}

void PolicyTable::set(const model::PolicyUpdate& update) {
  const bool exists = update.value || update.invalid;
  auto it = by_id_.find(update.key);
  if (!exists && (it == by_id_.end() || !records_[it->second].exists)) return;
  if (it == by_id_.end()) {
    PolicyIndex index = 0;
    if (free_.empty()) {
      index = static_cast<PolicyIndex>(records_.size());
      records_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    it = by_id_.emplace(update.key, index).first;
  }
  const PolicyIndex index = it->second;
  PolicyRecord& record = records_[index];
  if (exists) {
    model::Policy policy = update.invalid ? model::enforced_form(update) : *update.value;
    if (record.exists && record.policy == policy && record.invalid == update.invalid) return;
    const bool same_place = record.exists && record.policy.tier == policy.tier &&
                            record.policy.order == policy.order &&
                            record.policy.selects.in_namespace == policy.selects.in_namespace;
    if (record.exists && !same_place) take(index);
    record.policy = std::move(policy);
    record.invalid = update.invalid;
    record.exists = true;
    record.tier = tier_place(record.policy.tier);
    if (!same_place) put(index);
  } else {
    take(index);
    record.exists = false;
  }
  if (!record.changed) changed_.push_back(index);
  record.changed = true;
}

void PolicyTable::finish() {
  for (const PolicyIndex index : std::exchange(changed_, {})) {
    PolicyRecord& record = records_[index];
    record.changed = false;
    if (record.exists) continue;
    by_id_.erase(record.policy.id);
    record = PolicyRecord();
    free_.push_back(index);
  }
}

}  // namespace caracal::policy
