// SelectorTable: compiled selectors, each kept once however many predicates use it: "app == web" is
// one in a cluster of ten thousand namespaces that all have such a rule.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/compiled_selector.h"

namespace caracal::policy {

using SelectorId = uint32_t;  // 0: matches everything

class SelectorTable {
 public:
  explicit SelectorTable(StringTable& strings) : strings_(strings) {}

  // One release each.
  SelectorId acquire(const selector::Selector& selector, bool inherited);
  void release(SelectorId id);
  const CompiledSelector& at(SelectorId id) const { return entries_[id].selector; }

 private:
  struct Entry {
    CompiledSelector selector;
    const std::string* key = nullptr;  // of by_key_
    uint32_t users = 0;
  };
  StringTable& strings_;
  std::deque<Entry> entries_ = std::deque<Entry>(1);
  std::vector<SelectorId> free_;
  std::unordered_map<std::string, SelectorId> by_key_;  // "i" or "-", then the canonical text
};

}  // namespace caracal::policy
