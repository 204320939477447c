// NumberList: a vector of 32-bit numbers in 16 bytes; up to two are kept in the object itself.
//
// Most lists of the calculation have one or two members (the policies of an endpoint, the groups
// that a predicate leads to) and there are hundreds of thousands of them, where every allocation
// counts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <utility>

namespace caracal::policy {

class NumberList {
 public:
  using value_type = uint32_t;
  using const_iterator = const uint32_t*;

  NumberList() = default;
  NumberList(std::initializer_list<uint32_t> list) { assign({list.begin(), list.size()}); }
  explicit NumberList(std::span<const uint32_t> list) { assign(list); }
  NumberList(const NumberList& other) { assign({other.begin(), other.size()}); }
  NumberList(NumberList&& other) noexcept { swap(other); }
  NumberList& operator=(const NumberList& other) {
    if (this != &other) assign({other.begin(), other.size()});
    return *this;
  }
  NumberList& operator=(NumberList&& other) noexcept {
    NumberList taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~NumberList() {
    if (on_heap()) delete[] heap_;
  }

  const uint32_t* begin() const { return on_heap() ? heap_ : inline_; }
  const uint32_t* end() const { return begin() + size_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  uint32_t operator[](size_t i) const { return begin()[i]; }
  uint32_t front() const { return *begin(); }
  uint32_t back() const { return end()[-1]; }

  // `list` is no part of this one.
  void assign(std::span<const uint32_t> list) {
    clear();
    reserve(list.size());
    std::copy(list.begin(), list.end(), data());
    size_ = static_cast<uint32_t>(list.size());
  }
  void push_back(uint32_t number) {
    if (size_ == capacity_) reserve(size_t{2} * capacity_);
    data()[size_++] = number;
  }
  void insert(const uint32_t* where, uint32_t number) {
    const auto at = where - begin();
    push_back(number);
    std::rotate(data() + at, data() + size_ - 1, data() + size_);
  }
  template <typename Condition>
  void erase_if(const Condition& condition) {
    const uint32_t* kept = std::remove_if(data(), data() + size_, condition);
    size_ = static_cast<uint32_t>(kept - begin());
  }
  // Takes one out; the last takes its place. REQUIRES: it is there.
  void swap_remove(uint32_t number) {
    *std::find(data(), data() + size_, number) = back();
    --size_;
  }
  void clear() {
    if (on_heap()) delete[] heap_;
    size_ = 0;
    capacity_ = kInline;
  }

  friend bool operator==(const NumberList& a, const NumberList& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  static constexpr uint32_t kInline = 2;

  bool on_heap() const { return capacity_ > kInline; }
  uint32_t* data() { return on_heap() ? heap_ : inline_; }
  void swap(NumberList& other) {
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    char kept[sizeof inline_];
    std::memcpy(kept, inline_, sizeof kept);
    std::memcpy(inline_, other.inline_, sizeof kept);
    std::memcpy(other.inline_, kept, sizeof kept);
  }
  void reserve(size_t capacity) {
    if (capacity <= capacity_) return;
    auto* bigger = new uint32_t[capacity];
    std::copy(begin(), end(), bigger);
    if (on_heap()) delete[] heap_;
    heap_ = bigger;
    capacity_ = static_cast<uint32_t>(capacity);
  }

  uint32_t size_ = 0;
  uint32_t capacity_ = kInline;
  union {
    uint32_t inline_[kInline] = {};
    uint32_t* heap_;
  };
};
static_assert(sizeof(NumberList) == 16);

}  // namespace caracal::policy
