// VirtualSchedule: a Schedule whose time passes only while it runs, as fast as the machine can.
// Deterministic: what is due at one time runs in the order in which it was asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "ipam/schedule.h"

namespace caracal::ipam::testing {

class VirtualSchedule final : public Schedule {
 public:
  void after(event::Duration delay, std::function<void()> fn) override {
    due_.emplace(std::pair(now_ + delay, next_++), std::move(fn));
  }
  event::Clock::time_point now() const override { return now_; }
  WallClock::time_point wall_clock() const override {
    return WallClock::time_point(std::chrono::seconds(1'700'000'000)) +
           std::chrono::duration_cast<WallClock::duration>(now_.time_since_epoch());
  }

  // The next thing to do, at its time; false: there is none.
  bool step() {
    if (due_.empty()) return false;
    auto first = due_.extract(due_.begin());
    now_ = first.key().first;
    first.mapped()();
    return true;
  }
  // Until nothing is left to do, or the limit of steps; returns whether nothing is left.
  bool run(uint64_t limit = 10'000'000) {
    while (limit-- > 0) {
      if (!step()) return true;
    }
    return due_.empty();
  }
  void run_for(event::Duration time) {
    const auto end = now_ + time;
    while (!due_.empty() && due_.begin()->first.first <= end) step();
    now_ = end;
  }

 private:
  event::Clock::time_point now_{};
  uint64_t next_ = 0;
  std::map<std::pair<event::Clock::time_point, uint64_t>, std::function<void()>> due_;
};

}  // namespace caracal::ipam::testing
