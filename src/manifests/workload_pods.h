// Objects that stand for pods of a template: each becomes one pod that can be asked about.
//
// Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob, and
// KubeVirt's VirtualMachine and VirtualMachineInstance, whose machine runs in a pod with the labels
// of its template.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::manifests {

bool is_workload(std::string_view kind);

// A core/v1 Pod object with the template's metadata and spec, named and placed as the workload is.
// Errors: kInvalid, when there is no template.
Result<json::value> pod_of_template(const json::value& workload);

// The kind and name of an object's controller (metadata.ownerReferences; of several, the one marked
// as controller). A reference without a kind is taken for a Pod, so that pods which name nothing
// but a common owner stay together.
struct Owner {
  std::string kind;
  std::string name;
};
std::optional<Owner> controller_of(const json::value& object);

}  // namespace caracal::manifests
