// FlowWatch: reads what the ruleset logs, on a thread of its own, and hands on flows.
//
//   kernel --NFLOG--> readers --> parse --> FlowGate --flows--> calculation loop
//
// A thread of its own, so that a flood of denied packets slows nothing else; the gate bounds what
// is handed on. Allowed packets are never seen here.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/result.h"
#include "event/loop.h"
#include "flowlog/flow_gate.h"
#include "flowlog/nflog_reader.h"
#include "telemetry/metrics.h"

namespace caracal::agent {

class FlowWatch {
 public:
  using Deliver = std::function<void(std::vector<flowlog::Flow>)>;
  // `deliver` runs on `receiver`. Errors: kConflict: another process reads the log groups; what the
  // kernel refuses.
  static Result<std::unique_ptr<FlowWatch>> start(event::Loop& receiver, Deliver deliver,
                                                  flowlog::FlowLimits limits,
                                                  telemetry::Metrics& metrics);
  ~FlowWatch();
  FlowWatch(const FlowWatch&) = delete;
  FlowWatch& operator=(const FlowWatch&) = delete;

  event::Loop& loop() { return loop_; }
  // Packets that no record tells of: lost on the way from the kernel, or over the limits.
  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  FlowWatch(event::Loop& receiver, Deliver deliver, flowlog::FlowLimits limits,
            telemetry::Metrics& metrics);
  void read(flowlog::NflogReader& reader);
  void expire();
  void hand_on(std::vector<flowlog::Flow> flows);
  void count();

  event::Loop& receiver_;
  Deliver deliver_;
  flowlog::FlowGate gate_;
  std::vector<std::unique_ptr<flowlog::NflogReader>> readers_;
  std::atomic<uint64_t> lost_{0};
  std::atomic<uint64_t> dropped_{0};
  uint64_t lost_told_ = 0;
  uint64_t dropped_told_ = 0;
  telemetry::Counter& packets_;
  telemetry::Counter& lost_counter_;
  telemetry::Counter& dropped_counter_;

  event::Loop loop_;
  std::vector<event::Handle> watches_;
  event::Handle timer_;
  std::thread thread_;
};

}  // namespace caracal::agent
