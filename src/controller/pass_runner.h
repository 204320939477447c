// PassRunner: runs the controller's passes, each when something it depends on has changed and from
// time to time, one at a time, and only while the controller acts.
//
// On the controller's loop. A pass is asynchronous: it calls back with what it did. It decides from
// the present state alone, so a pass that was cut off, or did half, is made good by the next.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "event/backoff.h"
#include "event/loop.h"
#include "jsonio/json.h"
#include "telemetry/metrics.h"

namespace caracal::controller {

struct PassReport {
  std::string text;   // what it did: "2 addresses released"; empty: nothing was to be done
  std::string error;  // what could not be done; the pass runs again after a while
  // When to look again though nothing changes; 0: only at the period.
  event::Duration again{0};
};
using PassDone = std::function<void(PassReport)>;

class PassRunner {
 public:
  struct Settings {
    event::Duration gather{100};  // changes are gathered for this long before a pass runs
    event::BackoffOptions backoff{.first = event::Duration(1'000),
                                  .longest = event::Duration(60'000)};
  };
  PassRunner(event::Loop& loop, telemetry::Metrics& metrics, Settings settings);

  // Calls `run` with a callback to be called exactly once. `period` is asked after each run.
  void add(std::string name, std::function<void(PassDone)> run,
           std::function<event::Duration()> period);
  void mark(const std::string& name);  // something it depends on has changed
  void mark_all();

  // Nothing runs before; what runs when it is stopped ends by itself (the fence is closed).
  void allow();
  void forbid();
  bool idle() const;  // nothing runs and nothing is marked
  // Every pass has run since allow(), and none with an error last time.
  bool all_done_once() const;
  // By pass: {runs, failures, did, error, milliseconds}.
  json::object status() const;
  std::string errors() const;  // of the last runs; empty: none

 private:
  struct Pass {
    std::string name;
    std::function<void(PassDone)> run;
    std::function<event::Duration()> period;
    event::Backoff backoff;
    bool marked = false;
    bool ran = false;  // since allow()
    uint64_t runs = 0;
    uint64_t failures = 0;
    PassReport last;
    std::string last_did;
    event::Duration took{0};
    event::Handle timer;
    telemetry::Counter* run_counter;
    telemetry::Counter* error_counter;
    telemetry::Histogram* seconds;
  };
  void schedule();
  void next();
  void finish(Pass& pass, event::Clock::time_point began, PassReport report);

  event::Loop& loop_;
  telemetry::Metrics& metrics_;
  Settings settings_;
  std::vector<std::unique_ptr<Pass>> passes_;
  Pass* running_ = nullptr;
  bool allowed_ = false;
  event::Handle timer_;
};

}  // namespace caracal::controller
