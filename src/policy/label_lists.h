// LabelLists: lists of labels as one number each: pods of a Deployment, in whatever namespace,
// share one. Fed and read by the engine's parts.
#pragma once

#include <cstdint>
#include <span>

#include "model/object.h"
#include "policy/list_table.h"
#include "policy/string_table.h"

namespace caracal::policy {

struct Label {
  StringId key = 0;
  StringId value = 0;
  auto operator<=>(const Label&) const = default;
};

// Labels as their table has them: key, value, key, value, sorted by key.
class LabelSpan {
 public:
  LabelSpan() = default;
  explicit LabelSpan(std::span<const uint32_t> words) : words_(words) {}
  size_t size() const { return words_.size() / 2; }
  Label operator[](size_t i) const { return {words_[2 * i], words_[2 * i + 1]}; }
  // 0 when the key is not there.
  StringId find(StringId key) const {
    for (size_t i = 0; i < words_.size(); i += 2) {  // few labels: a scan beats a search
      if (words_[i] == key) return words_[i + 1];
    }
    return 0;
  }

 private:
  std::span<const uint32_t> words_;
};

class LabelLists {
 public:
  explicit LabelLists(StringTable& strings) : strings_(strings) {}

  // Takes hold of the list; `added` as in ListTable. One release each.
  ListId acquire(const model::Labels& labels, bool* added = nullptr);
  // True when this was the last holder.
  bool release(ListId id);
  // Valid until the next acquire.
  LabelSpan at(ListId id) const { return LabelSpan(lists_.list(id)); }

 private:
  StringTable& strings_;
  ListTable lists_;
};

}  // namespace caracal::policy
