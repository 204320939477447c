#include "policy/string_table.h"

namespace caracal::policy {

StringId StringTable::acquire(std::string_view text) {
  if (const auto it = ids_.find(text); it != ids_.end()) {
    ++entries_[it->second - 1].holders;
    return it->second;
  }
  StringId id = 0;
  if (free_.empty()) {
    entries_.emplace_back();
    id = static_cast<StringId>(entries_.size());
  } else {
    id = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[id - 1];
  entry.text = text;
  entry.holders = 1;
  ids_.emplace(entry.text, id);
  return id;
}

void StringTable::release(StringId id) {
  Entry& entry = entries_[id - 1];
  if (--entry.holders > 0) return;
  ids_.erase(entry.text);
  entry.text.clear();
  free_.push_back(id);
}

StringId StringTable::find(std::string_view text) const {
  const auto it = ids_.find(text);
  return it == ids_.end() ? 0 : it->second;
}

}  // namespace caracal::policy
