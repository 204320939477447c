// The status the lab's kubelet writes into a Pod, and the events it tells. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jsonio/json.h"
#include "lab/pod_spec.h"
#include "net/ip_addr.h"

namespace caracal::lab {

// What became of a pod on its node.
struct PodCondition {
  enum class Phase { kCreating, kRunning, kRestarting, kSucceeded, kFailed };
  Phase phase = Phase::kCreating;
  std::string message;  // kCreating, kFailed: why it is not further
  std::vector<net::IpAddr> pod_addresses;
  std::vector<net::IpAddr> host_addresses;
  std::string container_id;
  std::string start_time;  // RFC 3339; empty: not started
  std::string finish_time;
  int restarts = 0;
  int exit_code = 0;  // of the last end
};

// The "status" of the object. Conditions keep the lastTransitionTime they have in `old_status` as
// long as they do not change; `now` (RFC 3339) is that of those that do.
json::value make_pod_status(const PodSpec& pod, const PodCondition& condition,
                            const json::value& old_status, const std::string& now);

// A core/v1 Event about a pod (or, with an empty ns, a node). `source`: "kubelet",
// "default-scheduler".
json::value make_event(std::string_view kind, const model::ObjectName& about, std::string_view uid,
                       std::string_view type, std::string_view reason, std::string_view message,
                       std::string_view source, std::string_view host, std::string_view now);

// "2026-01-31T12:00:00Z" and the same with microseconds, of the present moment.
std::string now_rfc3339();
std::string now_rfc3339_micro();

}  // namespace caracal::lab
