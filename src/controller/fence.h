// Fence: whether this controller may still write. Open only while the lease is ours for sure.
//
// Moved by LeaderElector on its loop, asked before every write, from any thread. It closes by
// itself when the time of the last renewal is over, so that a loop that hangs, or a server that is
// away, cannot leave two controllers at work.
#pragma once

#include <atomic>

#include "event/loop.h"

namespace caracal::controller {

class Fence {
 public:
  void open_until(event::Clock::time_point end) { end_.store(end.time_since_epoch().count()); }
  void close() { end_.store(0); }
  bool is_open() const { return event::Clock::now().time_since_epoch().count() < end_.load(); }

 private:
  std::atomic<event::Clock::rep> end_{0};
};

}  // namespace caracal::controller
