#include "controller/cluster_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace caracal::controller {
namespace {

constexpr std::string_view kDefault = "default";
constexpr std::string_view kClusterType = "k8s,caracal";

// Would a merge patch with `wanted` leave `there` as it is?
bool holds(const json::value& there, const json::value& wanted) {
  const json::object* members = wanted.if_object();
  if (members == nullptr) return there == wanted;
  const json::object* present = there.if_object();
  if (present == nullptr) return false;
  return std::all_of(members->begin(), members->end(), [&](const auto& member) {
    const json::value* value = present->if_contains(member.key());
    return value != nullptr && holds(*value, member.value());
  });
}

}  // namespace

std::string random_guid() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

std::vector<ApiWrite> plan_information(const ObjectTable& existing, const ApiKind& where,
                                       const std::string& guid, const std::string& version) {
  json::object complete{{"clusterGUID", guid},
                        {"clusterType", kClusterType},
                        {"calicoVersion", version},
                        {"datastoreReady", true}};
  const ObjectTable::Entry entry = existing.find(std::string(kDefault));
  if (entry.object == nullptr) {
    if (where.api_version.empty()) return {};
    return {create_write(where, json::object{{"apiVersion", where.api_version},
                                             {"kind", where.kind},
                                             {"metadata", json::object{{"name", kDefault}}},
                                             {"spec", std::move(complete)}})};
  }
  json::object missing;
  for (const auto& [field, value] : complete) {
    const json::value* there = jsonio::get(*entry.object, {"spec", field});
    const bool empty =
        there == nullptr || there->is_null() || (there->is_string() && there->as_string().empty());
    if (empty) missing[field] = value;
  }
  if (missing.empty()) return {};
  const ApiKind kind{std::string(entry.api_version), "ClusterInformation", "clusterinformations"};
  return {patch_write(kind, *entry.object, {{"spec", std::move(missing)}})};
}

std::vector<ApiWrite> plan_configuration(const ObjectTable& existing, const ApiKind& where,
                                         const ControllerSettings& settings,
                                         uint16_t metrics_port) {
  const ObjectTable::Entry entry = existing.find(std::string(kDefault));
  if (entry.object == nullptr) {
    if (where.api_version.empty()) return {};
    return {create_write(where, default_configuration(where.api_version))};
  }
  json::object running = running_configuration(*entry.object, settings, metrics_port);
  const json::value* told = jsonio::get(*entry.object, {"status", "runningConfig"});
  // Calico's controllers tell more there, which stays.
  if (told != nullptr && holds(*told, json::value(running))) return {};
  const ApiKind kind{std::string(entry.api_version), "KubeControllersConfiguration",
                     "kubecontrollersconfigurations"};
  return {status_write(kind, *entry.object, {{"runningConfig", std::move(running)}})};
}

}  // namespace caracal::controller
