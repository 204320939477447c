#include "policy/label_lists.h"

#include <algorithm>
#include <vector>

namespace caracal::policy {

ListId LabelLists::acquire(const model::Labels& labels, bool* added) {
  std::vector<Label> sorted;
  sorted.reserve(labels.size());
  for (const auto& [key, value] : labels) {
    sorted.push_back({strings_.acquire(key), strings_.acquire(value)});
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<uint32_t> words;
  words.reserve(2 * sorted.size());
  for (const Label& label : sorted) words.insert(words.end(), {label.key, label.value});
  bool is_new = false;
  const ListId id = lists_.acquire(words, &is_new);
  if (!is_new) {
    for (const uint32_t text : words) strings_.release(text);  // the list holds them already
  }
  if (added != nullptr) *added = is_new;
  return id;
}

bool LabelLists::release(ListId id) {
  const auto held = lists_.list(id);
  const std::vector<uint32_t> words(held.begin(), held.end());
  if (!lists_.release(id)) return false;
  for (const uint32_t text : words) strings_.release(text);
  return true;
}

}  // namespace caracal::policy
