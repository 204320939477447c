#include "lab/pod_status.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>

#include "lab/condition.h"

namespace caracal::lab {
namespace {

json::array address_list(const std::vector<net::IpAddr>& addresses) {
  json::array out;
  for (const net::IpAddr& address : addresses)
    out.push_back(json::object{{"ip", address.to_string()}});
  return out;
}

json::object pod_condition(std::string_view type, bool on, std::string_view reason,
                           const json::value& old_status, const std::string& now) {
  json::object out = make_condition(type, on, old_status, now);
  out["lastProbeTime"] = nullptr;
  if (!on && !reason.empty()) out["reason"] = reason;
  return out;
}

json::object container_state(const PodCondition& condition) {
  using Phase = PodCondition::Phase;
  switch (condition.phase) {
    case Phase::kCreating: {
      json::object waiting{{"reason", "ContainerCreating"}};
      if (!condition.message.empty()) waiting["message"] = condition.message;
      return {{"waiting", waiting}};
    }
    case Phase::kRunning:
      return {{"running", json::object{{"startedAt", condition.start_time}}}};
    case Phase::kRestarting: {
      json::object waiting{{"reason", "CrashLoopBackOff"}};
      if (!condition.message.empty()) waiting["message"] = condition.message;
      return {{"waiting", waiting}};
    }
    case Phase::kSucceeded:
    case Phase::kFailed:
      return {
          {"terminated", json::object{{"exitCode", condition.exit_code},
                                      {"reason", condition.exit_code == 0 ? "Completed" : "Error"},
                                      {"startedAt", condition.start_time},
                                      {"finishedAt", condition.finish_time},
                                      {"containerID", "caracal-lab://" + condition.container_id}}}};
  }
  return {};
}

}  // namespace

json::value make_pod_status(const PodSpec& pod, const PodCondition& condition,
                            const json::value& old_status, const std::string& now) {
  using Phase = PodCondition::Phase;
  json::object status;
  const bool running = condition.phase == Phase::kRunning;
  const bool done = condition.phase == Phase::kSucceeded || condition.phase == Phase::kFailed;
  status["phase"] = condition.phase == Phase::kCreating    ? "Pending"
                    : condition.phase == Phase::kSucceeded ? "Succeeded"
                    : condition.phase == Phase::kFailed    ? "Failed"
                                                           : "Running";
  const std::string_view not_ready = done ? "PodCompleted" : "ContainersNotReady";
  status["conditions"] =
      json::array{pod_condition("Initialized", true, "", old_status, now),
                  pod_condition("Ready", running, not_ready, old_status, now),
                  pod_condition("ContainersReady", running, not_ready, old_status, now),
                  pod_condition("PodScheduled", true, "", old_status, now)};
  if (!condition.message.empty() && condition.phase == Phase::kFailed)
    status["message"] = condition.message;
  if (!condition.host_addresses.empty()) {
    status["hostIP"] = condition.host_addresses.front().to_string();
    status["hostIPs"] = address_list(condition.host_addresses);
  }
  if (!condition.pod_addresses.empty()) {
    status["podIP"] = condition.pod_addresses.front().to_string();
    status["podIPs"] = address_list(condition.pod_addresses);
  }
  if (!condition.start_time.empty()) {
    status["startTime"] = jsonio::get_string(old_status, {"startTime"}, condition.start_time);
  }
  json::array containers;
  for (size_t i = 0; i < pod.containers.size(); ++i) {
    json::object container{{"name", pod.containers[i]},
                           {"image", pod.images[i]},
                           {"imageID", ""},
                           {"ready", running},
                           {"started", running},
                           {"restartCount", condition.restarts},
                           {"state", container_state(condition)},
                           {"lastState", json::object()}};
    if (!condition.container_id.empty())
      container["containerID"] = "caracal-lab://" + condition.container_id;
    containers.push_back(std::move(container));
  }
  status["containerStatuses"] = std::move(containers);
  status["qosClass"] = jsonio::get_string(old_status, {"qosClass"}, "BestEffort");
  return status;
}

json::value make_event(std::string_view kind, const model::ObjectName& about, std::string_view uid,
                       std::string_view type, std::string_view reason, std::string_view message,
                       std::string_view source, std::string_view host, std::string_view now) {
  static std::atomic<uint64_t> counter{0};
  const auto ticks = std::chrono::system_clock::now().time_since_epoch().count();
  json::object reference{{"kind", kind}, {"apiVersion", "v1"}, {"name", about.name}, {"uid", uid}};
  if (!about.ns.empty()) reference["namespace"] = about.ns;
  json::object from{{"component", source}};
  if (!host.empty()) from["host"] = host;
  return {{"apiVersion", "v1"},
          {"kind", "Event"},
          {"metadata", json::object{{"name", fmt::format("{}.{:x}{:02x}", about.name.substr(0, 200),
                                                         ticks, counter.fetch_add(1) & 0xff)},
                                    {"namespace", about.ns.empty() ? "default" : about.ns}}},
          {"involvedObject", reference},
          {"type", type},
          {"reason", reason},
          {"message", message.substr(0, 1024)},
          {"source", from},
          {"firstTimestamp", now},
          {"lastTimestamp", now},
          {"count", 1}};
}

std::string now_rfc3339() {
  const auto now =
      std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
}

std::string now_rfc3339_micro() {
  const auto now = std::chrono::system_clock::now();
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() %
      1'000'000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(now)), micros);
}

}  // namespace caracal::lab
