#include "policy/namespace_table.h"

namespace caracal::policy {

StringId NamespaceTable::set(const std::string& name, const model::Namespace* value) {
  const StringId ns = strings_.acquire(name);
  if (last_ != 0) strings_.release(last_);
  last_ = ns;

  const auto it = lists_.find(ns);
  if (value == nullptr) {
    if (it == lists_.end()) return 0;
    labels_.release(it->second);
    lists_.erase(it);
    strings_.release(ns);
    return ns;
  }
  const ListId list = labels_.acquire(value->labels);
  if (it == lists_.end()) {
    strings_.retain(ns);
    lists_.emplace(ns, list);
    return ns;
  }
  labels_.release(it->second);
  if (it->second == list) return 0;
  it->second = list;
  return ns;
}

AccountTable::Account AccountTable::set(const model::ObjectName& name,
                                        const model::ServiceAccount* value) {
  const Account account{strings_.acquire(name.ns), strings_.acquire(name.name)};
  if (last_.name != 0) {
    strings_.release(last_.ns);
    strings_.release(last_.name);
  }
  last_ = account;

  const auto it = lists_.find(key_of(account));
  if (value == nullptr) {
    if (it == lists_.end()) return {};
    labels_.release(it->second);
    lists_.erase(it);
    strings_.release(account.ns);
    strings_.release(account.name);
    return account;
  }
  const ListId list = labels_.acquire(value->labels);
  if (it == lists_.end()) {
    strings_.retain(account.ns);
    strings_.retain(account.name);
    lists_.emplace(key_of(account), list);
    return account;
  }
  labels_.release(it->second);
  if (it->second == list) return {};
  it->second = list;
  return account;
}

}  // namespace caracal::policy
