// Why a packet got no further than where it was seen last: asks the policies, the agents' flow
// logs, and the kernel's routes and neighbours there. Blocking; for lab/trace.cc.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "lab/journey.h"
#include "lab/lab.h"
#include "model/world.h"
#include "policy/oracle/explanation.h"

namespace caracal::lab {

// "egress of dev/pod1: denied by rule 0 of networkpolicy dev/x in tier default".
std::string verdict_text(const policy::oracle::DirectionExplanation& direction);

struct LossPlace {
  std::string place;  // of the last sighting: a node, router, pod, ...
  std::string netns;  // path; empty: the host's
  bool is_node = false;
  Sighting last;
};

// Of a packet that came into the place and did not leave it, or left it and came nowhere. `denied`:
// the policy verdicts (as text) that hold at that place.
std::vector<std::string> explain_loss(const Lab& lab, const LossPlace& loss,
                                      const std::vector<std::string>& denied);

// What the node's agent recorded about the packet, as `caracal flows` prints it; empty: nothing
// within `limit`.
std::string flow_log_entry(const Lab& lab, const std::string& node, const Sighting& packet,
                           std::chrono::system_clock::time_point since,
                           std::chrono::milliseconds limit);

}  // namespace caracal::lab
