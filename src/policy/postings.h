// Postings: which items carry which label: label -> items, changed in constant time.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "policy/label_lists.h"

namespace caracal::policy {

class Postings {
 public:
  // REQUIRES: `item` carries nothing yet; labels do not repeat.
  void add(uint32_t item, std::span<const Label> labels);
  void remove(uint32_t item);
  // Valid until the next change.
  std::span<const uint32_t> items(const Label& label) const;

 private:
  static uint64_t key_of(const Label& label) { return uint64_t{label.key} << 32 | label.value; }
  // Where an item stands in the list of a label.
  struct Place {
    uint64_t label;
    uint32_t position;
  };
  std::unordered_map<uint64_t, std::vector<uint32_t>> lists_;
  std::vector<std::vector<Place>> places_;  // by item
};

}  // namespace caracal::policy
