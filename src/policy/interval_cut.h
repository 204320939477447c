// IntervalCut: a line of points (addresses, ports) cut into the fewest intervals that no range of a
// collection of ranges tells apart; each interval knows the members whose ranges cover it.
//
// A change costs the intervals inside the changed range. Intervals are named by their first point
// and end where the next one starts; neighbours with the same members are joined, except at the
// fixed starts (the beginnings of the families), which always begin an interval.
#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include "policy/list_table.h"

namespace caracal::policy {

template <typename Point>
class IntervalCut {
 public:
  // `sets` outlives this and holds the members of intervals. `starts`: where the line begins, and
  // where intervals must begin.
  IntervalCut(ListTable& sets, std::vector<Point> starts)
      : sets_(sets), starts_(std::move(starts)) {
    for (const Point& start : starts_) intervals_.emplace(start, 0);
  }

  // Adds a member to, or removes it from, all points from `first` up to but not including `end`
  // (nullopt: to the end of the line). Where ranges of one member overlap, it is there more than
  // once.
  void add(const Point& first, const std::optional<Point>& end, uint32_t member) {
    change(first, end, [&](std::vector<uint32_t>& members) {
      members.insert(std::lower_bound(members.begin(), members.end(), member), member);
    });
  }
  void remove(const Point& first, const std::optional<Point>& end, uint32_t member) {
    change(first, end, [&](std::vector<uint32_t>& members) {
      members.erase(std::lower_bound(members.begin(), members.end(), member));
    });
  }

  // The members at a point. REQUIRES: the point is not before the line's beginning.
  ListId at(const Point& point) const { return std::prev(intervals_.upper_bound(point))->second; }
  // First point -> members (held by this).
  const std::map<Point, ListId>& intervals() const { return intervals_; }

 private:
  using Iterator = typename std::map<Point, ListId>::iterator;

  // The interval that starts at `point`, cut out of the one around it if need be.
  Iterator split(const Point& point) {
    const auto next = intervals_.upper_bound(point);
    const auto around = std::prev(next);
    if (!(around->first < point)) return around;
    sets_.retain(around->second);
    return intervals_.emplace_hint(next, point, around->second);
  }

  template <typename Edit>
  void change(const Point& first, const std::optional<Point>& end, const Edit& edit) {
    auto it = split(first);
    const auto stop = end ? split(*end) : intervals_.end();
    std::vector<uint32_t> members;
    for (auto i = it; i != stop; ++i) {
      const auto old = sets_.list(i->second);
      members.assign(old.begin(), old.end());
      edit(members);
      const ListId now = sets_.acquire(members);
      sets_.release(i->second);
      i->second = now;
    }
    // Join from the interval before to the one at the end.
    if (it != intervals_.begin()) --it;
    while (it != intervals_.end()) {
      const auto next = std::next(it);
      if (next == intervals_.end()) break;
      const bool past = end ? *end < next->first : false;
      if (past) break;
      if (next->second == it->second && !is_start(next->first)) {
        sets_.release(next->second);
        intervals_.erase(next);
      } else {
        it = next;
      }
    }
  }

  bool is_start(const Point& point) const {
    return std::find(starts_.begin(), starts_.end(), point) != starts_.end();
  }

  ListTable& sets_;
  std::vector<Point> starts_;
  std::map<Point, ListId> intervals_;
};

}  // namespace caracal::policy
