// VerdictWatch: when exactly did the verdict on packets change?
//
// Sends one TCP connection attempt every millisecond from a thread of its own and remembers when
// each was sent and whether it was answered. Each attempt is one SYN: it is given up before the
// kernel would send a second one.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "base/result.h"
#include "lab/probe.h"

namespace caracal::lab {

class VerdictWatch {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  struct Change {
    TimePoint at;          // when the first packet with the new verdict was sent
    bool changed = false;  // false: the verdict was this one from the first packet on
  };

  // REQUIRES: the probe's protocol is TCP.
  static std::unique_ptr<VerdictWatch> start(Probe probe);
  ~VerdictWatch();

  // Waits until packets sent from some moment on all meet `expected` (kOpen or kSilent), for at
  // least the time a silent attempt is given; and returns that moment. kTimeout after `limit`.
  Result<Change> wait_for(Outcome expected, std::chrono::milliseconds limit);

 private:
  struct Impl;
  explicit VerdictWatch(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace caracal::lab
