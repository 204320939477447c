// The lab's scheduler: which node a pod goes to. A pure function of the nodes and the pods.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "lab/pod_spec.h"

namespace caracal::lab {

struct SchedulableNode {
  std::string name;
  model::Labels labels;
  bool ready = true;
  bool unschedulable = false;  // cordoned, or tainted NoSchedule or NoExecute
};

struct PlacedPod {
  model::ObjectName name;
  model::Labels labels;
  std::string node;
};

// The node with the fewest pods among those that fit (nodeSelector; required podAffinity within the
// pod's own namespace, topologyKey kubernetes.io/hostname), the first by name among equals. The
// error (kUnavailable) says how many nodes failed for which reason, as kube-scheduler's event does.
Result<std::string> choose_node(const PodSpec& pod, const std::vector<SchedulableNode>& nodes,
                                const std::vector<PlacedPod>& placed);

}  // namespace caracal::lab
