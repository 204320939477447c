#include "flowlog/flow_gate.h"

#include <algorithm>

namespace caracal::flowlog {

bool FlowGate::take_token(Time now) {
  if (refilled_ == Time{}) refilled_ = now;
  const double seconds = std::chrono::duration<double>(now - refilled_).count();
  refilled_ = now;
  tokens_ = std::min(tokens_ + seconds * limits_.per_second, double{1} * limits_.burst);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

std::optional<Flow> FlowGate::add(const Flow& flow, Time now) {
  const auto found = flows_.find(flow.key());
  if (found != flows_.end()) {
    ++found->second.flow.count;
    found->second.flow.time = flow.time;
    return std::nullopt;
  }
  if (flows_.size() >= limits_.flows || !take_token(now)) {
    ++dropped_;
    return std::nullopt;
  }
  Open& open = flows_[flow.key()];
  open.flow = flow;
  open.flow.count = 0;
  open.end = now + limits_.window;
  return flow;
}

std::vector<Flow> FlowGate::expire(Time now) {
  std::vector<Flow> out;
  for (auto it = flows_.begin(); it != flows_.end();) {
    Open& open = it->second;
    if (open.end > now) {
      ++it;
    } else if (open.flow.count == 0) {
      it = flows_.erase(it);
    } else {
      if (take_token(now)) {
        out.push_back(open.flow);
      } else {
        dropped_ += open.flow.count;
      }
      open.flow.count = 0;
      open.end = now + limits_.window;
      ++it;
    }
  }
  return out;
}

}  // namespace caracal::flowlog
