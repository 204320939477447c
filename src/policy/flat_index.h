// FlatIndex: finds numbered items by their content: an open-addressing set of numbers, each with
// the hash of what it names.
//
// The contents stay with the owner, who compares them; 8 bytes a slot, no allocation per item. A
// hash may occur more than once (a multimap). Numbers are never 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace caracal::policy {

class FlatIndex {
 public:
  // The first number with this hash for which `same(number)` holds, or 0.
  template <typename Same>
  uint32_t find(uint64_t hash, const Same& same) const {
    if (slots_.empty()) return 0;
    const uint32_t short_hash = shorten(hash);
    for (size_t i = short_hash & mask(); slots_[i].number != 0; i = (i + 1) & mask()) {
      if (slots_[i].hash == short_hash && same(slots_[i].number)) return slots_[i].number;
    }
    return 0;
  }
  // Calls `visit(number)` for each number with this hash.
  template <typename Visit>
  void for_each(uint64_t hash, const Visit& visit) const {
    find(hash, [&](uint32_t number) {
      visit(number);
      return false;
    });
  }
  void insert(uint64_t hash, uint32_t number) {
    if ((count_ + 1) * 4 > slots_.size() * 3) grow();
    ++count_;
    place({number, shorten(hash)});
  }
  // REQUIRES: it was inserted with this hash. Of repeats one goes.
  void erase(uint64_t hash, uint32_t number) {
    const uint32_t short_hash = shorten(hash);
    size_t i = short_hash & mask();
    while (slots_[i].number != number || slots_[i].hash != short_hash) i = (i + 1) & mask();
    --count_;
    // Close the gap: move what probed past it.
    for (size_t next = (i + 1) & mask(); slots_[next].number != 0; next = (next + 1) & mask()) {
      const size_t home = slots_[next].hash & mask();
      if (((next - home) & mask()) < ((next - i) & mask())) continue;
      slots_[i] = slots_[next];
      i = next;
    }
    slots_[i] = {};
  }
  size_t size() const { return count_; }

 private:
  struct Slot {
    uint32_t number = 0;  // 0: free
    uint32_t hash = 0;
  };
  static uint32_t shorten(uint64_t hash) {
    hash *= 0x9e3779b97f4a7c15ull;
    return static_cast<uint32_t>(hash >> 32);
  }
  size_t mask() const { return slots_.size() - 1; }
  void place(Slot slot) {
    size_t i = slot.hash & mask();
    while (slots_[i].number != 0) i = (i + 1) & mask();
    slots_[i] = slot;
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.number != 0) place(slot);
    }
  }

  std::vector<Slot> slots_;  // a power of two
  size_t count_ = 0;
};

}  // namespace caracal::policy
