#include "apimachinery/builtin_validation.h"

#include "apimachinery/field_cursor.h"

namespace caracal::apimachinery {
namespace {

struct KindRules {
  std::string_view group;
  std::string_view kind;
  void (*always)(const Field& object, FieldErrors& errors);
  void (*on_update)(const Field& object, const Field& old, FieldErrors& errors);
};

constexpr KindRules kRules[] = {
    {"", "Pod", validate_pod, validate_pod_update},
    {"", "Service", validate_service, validate_service_update},
    {"", "Namespace", validate_namespace, nullptr},
    {"", "Node", validate_node, validate_node_update},
    {"", "ConfigMap", validate_config_map, validate_config_map_update},
    {"", "Secret", validate_secret, validate_secret_update},
    {"", "Event", validate_event, nullptr},
    {"", "Endpoints", validate_endpoints, nullptr},
    {"discovery.k8s.io", "EndpointSlice", validate_endpoint_slice, validate_endpoint_slice_update},
    {"networking.k8s.io", "NetworkPolicy", validate_network_policy, nullptr},
    {"coordination.k8s.io", "Lease", validate_lease, nullptr},
};

}  // namespace

std::vector<FieldError> validate_builtin(std::string_view group, std::string_view kind,
                                         const json::value& object, const json::value* old) {
  FieldErrors errors;
  for (const KindRules& rules : kRules) {
    if (rules.group != group || rules.kind != kind) continue;
    rules.always(Field(object), errors);
    if (old != nullptr && rules.on_update != nullptr)
      rules.on_update(Field(object), Field(*old), errors);
  }
  return errors.take();
}

}  // namespace caracal::apimachinery
