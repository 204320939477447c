#include "policy/selector_table.h"

namespace caracal::policy {

SelectorId SelectorTable::acquire(const selector::Selector& selector, bool inherited) {
  if (selector.root().op == selector::Op::kAll) return 0;
  std::string key(inherited ? "i" : "-");
  key += selector.canonical();
  const auto [it, added] = by_key_.try_emplace(std::move(key));
  if (added) {
    if (free_.empty()) {
      it->second = static_cast<SelectorId>(entries_.size());
      entries_.emplace_back();
    } else {
      it->second = free_.back();
      free_.pop_back();
    }
    entries_[it->second] = {CompiledSelector(selector, strings_, inherited), &it->first, 0};
  }
  ++entries_[it->second].users;
  return it->second;
}

void SelectorTable::release(SelectorId id) {
  if (id == 0) return;
  Entry& entry = entries_[id];
  if (--entry.users > 0) return;
  entry.selector.release(strings_);
  by_key_.erase(by_key_.find(*entry.key));
  entry = {};
  free_.push_back(id);
}

}  // namespace caracal::policy
