#include "policy/string_table.h"

#include <algorithm>
#include <functional>

namespace caracal::policy {
namespace {

uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }

}  // namespace

StringId StringTable::find(std::string_view wanted) const {
  return index_.find(hash_of(wanted), [&](StringId id) { return text(id) == wanted; });
}

StringId StringTable::acquire(std::string_view wanted) {
  if (const StringId known = find(wanted); known != 0) {
    ++entries_[known].holders;
    return known;
  }
  StringId id = 0;
  if (free_.empty()) {
    id = static_cast<StringId>(entries_.size());
    entries_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[id];
  entry.text = std::make_unique_for_overwrite<char[]>(wanted.size());
  std::copy(wanted.begin(), wanted.end(), entry.text.get());
  entry.length = static_cast<uint32_t>(wanted.size());
  entry.holders = 1;
  index_.insert(hash_of(wanted), id);
  return id;
}

void StringTable::release(StringId id) {
  Entry& entry = entries_[id];
  if (--entry.holders > 0) return;
  index_.erase(hash_of(text(id)), id);
  entry = {};
  free_.push_back(id);
}

}  // namespace caracal::policy
