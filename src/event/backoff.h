// Backoff: how long to wait before the next attempt. Exponential with jitter; pure but for the
// random numbers, which are injected. Thread-compatible.
#pragma once

#include <functional>

#include "event/loop.h"

namespace caracal::event {

struct BackoffOptions {
  Duration first{200};
  Duration longest{30'000};
  double factor = 2.0;
  double jitter = 0.25;  // a wait is between (1 - jitter) and 1 times the computed one
};

// A number in [0, 1).
using Random = std::function<double()>;
Random system_random();

class Backoff {
 public:
  explicit Backoff(BackoffOptions options = {}, Random random = system_random());

  // The wait before the next attempt; each call counts as one more failure.
  Duration next();
  // After a success: the next wait is the first again.
  void reset() { failures_ = 0; }
  int failures() const { return failures_; }

 private:
  BackoffOptions options_;
  Random random_;
  int failures_ = 0;
};

}  // namespace caracal::event
