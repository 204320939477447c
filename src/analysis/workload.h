// Workload: what a pod belongs to, as people name it.
#pragma once

#include <compare>
#include <map>
#include <string>

#include "model/object.h"

namespace caracal::analysis {

struct Workload {
  model::ObjectName name;
  std::string kind;  // "Deployment", "Pod" for pods without an owner
  std::string to_string() const { return name.to_string() + "[" + kind + "]"; }
  auto operator<=>(const Workload&) const = default;
};

// By pod. A pod that is not in it is a workload of its own.
using WorkloadOfPod = std::map<model::ObjectName, Workload>;

inline Workload workload_of(const WorkloadOfPod& workloads, const model::ObjectName& pod) {
  const auto it = workloads.find(pod);
  return it == workloads.end() ? Workload{pod, "Pod"} : it->second;
}

}  // namespace caracal::analysis
