// FlowGate: lets the first packet of a flow through at once and counts the others, so that a flood
// costs little and nothing waits.
//
// Of a flow that goes on, one record a window tells how many packets there were since the last one;
// a flow that pauses for a window is new again. New flows, and those that go on, are limited in
// number a second; what is over the limit is counted, not kept. Pure: the caller brings the time.
// Bounded by `flows`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "flowlog/flow.h"

namespace caracal::flowlog {

struct FlowLimits {
  uint32_t per_second = 100;  // records
  uint32_t burst = 200;
  size_t flows = 4096;  // followed at once
  std::chrono::milliseconds window{1000};
};

class FlowGate {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit FlowGate(FlowLimits limits) : limits_(limits), tokens_(limits.burst) {}

  // A packet (flow.count 1). The flow to be told now, if it is the first of its window.
  std::optional<Flow> add(const Flow& flow, Time now);
  // Flows whose window is over and that had repeats, with their count. To be called now and then
  // while followed() is not 0.
  std::vector<Flow> expire(Time now);

  size_t followed() const { return flows_.size(); }
  uint64_t dropped() const { return dropped_; }  // packets no record will tell of, since the start

 private:
  struct Open {
    Flow flow;  // count: repeats not yet told
    Time end;
  };
  bool take_token(Time now);

  FlowLimits limits_;
  double tokens_;
  Time refilled_{};
  std::unordered_map<FlowKey, Open> flows_;
  uint64_t dropped_ = 0;
};

}  // namespace caracal::flowlog
