#include "analysis/range_set.h"

#include <algorithm>

namespace caracal::analysis {

RangeSet RangeSet::of(uint32_t begin, uint32_t end) {
  RangeSet set;
  set.append(begin, end);
  return set;
}

RangeSet RangeSet::from_points(std::vector<uint32_t> points) {
  std::sort(points.begin(), points.end());
  RangeSet set;
  uint32_t past = 0;
  for (const uint32_t point : points) {
    if (point < past) continue;  // a repeat
    set.append(point, point + 1);
    past = point + 1;
  }
  return set;
}

RangeSet RangeSet::from_ranges(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end());
  RangeSet set;
  uint32_t past = 0;
  for (const Range& range : ranges) {
    const uint32_t begin = std::max(range.begin, past);
    if (begin >= range.end) continue;
    set.append(begin, range.end);
    past = range.end;
  }
  return set;
}

void RangeSet::append(uint32_t begin, uint32_t end) {
  if (begin >= end) return;
  if (!ranges_.empty() && ranges_.back().end == begin) {
    ranges_.back().end = end;
  } else {
    ranges_.push_back({begin, end});
  }
}

size_t RangeSet::count() const {
  size_t total = 0;
  for (const Range& range : ranges_) total += range.end - range.begin;
  return total;
}

bool RangeSet::contains(uint32_t point) const {
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), point,
                       [](uint32_t value, const Range& range) { return value < range.begin; });
  return after != ranges_.begin() && point < std::prev(after)->end;
}

RangeSet unite(const RangeSet& a, const RangeSet& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  std::vector<RangeSet::Range> all(a.ranges().begin(), a.ranges().end());
  const auto middle = static_cast<std::ptrdiff_t>(all.size());
  all.insert(all.end(), b.ranges().begin(), b.ranges().end());
  std::inplace_merge(all.begin(), all.begin() + middle, all.end());
  RangeSet out;
  uint32_t begin = all.front().begin;
  uint32_t end = all.front().end;
  for (const RangeSet::Range& range : all) {
    if (range.begin > end) {
      out.append(begin, end);
      begin = range.begin;
    }
    end = std::max(end, range.end);
  }
  out.append(begin, end);
  return out;
}

RangeSet intersect(const RangeSet& a, const RangeSet& b) {
  RangeSet out;
  auto i = a.ranges().begin();
  auto j = b.ranges().begin();
  while (i != a.ranges().end() && j != b.ranges().end()) {
    out.append(std::max(i->begin, j->begin), std::min(i->end, j->end));
    if (i->end < j->end) {
      ++i;
    } else {
      ++j;
    }
  }
  return out;
}

RangeSet subtract(const RangeSet& a, const RangeSet& b) {
  RangeSet out;
  auto j = b.ranges().begin();
  for (const RangeSet::Range& range : a.ranges()) {
    uint32_t begin = range.begin;
    while (j != b.ranges().end() && j->end <= begin) ++j;
    for (auto k = j; k != b.ranges().end() && k->begin < range.end; ++k) {
      out.append(begin, std::min(range.end, k->begin));
      begin = std::max(begin, k->end);
    }
    out.append(begin, range.end);
  }
  return out;
}

}  // namespace caracal::analysis
