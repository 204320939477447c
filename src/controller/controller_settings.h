// What KubeControllersConfiguration "default" (calico.md 2.14) asks of this controller. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jsonio/json.h"

namespace caracal::controller {

struct ControllerSettings {
  std::chrono::milliseconds period{5 * 60'000};       // node.reconcilerPeriod
  std::chrono::milliseconds leak_grace{15 * 60'000};  // node.leakGracePeriod; 0: never collected
  std::string log_level = "info";                     // of log::set_level
  bool health_checks = true;
  std::vector<std::string> problems;  // fields that cannot be read; the defaults hold for them
  bool operator==(const ControllerSettings&) const = default;
};

// null: there is no such object.
ControllerSettings decode_settings(const json::value* configuration);

// Durations as the API has them: "5m", "1h30m", "1.5s", "300ms", "0". nullopt: anything else, and
// what is negative.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
std::string duration_text(std::chrono::milliseconds duration);  // "5m0s"

// The object as it is made when there is none: everything as the defaults are.
json::value default_configuration(std::string_view api_version);
// status.runningConfig: what holds now. `metrics_port`: 0: none.
json::object running_configuration(const json::value& configuration,
                                   const ControllerSettings& settings, uint16_t metrics_port);

}  // namespace caracal::controller
