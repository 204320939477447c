// PodSpec: what the lab's kubelet needs of a Pod object to run it. Pure.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"
#include "lab/pod_server.h"
#include "model/object.h"

namespace caracal::lab {

// A pod with this annotation runs its first container's command and args as a process of the host,
// in the pod's network namespace, in place of the built-in server.
inline constexpr const char* kExecAnnotation = "caracal.io/lab-exec";

struct PodSpec {
  model::ObjectName name;
  std::string uid;
  std::string resource_version;
  model::Labels labels;
  std::string node;       // spec.nodeName
  std::string scheduler;  // spec.schedulerName
  bool deleting = false;  // metadata.deletionTimestamp is set
  bool finished = false;  // phase Succeeded or Failed
  bool host_network = false;
  std::string restart_policy = "Always";
  std::chrono::seconds grace{30};
  std::vector<std::string> containers;   // names
  std::vector<std::string> images;       // of the same containers
  std::vector<ServedPort> ports;         // each once
  std::vector<std::string> command;      // of the host; empty: the built-in server
  std::vector<std::string> environment;  // for the command, "NAME=value"
  model::Labels node_selector;
  std::vector<json::value> affinity_terms;  // spec.affinity.podAffinity.required...
  json::array port_mappings;  // of hostPorts, as CNI's portMappings capability has them
  std::string problem;        // an annotation that cannot be used: why; the pod cannot start
  json::object bandwidth;     // of kubernetes.io/{ingress,egress}-bandwidth, as the capability
};

// REQUIRES: an object as the API server gives it.
PodSpec read_pod_spec(const json::value& object);

// "10M" -> 10000000 (bits a second): a Kubernetes quantity with k, M, G, Ki, Mi, Gi or none.
Result<uint64_t> parse_bandwidth(std::string_view text);

}  // namespace caracal::lab
