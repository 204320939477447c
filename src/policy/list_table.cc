#include "policy/list_table.h"

#include <algorithm>

namespace caracal::policy {
namespace {

size_t hash_of(std::span<const uint32_t> items) {
  uint64_t hash = 0x9e3779b97f4a7c15ull + items.size();
  for (const uint32_t item : items) {
    hash = (hash ^ item) * 0xff51afd7ed558ccdull;
    hash ^= hash >> 32;
  }
  return static_cast<size_t>(hash);
}

}  // namespace

bool ListTable::Equal::operator()(const Probe& probe, ListId id) const {
  const Entry& entry = table->entries_[id];
  return entry.hash == probe.hash && std::ranges::equal(entry.items, probe.items);
}

ListTable::ListTable() : entries_(1), index_(16, Hash{this}, Equal{this}) {}

ListId ListTable::acquire(std::span<const uint32_t> list, bool* added) {
  if (added != nullptr) *added = false;
  if (list.empty()) return 0;
  const Probe probe{list, hash_of(list)};
  if (const auto it = index_.find(probe); it != index_.end()) {
    ++entries_[*it].holders;
    return *it;
  }
  ListId id = 0;
  if (free_.empty()) {
    id = static_cast<ListId>(entries_.size());
    // The caller's list may be one of ours: copy it before the entries move.
    std::vector<uint32_t> items(list.begin(), list.end());
    entries_.push_back({std::move(items), probe.hash, 1});
  } else {
    id = free_.top();
    free_.pop();
    entries_[id] = {{list.begin(), list.end()}, probe.hash, 1};
  }
  index_.insert(id);
  if (added != nullptr) *added = true;
  return id;
}

void ListTable::retain(ListId id) {
  if (id != 0) ++entries_[id].holders;
}

bool ListTable::release(ListId id) {
  if (id == 0 || --entries_[id].holders > 0) return false;
  index_.erase(id);
  entries_[id] = {};
  free_.push(id);
  return true;
}

}  // namespace caracal::policy
