// RangeSet: a set of small integers as sorted, disjoint, non-adjacent ranges.
//
// Pods are numbered so that what policies select together lies together; a namespace is one range.
// Equal sets have equal representations. Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace caracal::analysis {

class RangeSet {
 public:
  struct Range {
    uint32_t begin = 0;
    uint32_t end = 0;  // one past the last
    auto operator<=>(const Range&) const = default;
  };

  RangeSet() = default;
  static RangeSet of(uint32_t begin, uint32_t end);
  // In any order, repeats allowed.
  static RangeSet from_points(std::vector<uint32_t> points);
  static RangeSet from_ranges(std::vector<Range> ranges);

  // REQUIRES: begin is not before the end of the last range.
  void append(uint32_t begin, uint32_t end);

  bool empty() const { return ranges_.empty(); }
  // The number of members.
  size_t count() const;
  bool contains(uint32_t point) const;
  std::span<const Range> ranges() const { return ranges_; }
  bool operator==(const RangeSet&) const = default;

 private:
  std::vector<Range> ranges_;
};

RangeSet unite(const RangeSet& a, const RangeSet& b);
RangeSet intersect(const RangeSet& a, const RangeSet& b);
RangeSet subtract(const RangeSet& a, const RangeSet& b);

}  // namespace caracal::analysis
