// Demo: runs the walk-through on a live lab: commands by the shell, packets by probes.
// Blocking; for the command line, which prints what it narrates.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kube/cluster_access.h"
#include "lab/demo_report.h"
#include "lab/plan.h"
#include "lab/walkthrough.h"

namespace caracal::lab {

struct DemoOptions {
  Plan plan;
  Paths paths;
  kube::ClusterAccess access;
  std::vector<WalkStep> steps;
  std::string folder;          // where commands run: that of the example files
  std::string program_folder;  // put in front of PATH, so that "caracal" is this program
};

// Told as it happens; each may be empty.
struct DemoNarration {
  std::function<void(const WalkStep&)> step_begins;
  std::function<void(const CommandReport&)> command_done;
  std::function<void(const StepReport&)> step_ends;
};

// Errors: the lab does not answer. What comes out other than expected is in the report.
Result<DemoReport> run_demo(const DemoOptions& options, const DemoNarration& narration);

}  // namespace caracal::lab
