#include "manifests/workload_pods.h"

#include <algorithm>
#include <array>

namespace caracal::manifests {
namespace {

constexpr std::array<std::string_view, 9> kKinds = {
    "Deployment", "StatefulSet",           "DaemonSet",
    "ReplicaSet", "ReplicationController", "Job",
    "CronJob",    "VirtualMachine",        "VirtualMachineInstance"};

const json::value* template_of(const json::value& workload, std::string_view kind) {
  if (kind == "CronJob") return jsonio::get(workload, {"spec", "jobTemplate", "spec", "template"});
  if (kind == "VirtualMachineInstance") return &workload;
  return jsonio::get(workload, {"spec", "template"});
}

}  // namespace

bool is_workload(std::string_view kind) {
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
}

Result<json::value> pod_of_template(const json::value& workload) {
  const std::string_view kind = jsonio::get_string(workload, {"kind"});
  const json::value* pod_template = template_of(workload, kind);
  if (pod_template == nullptr || !pod_template->is_object()) {
    return fail(Errc::kInvalid, kind == "CronJob" ? "spec.jobTemplate.spec.template: required"
                                                  : "spec.template: required");
  }
  json::object metadata;
  metadata["name"] = jsonio::get_string(workload, {"metadata", "name"});
  metadata["namespace"] = jsonio::get_string(workload, {"metadata", "namespace"});
  for (const char* field : {"labels", "annotations"}) {
    if (const json::value* value = jsonio::get(*pod_template, {"metadata", field}))
      metadata[field] = *value;
  }
  json::object pod{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", std::move(metadata)}};
  const json::value* spec = jsonio::get(*pod_template, {"spec"});
  // The specification of a virtual machine is not that of its pod.
  if (spec != nullptr && !kind.starts_with("VirtualMachine")) pod["spec"] = *spec;
  return json::value(std::move(pod));
}

std::optional<Owner> controller_of(const json::value& object) {
  const json::array& owners = jsonio::get_array(object, {"metadata", "ownerReferences"});
  const json::value* found = nullptr;
  for (const json::value& owner : owners) {
    if (found == nullptr || jsonio::get_bool(owner, {"controller"})) found = &owner;
  }
  if (found == nullptr) return std::nullopt;
  Owner out{std::string(jsonio::get_string(*found, {"kind"}, "Pod")),
            std::string(jsonio::get_string(*found, {"name"}))};
  // A static pod is its node's, and still nobody else's.
  if (out.name.empty() || out.kind == "Node") return std::nullopt;
  return out;
}

}  // namespace caracal::manifests
