#include "apiserver/kind_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "apimachinery/crd.h"
#include "apiserver/object.h"
#include "calico/object_rules.h"

namespace caracal::apiserver {
namespace {

using apimachinery::ResourceCatalog;
using apimachinery::ResourceType;

// The quality of service a kubelet would evict by: cpu and memory of all containers, requests and
// limits.
std::string_view qos_class(const json::value& pod) {
  bool any = false;
  bool all_equal = true;
  for (const char* list : {"containers", "initContainers"}) {
    for (const json::value& container : jsonio::get_array(pod, {"spec", list})) {
      const json::object& limits = jsonio::get_object(container, {"resources", "limits"});
      const json::object& requests = jsonio::get_object(container, {"resources", "requests"});
      for (const char* name : {"cpu", "memory"}) {
        const json::value* limit = limits.if_contains(name);
        const json::value* request = requests.if_contains(name);
        if (limit != nullptr || request != nullptr) any = true;
        if (limit == nullptr || (request != nullptr && *request != *limit)) all_equal = false;
      }
    }
  }
  return !any ? "BestEffort" : all_equal ? "Guaranteed" : "Burstable";
}

}  // namespace

bool is_tier(const ResourceType& type) {
  return !type.builtin && type.kind == "Tier" &&
         (type.group == "projectcalico.org" || type.group == "crd.projectcalico.org");
}

bool is_kind(const ResourceType& type, std::string_view group, std::string_view kind) {
  return type.builtin && type.group == group && type.kind == kind;
}

void prepare_create(const ResourceType& type, const ResourceCatalog& catalog, json::value& object) {
  // A node registers itself with its status; of all others the status is the server's and
  // controllers'.
  if (type.has_status() && !is_kind(type, "", "Node")) object.get_object().erase("status");
  if (is_kind(type, "", "Pod")) {
    json::value& account = jsonio::ensure(object, {"spec", "serviceAccountName"});
    if (!account.is_string() || account.get_string().empty()) account = "default";
    object.get_object()["status"] =
        json::object{{"phase", "Pending"}, {"qosClass", qos_class(object)}};
  } else if (is_kind(type, "", "Namespace")) {
    json::value& finalizers = jsonio::ensure(object, {"spec", "finalizers"});
    if (!finalizers.is_array()) finalizers.emplace_array();
    json::array& list = finalizers.get_array();
    const json::value own(kNamespaceFinalizer);
    if (std::find(list.begin(), list.end(), own) == list.end()) list.push_back(own);
    object.get_object()["status"] = json::object{{"phase", "Active"}};
  } else if (is_kind(type, "", "Service")) {
    object.get_object()["status"] = json::object{{"loadBalancer", json::object()}};
  } else if (is_kind(type, "apiextensions.k8s.io", "CustomResourceDefinition")) {
    apimachinery::set_crd_status(object, catalog, rfc3339_now());
  }
}

void prepare_update(const ResourceType& type, const ResourceCatalog& catalog, json::value& object,
                    const json::value& old) {
  if (is_kind(type, "", "Service")) {
    // A client that did not read the allocated address keeps it.
    for (const char* field : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) {
      const json::value* before = jsonio::get(old, {"spec", field});
      if (before != nullptr && jsonio::get(object, {"spec", field}) == nullptr &&
          jsonio::get_string(object, {"spec", "type"}) != "ExternalName") {
        jsonio::ensure(object, {"spec", field}) = *before;
      }
    }
  } else if (is_kind(type, "", "Namespace")) {
    // Only the finalize subresource changes spec.
    if (const json::value* spec = jsonio::get(old, {"spec"})) object.get_object()["spec"] = *spec;
  } else if (is_kind(type, "apiextensions.k8s.io", "CustomResourceDefinition")) {
    apimachinery::set_crd_status(object, catalog, rfc3339_now());
  }
}

void prepare_delete(const ResourceType& type, json::value& object) {
  if (is_kind(type, "", "Namespace")) {
    jsonio::ensure(object, {"status", "phase"}) = "Terminating";
  } else if (is_kind(type, "apiextensions.k8s.io", "CustomResourceDefinition")) {
    add_finalizer(object, kCrdFinalizer);
    json::value& conditions = jsonio::ensure(object, {"status", "conditions"});
    if (!conditions.is_array()) conditions.emplace_array();
    conditions.get_array().push_back(
        json::object{{"type", "Terminating"},
                     {"status", "True"},
                     {"reason", "InstanceDeletionInProgress"},
                     {"message", "CustomResource deletion is in progress"},
                     {"lastTransitionTime", rfc3339_now()}});
  }
}

std::optional<std::string> deletion_forbidden(const ResourceType& type, std::string_view name) {
  static constexpr std::array<std::string_view, 3> kImmortal = {"default", "kube-system",
                                                                "kube-public"};
  if (is_tier(type) && calico::is_builtin_tier(name)) return "this tier may not be deleted";
  if (is_kind(type, "", "Namespace") &&
      std::find(kImmortal.begin(), kImmortal.end(), name) != kImmortal.end()) {
    return "this namespace may not be deleted";
  }
  return std::nullopt;
}

int64_t grace_period(const ResourceType& type, const json::value& object,
                     std::optional<int64_t> requested) {
  if (!type.graceful_deletion) return 0;
  // Nobody runs it: nobody needs time to end it.
  const std::string_view phase = jsonio::get_string(object, {"status", "phase"});
  if (jsonio::get_string(object, {"spec", "nodeName"}).empty() || phase == "Succeeded" ||
      phase == "Failed") {
    return 0;
  }
  const int64_t own = jsonio::get_int(object, {"spec", "terminationGracePeriodSeconds"}, 30);
  return std::max<int64_t>(0, requested.value_or(own));
}

bool may_vanish(const ResourceType& type, const json::value& object) {
  if (!object_finalizers(object).empty()) return false;
  if (is_kind(type, "", "Namespace") && !jsonio::get_array(object, {"spec", "finalizers"}).empty())
    return false;
  return jsonio::get_int(object, {"metadata", "deletionGracePeriodSeconds"}) == 0;
}

}  // namespace caracal::apiserver
