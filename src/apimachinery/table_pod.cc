// The columns of pods. STATUS and READY tell a pod's state the way kubectl users read it: from the
// states of its containers, not from its phase alone.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "apimachinery/table_cells.h"

namespace caracal::apimachinery {
namespace {

struct PodState {
  std::string status;
  size_t ready = 0;
  size_t total = 0;
  int64_t restarts = 0;
  std::optional<Timestamp> last_restart;
};

bool condition_is_true(const json::value& pod, std::string_view type) {
  const json::array& conditions = jsonio::get_array(pod, {"status", "conditions"});
  return std::any_of(conditions.begin(), conditions.end(), [type](const json::value& condition) {
    return jsonio::get_string(condition, {"type"}) == type &&
           jsonio::get_string(condition, {"status"}) == "True";
  });
}

// "Error", else "Signal:9", else "ExitCode:1".
std::string termination_text(const json::value& terminated) {
  const std::string_view reason = jsonio::get_string(terminated, {"reason"});
  if (!reason.empty()) return std::string(reason);
  const int64_t signal = jsonio::get_int(terminated, {"signal"});
  if (signal != 0) return fmt::format("Signal:{}", signal);
  return fmt::format("ExitCode:{}", jsonio::get_int(terminated, {"exitCode"}));
}

// An init container that keeps running beside the others (a sidecar).
bool is_sidecar(const json::value& pod, std::string_view container_name) {
  const json::array& containers = jsonio::get_array(pod, {"spec", "initContainers"});
  return std::any_of(containers.begin(), containers.end(), [&](const json::value& container) {
    return jsonio::get_string(container, {"name"}) == container_name &&
           jsonio::get_string(container, {"restartPolicy"}) == "Always";
  });
}

void count_restarts(const json::value& status, PodState& state) {
  state.restarts += jsonio::get_int(status, {"restartCount"});
  const std::optional<Timestamp> finished =
      parse_rfc3339(jsonio::get_string(status, {"lastState", "terminated", "finishedAt"}));
  if (finished && (!state.last_restart || *state.last_restart < *finished)) {
    state.last_restart = finished;
  }
}

// What an init container holds the pod up with; nothing when it is done.
std::optional<std::string> init_text(const json::value& pod, const json::value& status,
                                     size_t index) {
  const bool sidecar = is_sidecar(pod, jsonio::get_string(status, {"name"}));
  if (const json::value* terminated = jsonio::get(status, {"state", "terminated"})) {
    if (jsonio::get_int(*terminated, {"exitCode"}) == 0) return std::nullopt;
    return "Init:" + termination_text(*terminated);
  }
  if (sidecar && jsonio::get_bool(status, {"started"})) return std::nullopt;
  const std::string_view waiting = jsonio::get_string(status, {"state", "waiting", "reason"});
  if (!waiting.empty() && waiting != "PodInitializing") return fmt::format("Init:{}", waiting);
  return fmt::format("Init:{}/{}", index,
                     jsonio::get_array(pod, {"spec", "initContainers"}).size());
}

// Whether an init container is still at work; its text becomes the status.
bool read_init_containers(const json::value& pod, PodState& state) {
  const json::array& statuses = jsonio::get_array(pod, {"status", "initContainerStatuses"});
  for (size_t i = 0; i < statuses.size(); ++i) {
    const json::value& status = statuses[i];
    count_restarts(status, state);
    const std::optional<std::string> text = init_text(pod, status, i);
    if (text) {
      state.status = *text;
      return true;
    }
    const bool sidecar = is_sidecar(pod, jsonio::get_string(status, {"name"}));
    if (sidecar && jsonio::get_bool(status, {"ready"})) ++state.ready;
  }
  return false;
}

void read_containers(const json::value& pod, PodState& state) {
  const json::array& statuses = jsonio::get_array(pod, {"status", "containerStatuses"});
  bool running = false;
  // Backwards: the first container that has something to say has the last word.
  for (size_t i = statuses.size(); i-- > 0;) {
    const json::value& status = statuses[i];
    count_restarts(status, state);
    const std::string_view waiting = jsonio::get_string(status, {"state", "waiting", "reason"});
    const json::value* terminated = jsonio::get(status, {"state", "terminated"});
    if (!waiting.empty()) {
      state.status = waiting;
    } else if (terminated != nullptr) {
      state.status = termination_text(*terminated);
    } else if (jsonio::get_bool(status, {"ready"}) &&
               jsonio::get(status, {"state", "running"}) != nullptr) {
      running = true;
      ++state.ready;
    }
  }
  if (state.status == "Completed" && running) {
    state.status = condition_is_true(pod, "Ready") ? "Running" : "NotReady";
  }
}

PodState read_pod(const json::value& pod) {
  PodState state;
  const std::string_view phase = jsonio::get_string(pod, {"status", "phase"});
  const std::string_view reason = jsonio::get_string(pod, {"status", "reason"});
  state.status = reason.empty() ? phase : reason;
  state.total = jsonio::get_array(pod, {"spec", "containers"}).size();
  for (const json::value& container : jsonio::get_array(pod, {"spec", "initContainers"})) {
    if (jsonio::get_string(container, {"restartPolicy"}) == "Always") ++state.total;
  }
  for (const json::value& condition : jsonio::get_array(pod, {"status", "conditions"})) {
    if (jsonio::get_string(condition, {"type"}) == "PodScheduled" &&
        jsonio::get_string(condition, {"reason"}) == "SchedulingGated") {
      state.status = "SchedulingGated";
    }
  }
  const bool initializing = read_init_containers(pod, state);
  if (!initializing || condition_is_true(pod, "Initialized")) read_containers(pod, state);

  const bool deleted = !jsonio::get_string(pod, {"metadata", "deletionTimestamp"}).empty();
  const bool ended = phase == "Succeeded" || phase == "Failed";
  if (deleted && reason == "NodeLost") {
    state.status = "Unknown";
  } else if (deleted && !ended) {
    state.status = "Terminating";
  }
  return state;
}

json::value ready_cell(const json::value& pod, Timestamp /*now*/) {
  const PodState state = read_pod(pod);
  return text_value(fmt::format("{}/{}", state.ready, state.total));
}

json::value status_cell(const json::value& pod, Timestamp /*now*/) {
  return text_value(read_pod(pod).status);
}

json::value restarts_cell(const json::value& pod, Timestamp now) {
  const PodState state = read_pod(pod);
  std::string text = fmt::format("{}", state.restarts);
  if (state.restarts != 0 && state.last_restart) {
    const auto ago = std::chrono::duration_cast<std::chrono::seconds>(now - *state.last_restart);
    text += fmt::format(" ({} ago)", human_duration(ago));
  }
  return text_value(text);
}

json::value readiness_gates_cell(const json::value& pod, Timestamp /*now*/) {
  const json::array& gates = jsonio::get_array(pod, {"spec", "readinessGates"});
  if (gates.empty()) return text_value(kNone);
  const auto passed = std::count_if(gates.begin(), gates.end(), [&pod](const json::value& gate) {
    return condition_is_true(pod, jsonio::get_string(gate, {"conditionType"}));
  });
  return text_value(fmt::format("{}/{}", passed, gates.size()));
}

json::value ip_cell(const json::value& pod, Timestamp /*now*/) {
  const json::array& ips = jsonio::get_array(pod, {"status", "podIPs"});
  if (!ips.empty()) return text_or(ips[0], {"ip"}, kNone);
  return text_or(pod, {"status", "podIP"}, kNone);
}

}  // namespace

std::vector<TableColumn> pod_columns() {
  return {
      name_column(),
      text_column("Ready", "Containers that are ready, of all the pod has", ready_cell),
      text_column("Status", "State of the pod, told from its containers", status_cell),
      text_column("Restarts", "How often containers of the pod were restarted, and when last",
                  restarts_cell),
      age_column(),
      text_column("IP", "First address of the pod", ip_cell, kWide),
      text_column(
          "Node", "Node the pod is bound to",
          [](const json::value& pod, Timestamp) {
            return text_or(pod, {"spec", "nodeName"}, kNone);
          },
          kWide),
      text_column(
          "Nominated Node", "Node on which room is being made for the pod",
          [](const json::value& pod, Timestamp) {
            return text_or(pod, {"status", "nominatedNodeName"}, kNone);
          },
          kWide),
      text_column("Readiness Gates", "Extra readiness conditions that hold, of all the pod names",
                  readiness_gates_cell, kWide),
  };
}

}  // namespace caracal::apimachinery
