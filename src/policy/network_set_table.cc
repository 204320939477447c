#include "policy/network_set_table.h"

#include <algorithm>

namespace caracal::policy {

void NetworkSetTable::enter(uint32_t set, const net::Cidr& net) {
  if (net.is_host()) {
    exact_.insert(hash_of(net.address()), set);
    endpoints_.mark_dirty(net.address());
  } else {
    cidrs_.add_range(net, set);
  }
}
void NetworkSetTable::leave(uint32_t set, const net::Cidr& net) {
  if (net.is_host()) {
    exact_.erase(hash_of(net.address()), set);
    endpoints_.mark_dirty(net.address());
  } else {
    cidrs_.remove_range(net, set);
  }
}

void NetworkSetTable::set(const model::NetworkSetUpdate& update) {
  const auto it = by_name_.find(update.key);
  if (!update.value) {
    if (it == by_name_.end()) return;
    Set& set = sets_[it->second];
    if (set.installed) {
      for (const net::Cidr& net : set.nets) leave(it->second, net);
    }
    by_holder_.erase(set.holder);
    endpoints_.set_network_set(update.key, nullptr);
    set = {};
    free_.push_back(it->second);
    by_name_.erase(it);
    return;
  }
  uint32_t number = 0;
  if (it != by_name_.end()) {
    number = it->second;
  } else {
    if (free_.empty()) {
      number = static_cast<uint32_t>(sets_.size());
      sets_.emplace_back();
    } else {
      number = free_.back();
      free_.pop_back();
    }
    by_name_.emplace(update.key, number);
  }
  Set& set = sets_[number];
  const auto change = endpoints_.set_network_set(update.key, &update.value->labels);
  if (set.holder == 0) by_holder_.emplace(change.holder, number);
  set.holder = change.holder;
  if (change.before != change.after) touched_.push_back(number);

  const std::vector<net::Cidr>& nets = update.value->nets;
  if (!set.installed) {
    set.nets = nets;
    return;
  }
  // What is the same at both ends stays untouched.
  const auto [old_first, new_first] = std::ranges::mismatch(set.nets, nets);
  if (old_first == set.nets.end() && new_first == nets.end()) return;
  auto old_last = set.nets.end();
  auto new_last = nets.end();
  while (old_last != old_first && new_last != new_first &&
         *std::prev(old_last) == *std::prev(new_last)) {
    --old_last;
    --new_last;
  }
  std::vector<net::Cidr> gone, added;
  std::set_difference(old_first, old_last, new_first, new_last, std::back_inserter(gone));
  std::set_difference(new_first, new_last, old_first, old_last, std::back_inserter(added));
  for (const net::Cidr& net : gone) leave(number, net);
  for (const net::Cidr& net : added) enter(number, net);
  const auto hole = set.nets.erase(old_first, old_last);
  set.nets.insert(hole, new_first, new_last);
}

void NetworkSetTable::update(const std::vector<ClassId>& changed) {
  std::vector<uint32_t> sets = std::exchange(touched_, {});
  for (const ClassId cls : changed) {
    if (!endpoints_.alive(cls) || endpoints_.at(cls).kind != HolderKind::kSet) continue;
    endpoints_.for_each_member(cls, [&](HolderIndex h) { sets.push_back(by_holder_.at(h)); });
  }
  std::sort(sets.begin(), sets.end());
  sets.erase(std::unique(sets.begin(), sets.end()), sets.end());
  for (const uint32_t number : sets) {
    Set& set = sets_[number];
    if (set.holder == 0) continue;  // gone again
    const bool matched = endpoints_.at(class_of(number)).predicates != 0;
    for (const net::Cidr& net : set.nets) {
      if (matched && !set.installed) {
        enter(number, net);
      } else if (!matched && set.installed) {
        leave(number, net);
      } else if (matched && net.is_host()) {
        endpoints_.mark_dirty(net.address());
      } else if (matched) {
        cidrs_.mark_changed(net);
      }
    }
    set.installed = matched;
  }
}

}  // namespace caracal::policy
