// The supervisor of a lab, `caracal lab run`: one daemon that plays scheduler, kubelets, container
// runtime and DaemonSet for the lab's nodes, until SIGTERM. Pods and agents outlive it; the next
// one adopts them. One loop; run_supervisor() returns when it ends.
#pragma once

#include <string>

#include "base/result.h"
#include "kube/cluster_access.h"
#include "lab/plan.h"

namespace caracal::lab {

struct SupervisorOptions {
  Plan plan;
  Paths paths;
  kube::ClusterAccess access;
  std::string agent_program;
  std::string pod_program;
  std::string controller_program;  // empty: the lab does without
  int ready_fd = -1;               // gets "ready\n" when it runs
};

Status run_supervisor(const SupervisorOptions& options);

}  // namespace caracal::lab
