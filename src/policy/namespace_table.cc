#include "policy/namespace_table.h"

#include <algorithm>

namespace caracal::policy {

StringId NamespaceTable::set(const std::string& name, const model::Namespace* value) {
  const StringId ns = strings_.acquire(name);
  if (last_ != 0) strings_.release(last_);
  last_ = ns;

  const auto it = labels_.find(ns);
  if (value == nullptr) {
    if (it == labels_.end()) return 0;
    release(it->second);
    labels_.erase(it);
    strings_.release(ns);
    return ns;
  }
  std::vector<Label> labels;
  for (const auto& [key, text] : value->labels) {
    labels.push_back({strings_.acquire(key), strings_.acquire(text)});
  }
  std::sort(labels.begin(), labels.end());
  if (it == labels_.end()) {
    strings_.retain(ns);
    labels_.emplace(ns, std::move(labels));
    return ns;
  }
  if (it->second == labels) {
    release(labels);
    return 0;
  }
  release(it->second);
  it->second = std::move(labels);
  return ns;
}

void NamespaceTable::release(const std::vector<Label>& labels) {
  for (const Label& label : labels) {
    strings_.release(label.key);
    strings_.release(label.value);
  }
}

}  // namespace caracal::policy
