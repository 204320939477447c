// TrackedMap, TrackedSet: a table of desired::PolicyTables together with what changed in it since
// the last take(). However often an entry was touched, only its net change is reported.
//
// A table that was empty at the last take() needs no log: all that it holds is new. The first
// flush of an agent, the largest there is, goes that way.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "desired/policy_tables.h"

namespace caracal::policy {

template <typename Key, typename Value>
class TrackedMap {
 public:
  // `live` is empty, and outlives this; it is changed through this only.
  explicit TrackedMap(std::map<Key, Value>& live) : live_(live) {}

  const std::map<Key, Value>& live() const { return live_; }
  // As live().find().
  auto find(const Key& key) const { return is_last(key) ? live_.end() : live_.find(key); }

  void set(const Key& key, const Value& value) {
    const auto hint = is_last(key) ? live_.end() : live_.lower_bound(key);
    if (hint != live_.end() && !(key < hint->first)) {
      if (hint->second == value) return;
      note(key, std::exchange(hint->second, value));
    } else {
      live_.emplace_hint(hint, key, value);
      note(key, std::nullopt);
    }
  }
  void erase(const Key& key) {
    if (const auto it = live_.find(key); it != live_.end()) {
      note(key, std::move(it->second));
      live_.erase(it);
    }
  }

  desired::MapDelta<Key, Value> take() {
    if (all_new_) {
      all_new_ = live_.empty();
      return {.set = live_, .erase = {}};
    }
    const auto by_key = [](const auto& a, const auto& b) { return a.first < b.first; };
    if (!std::is_sorted(log_.begin(), log_.end(), by_key)) {
      std::stable_sort(log_.begin(), log_.end(), by_key);
    }
    desired::MapDelta<Key, Value> delta;
    for (size_t i = 0; i < log_.size(); ++i) {
      const auto& [key, before] = log_[i];
      if (i > 0 && !(log_[i - 1].first < key)) continue;  // the first touch has the old value
      const auto now = live_.find(key);
      if (now == live_.end()) {
        if (before) delta.erase.insert(delta.erase.end(), key);
      } else if (!before || *before != now->second) {
        delta.set.emplace_hint(delta.set.end(), key, now->second);
      }
    }
    all_new_ = live_.empty();
    log_.clear();
    if (log_.capacity() > kKeepCapacity) log_.shrink_to_fit();
    return delta;
  }

 private:
  static constexpr size_t kKeepCapacity = 4096;

  // Filling in order is the common bulk case; it needs no search.
  bool is_last(const Key& key) const { return live_.empty() || live_.rbegin()->first < key; }
  void note(const Key& key, std::optional<Value> before) {
    if (!all_new_) log_.emplace_back(key, std::move(before));
  }

  std::map<Key, Value>& live_;
  std::vector<std::pair<Key, std::optional<Value>>> log_;
  bool all_new_ = true;  // the table was empty at the last take()
};

template <typename Key>
class TrackedSet {
 public:
  explicit TrackedSet(std::set<Key>& live) : live_(live) {}

  const std::set<Key>& live() const { return live_; }

  void add(const Key& key) {
    const size_t before = live_.size();
    const bool last = live_.empty() || *live_.rbegin() < key;
    live_.insert(last ? live_.end() : live_.lower_bound(key), key);
    if (live_.size() > before && !all_new_) log_.emplace_back(key, false);
  }
  void erase(const Key& key) {
    if (live_.erase(key) > 0 && !all_new_) log_.emplace_back(key, true);
  }

  desired::SetDelta<Key> take() {
    if (all_new_) {
      all_new_ = live_.empty();
      return {.add = live_, .erase = {}};
    }
    std::stable_sort(log_.begin(), log_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    desired::SetDelta<Key> delta;
    for (size_t i = 0; i < log_.size(); ++i) {
      const auto& [key, before] = log_[i];
      if (i > 0 && !(log_[i - 1].first < key)) continue;
      const bool now = live_.contains(key);
      if (before && !now) delta.erase.insert(delta.erase.end(), key);
      if (!before && now) delta.add.insert(delta.add.end(), key);
    }
    all_new_ = live_.empty();
    log_.clear();
    if (log_.capacity() > kKeepCapacity) log_.shrink_to_fit();
    return delta;
  }

 private:
  static constexpr size_t kKeepCapacity = 4096;
  std::set<Key>& live_;
  std::vector<std::pair<Key, bool>> log_;
  bool all_new_ = true;  // as TrackedMap's
};

}  // namespace caracal::policy
