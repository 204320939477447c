#include "policy/list_table.h"

#include <algorithm>

namespace caracal::policy {
namespace {

uint64_t hash_of(std::span<const uint32_t> items) {
  uint64_t hash = 0x9e3779b97f4a7c15ull + items.size();
  for (const uint32_t item : items) {
    hash = (hash ^ item) * 0xff51afd7ed558ccdull;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

ListId ListTable::acquire(std::span<const uint32_t> list, bool* added) {
  if (added != nullptr) *added = false;
  if (list.empty()) return 0;
  const uint64_t hash = hash_of(list);
  const ListId known =
      index_.find(hash, [&](ListId id) { return std::ranges::equal(entries_[id].items, list); });
  if (known != 0) {
    ++entries_[known].holders;
    return known;
  }
  ListId id = 0;
  if (free_.empty()) {
    id = static_cast<ListId>(entries_.size());
    // The caller's list may be one of ours: copy it before the entries move.
    NumberList items(list);
    entries_.push_back({std::move(items), 1});
  } else {
    id = free_.top();
    free_.pop();
    entries_[id] = {NumberList(list), 1};
  }
  index_.insert(hash, id);
  if (added != nullptr) *added = true;
  return id;
}

void ListTable::retain(ListId id) {
  if (id != 0) ++entries_[id].holders;
}

bool ListTable::release(ListId id) {
  if (id == 0 || --entries_[id].holders > 0) return false;
  index_.erase(hash_of(entries_[id].items), id);
  entries_[id] = {};
  free_.push(id);
  return true;
}

}  // namespace caracal::policy
