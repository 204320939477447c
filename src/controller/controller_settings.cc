#include "controller/controller_settings.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace caracal::controller {
namespace {

using std::chrono::milliseconds;

struct Unit {
  std::string_view name;
  double milliseconds;
};
// The longer names first: "ms" is no "m".
constexpr std::array<Unit, 7> kUnits = {{{"ns", 1e-6},
                                         {"us", 1e-3},
                                         {"\xc2\xb5s", 1e-3},
                                         {"ms", 1},
                                         {"s", 1e3},
                                         {"m", 60e3},
                                         {"h", 3600e3}}};
constexpr double kLongest = 1e12;  // 31 years

struct Level {
  std::string_view name;  // of the API
  std::string_view level;
};
constexpr std::array<Level, 7> kLevels = {{{"Debug", "debug"},
                                           {"Info", "info"},
                                           {"Warning", "warn"},
                                           {"Error", "error"},
                                           {"Fatal", "error"},
                                           {"Panic", "error"},
                                           {"None", "error"}}};

// A decimal number at the beginning, cut off from the text.
std::optional<double> cut_number(std::string_view& text) {
  double value = 0;
  double scale = 0;  // of the next digit behind the point; 0: before it
  bool any = false;
  size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.' && scale == 0) {
      scale = 0.1;
    } else if (c >= '0' && c <= '9') {
      any = true;
      value = scale == 0 ? value * 10 + (c - '0') : value + (c - '0') * scale;
      if (scale != 0) scale /= 10;
    } else {
      break;
    }
  }
  text.remove_prefix(i);
  return any ? std::optional(value) : std::nullopt;
}

void read_duration(const json::value& configuration, std::string_view field, milliseconds& into,
                   std::vector<std::string>& problems) {
  const json::value* value = jsonio::get(configuration, {"spec", "controllers", "node", field});
  if (value == nullptr || value->is_null()) return;
  const json::string* text = value->if_string();
  const auto duration = text == nullptr ? std::nullopt : parse_duration(*text);
  if (duration) {
    into = *duration;
    return;
  }
  problems.push_back(
      fmt::format("spec.controllers.node.{}: {}: must be a duration such as 5m or "
                  "1h30m; {} holds",
                  field, jsonio::to_string(*value), duration_text(into)));
}

}  // namespace

std::optional<milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return milliseconds(0);
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    const auto number = cut_number(text);
    if (!number) return std::nullopt;
    const Unit* unit = nullptr;
    for (const Unit& one : kUnits) {
      if (unit == nullptr && text.starts_with(one.name)) unit = &one;
    }
    if (unit == nullptr) return std::nullopt;
    text.remove_prefix(unit->name.size());
    total += *number * unit->milliseconds;
  }
  if (!(total <= kLongest)) return std::nullopt;
  return milliseconds(std::llround(total));
}

std::string duration_text(milliseconds duration) {
  const int64_t ms = duration.count();
  const int64_t seconds = ms / 1000 % 60;
  const int64_t minutes = ms / 60'000 % 60;
  const int64_t hours = ms / 3'600'000;
  const std::string rest =
      ms % 1000 == 0 ? fmt::format("{}s", seconds) : fmt::format("{}.{:03}s", seconds, ms % 1000);
  if (hours > 0) return fmt::format("{}h{}m{}", hours, minutes, rest);
  if (minutes > 0) return fmt::format("{}m{}", minutes, rest);
  return rest;
}

ControllerSettings decode_settings(const json::value* configuration) {
  ControllerSettings settings;
  if (configuration == nullptr) return settings;
  std::vector<std::string>& problems = settings.problems;
  read_duration(*configuration, "reconcilerPeriod", settings.period, problems);
  if (settings.period < std::chrono::seconds(1)) {
    problems.push_back(
        fmt::format("spec.controllers.node.reconcilerPeriod: {}: must be 1s or "
                    "more; 5m0s holds",
                    duration_text(settings.period)));
    settings.period = ControllerSettings().period;
  }
  read_duration(*configuration, "leakGracePeriod", settings.leak_grace, problems);
  const std::string_view severity =
      jsonio::get_string(*configuration, {"spec", "logSeverityScreen"}, "Info");
  bool known = false;
  for (const Level& level : kLevels) {
    if (level.name != severity) continue;
    settings.log_level = level.level;
    known = true;
  }
  if (!known && !severity.empty()) {
    problems.push_back(
        fmt::format("spec.logSeverityScreen: {}: must be None, Debug, Info, "
                    "Warning, Error, Fatal or Panic; Info holds",
                    severity));
  }
  settings.health_checks =
      jsonio::get_string(*configuration, {"spec", "healthChecks"}, "Enabled") != "Disabled";
  return settings;
}

json::value default_configuration(std::string_view api_version) {
  const ControllerSettings settings;
  json::object node{{"reconcilerPeriod", duration_text(settings.period)},
                    {"syncLabels", "Enabled"},
                    {"leakGracePeriod", duration_text(settings.leak_grace)},
                    {"hostEndpoint", json::object{{"autoCreate", "Disabled"},
                                                  {"createDefaultHostEndpoint", "Enabled"}}}};
  return json::object{
      {"apiVersion", api_version},
      {"kind", "KubeControllersConfiguration"},
      {"metadata", json::object{{"name", "default"}}},
      {"spec", json::object{{"logSeverityScreen", "Info"},
                            {"healthChecks", "Enabled"},
                            {"controllers", json::object{{"node", std::move(node)}}}}}};
}

json::object running_configuration(const json::value& configuration,
                                   const ControllerSettings& settings, uint16_t metrics_port) {
  json::object node{
      {"reconcilerPeriod", duration_text(settings.period)},
      {"leakGracePeriod", duration_text(settings.leak_grace)},
      // Labels of nodes need not be copied: policy and pools read them from the Node itself.
      {"syncLabels", "Enabled"}};
  json::object endpoints =
      jsonio::get_object(configuration, {"spec", "controllers", "node", "hostEndpoint"});
  if (endpoints.if_contains("autoCreate") == nullptr) endpoints["autoCreate"] = "Disabled";
  if (endpoints.if_contains("createDefaultHostEndpoint") == nullptr)
    endpoints["createDefaultHostEndpoint"] = "Enabled";
  node["hostEndpoint"] = std::move(endpoints);
  json::object out{{"logSeverityScreen",
                    jsonio::get_string(configuration, {"spec", "logSeverityScreen"}, "Info")},
                   {"healthChecks", settings.health_checks ? "Enabled" : "Disabled"},
                   {"controllers", json::object{{"node", std::move(node)}}}};
  if (metrics_port != 0) out["prometheusMetricsPort"] = metrics_port;
  return out;
}

}  // namespace caracal::controller
