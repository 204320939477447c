// NamespaceTable: the labels of the namespaces that exist.
#pragma once

#include <unordered_map>
#include <vector>

#include "model/namespace.h"
#include "policy/compiled_selector.h"

namespace caracal::policy {

class NamespaceTable {
 public:
  explicit NamespaceTable(StringTable& strings) : strings_(strings) {}

  // Adds, changes or removes (nullptr). Returns the namespace when something changed, 0 otherwise;
  // the number is held for the caller's use until the next call.
  StringId set(const std::string& name, const model::Namespace* value);
  // A namespace that does not exist matches only a selector that matches everything.
  bool matches(const CompiledSelector& selector, StringId ns) const {
    if (selector.matches_everything()) return true;
    const auto it = labels_.find(ns);
    return it != labels_.end() && selector.matches(it->second);
  }
  const std::unordered_map<StringId, std::vector<Label>>& all() const { return labels_; }

 private:
  void release(const std::vector<Label>& labels);

  StringTable& strings_;
  std::unordered_map<StringId, std::vector<Label>> labels_;
  StringId last_ = 0;
};

}  // namespace caracal::policy
