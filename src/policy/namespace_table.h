// NamespaceTable, AccountTable: the labels of the namespaces, and of the service accounts, that
// exist.
#pragma once

#include <unordered_map>

#include "model/namespace.h"
#include "model/service_account.h"
#include "policy/compiled_selector.h"
#include "policy/label_lists.h"

namespace caracal::policy {

class NamespaceTable {
 public:
  NamespaceTable(StringTable& strings, LabelLists& labels) : strings_(strings), labels_(labels) {}

  // Adds, changes or removes (nullptr). Returns the namespace when something changed, 0 otherwise;
  // the number is held for the caller's use until the next call.
  StringId set(const std::string& name, const model::Namespace* value);
  bool knows(StringId ns) const { return lists_.contains(ns); }
  // nullopt: no such namespace.
  std::optional<LabelSpan> labels(StringId ns) const {
    const auto it = lists_.find(ns);
    if (it == lists_.end()) return std::nullopt;
    return labels_.at(it->second);
  }
  // A namespace that does not exist matches only a selector that matches everything.
  bool matches(const CompiledSelector& selector, StringId ns) const {
    if (selector.matches_everything()) return true;
    const auto own = labels(ns);
    return own && selector.matches(*own);
  }
  // Calls `visit(namespace, labels)` for each.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (const auto& [ns, list] : lists_) visit(ns, labels_.at(list));
  }

 private:
  StringTable& strings_;
  LabelLists& labels_;
  std::unordered_map<StringId, ListId> lists_;
  StringId last_ = 0;
};

class AccountTable {
 public:
  AccountTable(StringTable& strings, LabelLists& labels) : strings_(strings), labels_(labels) {}

  struct Account {
    StringId ns = 0;  // 0: nothing changed
    StringId name = 0;
  };
  // As NamespaceTable::set.
  Account set(const model::ObjectName& name, const model::ServiceAccount* value);
  std::optional<LabelSpan> labels(StringId ns, StringId name) const {
    const auto it = lists_.find(key_of({ns, name}));
    if (it == lists_.end()) return std::nullopt;
    return labels_.at(it->second);
  }

 private:
  static uint64_t key_of(Account account) { return uint64_t{account.ns} << 32 | account.name; }

  StringTable& strings_;
  LabelLists& labels_;
  std::unordered_map<uint64_t, ListId> lists_;
  Account last_;
};

}  // namespace caracal::policy
