// ListTable: lists of numbers as one number each, equal lists sharing it (hash-consing), counted.
//
// Sets of predicates, rows of port ranges and keys of groups are such lists: comparing two is
// comparing two numbers, and equal ones are stored and computed once. Number 0 is the empty list
// and needs no holder. Numbers are given out smallest first, so that equal histories give equal
// numbers.
#pragma once

#include <cstdint>
#include <queue>
#include <span>
#include <vector>

#include "policy/flat_index.h"
#include "policy/number_list.h"

namespace caracal::policy {

using ListId = uint32_t;

class ListTable {
 public:
  ListTable() = default;
  ListTable(const ListTable&) = delete;
  ListTable& operator=(const ListTable&) = delete;

  // Takes hold of the list; `added` (when given) says whether it was new. One release each.
  ListId acquire(std::span<const uint32_t> list, bool* added = nullptr);
  void retain(ListId id);
  // True when this was the last holder: the number is free again.
  bool release(ListId id);
  // Valid until the next acquire.
  std::span<const uint32_t> list(ListId id) const { return entries_[id].items; }
  // How many lists are held, the empty one left out.
  size_t size() const { return index_.size(); }

 private:
  struct Entry {
    NumberList items;
    uint32_t holders = 0;
  };
  std::vector<Entry> entries_ = std::vector<Entry>(1);  // entries_[0] is the empty list
  FlatIndex index_;
  std::priority_queue<ListId, std::vector<ListId>, std::greater<>> free_;
};

}  // namespace caracal::policy
