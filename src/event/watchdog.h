// Watchdog: notices a loop that does not turn any more (a call that blocks, an endless
// computation).
//
// Each watched loop beats once per check; a thread of its own looks at the age of each beat. A loop
// silent for `report_after` is logged and reported once, and again when it is back; one silent for
// `abort_after` ends the process, so that its supervisor starts it anew (the kernel keeps its
// state).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "event/loop.h"

namespace caracal::event {

struct WatchdogOptions {
  Duration check_every{1'000};
  Duration report_after{5'000};
  Duration abort_after{0};  // 0: never
};

struct LoopHealth {
  std::string name;
  Duration silent{0};  // since its last beat
  bool stuck = false;  // silent for report_after or longer
};

class Watchdog {
 public:
  // Runs on the watchdog's thread when a loop becomes stuck and when it is back.
  using Report = std::function<void(const LoopHealth&)>;
  // Called for a loop past abort_after; the default logs and aborts.
  using Abort = std::function<void(const LoopHealth&)>;

  explicit Watchdog(WatchdogOptions options, Report report = {}, Abort on_abort = {});
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Call before the loop runs, or on its thread. The returned handle ends the watching; it must end
  // before the watchdog does.
  Handle watch(Loop& loop, std::string name);

  std::vector<LoopHealth> health() const;  // any thread

  // One look at every loop as of `now`, as the thread does each period. Any thread; public for
  // tests.
  void check(Clock::time_point now);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caracal::event
