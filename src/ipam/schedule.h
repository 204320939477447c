// Schedule: later, and what time it is. The seam through which AddressClaims waits, so that tests
// run hours of delays in no time and in one order (testing/virtual_schedule.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "base/timestamp.h"
#include "event/loop.h"

namespace caracal::ipam {

class Schedule {
 public:
  virtual ~Schedule() = default;
  // Runs fn after the delay, never inside this call; equal delays in the order of calling.
  virtual void after(event::Duration delay, std::function<void()> fn) = 0;
  virtual event::Clock::time_point now() const = 0;      // never goes back
  virtual WallClock::time_point wall_clock() const = 0;  // for what other machines read
};

// On an event loop. When it ends, nothing of it runs any more.
class LoopSchedule final : public Schedule {
 public:
  explicit LoopSchedule(event::Loop& loop) : loop_(loop) {}
  void after(event::Duration delay, std::function<void()> fn) override {
    const uint64_t id = next_++;
    timers_[id] = loop_.after(delay, [this, id, fn = std::move(fn)] {
      // What runs may end this object.
      const event::Handle keep = std::move(timers_[id]);
      timers_.erase(id);
      fn();
    });
  }
  event::Clock::time_point now() const override { return event::Clock::now(); }
  WallClock::time_point wall_clock() const override { return WallClock::now(); }

 private:
  event::Loop& loop_;
  uint64_t next_ = 0;
  std::map<uint64_t, event::Handle> timers_;
};

}  // namespace caracal::ipam
