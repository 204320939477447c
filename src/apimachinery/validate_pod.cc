// Pods: what stands outside the containers, and what an update may change.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string>

#include "apimachinery/field_cursor.h"
#include "apimachinery/json_patch.h"
#include "apimachinery/object_meta.h"

namespace caracal::apimachinery {
namespace {

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();

void validate_toleration(const Field& toleration, FieldErrors& errors) {
  const Field key = toleration.at("key");
  const Field op = toleration.at("operator");
  const Field value = toleration.at("value");
  if (!key.text().empty()) errors.check(key, check_qualified_name(key.text()));
  if (key.text().empty() && op.text() != "Exists") {
    errors.invalid(op, "must be Exists when key is empty, which tolerates every key");
  }
  if (!op.text().empty()) errors.one_of(op, {"Equal", "Exists"});
  if (op.text() == "Exists") {
    if (!value.text().empty()) errors.invalid(value, "must be empty when operator is Exists");
  } else {
    errors.check(value, check_label_value(value.text()));
  }
  const Field effect = toleration.at("effect");
  if (!effect.text().empty())
    errors.one_of(effect, {"NoSchedule", "PreferNoSchedule", "NoExecute"});
  if (toleration.at("tolerationSeconds").present() && effect.text() != "NoExecute") {
    errors.invalid(effect, "must be NoExecute when tolerationSeconds is set");
  }
}

void validate_dns(const Field& spec, FieldErrors& errors) {
  const Field policy = spec.at("dnsPolicy");
  errors.one_of(policy, {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"});
  const Field servers = spec.at("dnsConfig").at("nameservers");
  if (policy.text() == "None" && servers.empty()) {
    errors.required(servers, "dnsPolicy None needs at least one name server");
  }
  if (servers.size() > 3) errors.invalid(servers, "at most 3 name servers are allowed");
  for (const Field& server : servers.elements()) errors.ip_address(server);
}

void validate_host_aliases(const Field& spec, FieldErrors& errors) {
  for (const Field& alias : spec.at("hostAliases").elements()) {
    if (alias.at("ip").present()) {
      errors.ip_address(alias.at("ip"));
    } else {
      errors.required(alias.at("ip"));
    }
    for (const Field& name : alias.at("hostnames").elements()) {
      errors.check(name, check_dns1123_subdomain(name.text()));
    }
  }
}

// false, 0, "", {} and [] mean the same as no value, to a decoder with fixed types.
bool is_zero(const Field& field) {
  if (!field.present()) return true;
  const json::value& value = *field.value();
  if (value.is_structured()) return field.empty();
  if (value.is_string()) return field.text().empty();
  return value.is_bool() ? !field.flag() : field.number() == 0;
}

bool same(const Field& a, const Field& b) {
  if (is_zero(a) || is_zero(b)) return is_zero(a) && is_zero(b);
  return json_equal(*a.value(), *b.value());
}

// Fields of a pod's spec that an update may change, each under rules of its own.
bool is_mutable(std::string_view name) {
  return name == "activeDeadlineSeconds" || name == "tolerations" ||
         name == "terminationGracePeriodSeconds" || name == "containers" ||
         name == "initContainers" || name == "ephemeralContainers" || name == "schedulingGates";
}

void check_containers_update(const Field& now, const Field& old, FieldErrors& errors) {
  const auto before = old.elements();
  const auto after = now.elements();
  if (after.size() != before.size()) {
    errors.forbidden(now, "an update may not add or remove containers");
    return;
  }
  for (size_t i = 0; i < after.size(); ++i) {
    std::set<std::string_view> names;
    for (const auto& member : after[i].members()) names.insert(member.first);
    for (const auto& member : before[i].members()) names.insert(member.first);
    for (const std::string_view name : names) {
      if (name == "image") continue;
      const Field a = after[i].at(name);
      const Field b = before[i].at(name);
      if (same(a, b)) continue;
      errors.forbidden(a, "an update of a pod may change nothing of a container but its image");
    }
  }
}

void check_deadline_update(const Field& now, const Field& old, FieldErrors& errors) {
  if (!old.present()) return;
  if (!now.present()) {
    errors.invalid(now, "may not be taken away once it is set");
  } else if (now.number() && old.number() && *now.number() > *old.number()) {
    errors.invalid(now, "may only become smaller");
  }
}

void check_tolerations_update(const Field& now, const Field& old, FieldErrors& errors) {
  for (const Field& before : old.elements()) {
    const auto after = now.elements();
    // How long one is tolerated may change.
    const bool kept = std::any_of(after.begin(), after.end(), [&before](const Field& candidate) {
      json::value a = *candidate.value();
      json::value b = *before.value();
      if (a.is_object()) a.get_object().erase("tolerationSeconds");
      if (b.is_object()) b.get_object().erase("tolerationSeconds");
      return json_equal(a, b);
    });
    if (!kept) {
      errors.forbidden(now, "an update may add tolerations, not change or remove them");
      return;
    }
  }
}

}  // namespace

void validate_pod(const Field& object, FieldErrors& errors) {
  const Field spec = object.at("spec");
  validate_volumes(spec, errors);
  validate_containers(spec, errors);

  const Field restart = spec.at("restartPolicy");
  if (restart.text().empty()) {
    errors.required(restart);
  } else {
    errors.one_of(restart, {"Always", "OnFailure", "Never"});
  }
  validate_dns(spec, errors);
  validate_host_aliases(spec, errors);
  errors.at_least(spec.at("terminationGracePeriodSeconds"), 0);
  errors.in_range(spec.at("activeDeadlineSeconds"), 1, kMaxInt32);
  const Field selector = spec.at("nodeSelector");
  errors.append(validate_labels(selector.value(), selector.path()));
  for (const std::string_view name : {"nodeName", "serviceAccountName"}) {
    const Field field = spec.at(name);
    if (!field.text().empty()) errors.check(field, check_dns1123_subdomain(field.text()));
  }
  for (const std::string_view name : {"hostname", "subdomain"}) {
    const Field field = spec.at(name);
    if (!field.text().empty()) errors.check(field, check_dns1123_label(field.text()));
  }
  for (const Field& toleration : spec.at("tolerations").elements()) {
    validate_toleration(toleration, errors);
  }
  for (const Field& gate : spec.at("readinessGates").elements()) {
    const Field type = gate.at("conditionType");
    errors.check(type, check_qualified_name(type.text()));
  }
  for (const Field& secret : spec.at("imagePullSecrets").elements()) {
    if (secret.at("name").text().empty()) errors.required(secret.at("name"));
  }
}

void validate_pod_update(const Field& object, const Field& old, FieldErrors& errors) {
  const Field now = object.at("spec");
  const Field before = old.at("spec");
  std::set<std::string_view> names;
  for (const auto& member : now.members()) names.insert(member.first);
  for (const auto& member : before.members()) names.insert(member.first);
  for (const std::string_view name : names) {
    if (is_mutable(name)) continue;
    const Field a = now.at(name);
    const Field b = before.at(name);
    if (same(a, b)) continue;
    errors.forbidden(
        a,
        "an update of a pod may change only spec.containers[*].image, "
        "spec.initContainers[*].image, spec.activeDeadlineSeconds, spec.tolerations "
        "(additions) and spec.terminationGracePeriodSeconds (to 1 if it was negative)");
  }
  for (const std::string_view list : {"containers", "initContainers"}) {
    check_containers_update(now.at(list), before.at(list), errors);
  }
  const Field ephemeral = before.at("ephemeralContainers");
  const Field ephemeral_now = now.at("ephemeralContainers");
  if (!same(ephemeral, ephemeral_now)) {
    errors.forbidden(ephemeral_now,
                     "can be changed only through the ephemeralcontainers subresource");
  }
  check_deadline_update(now.at("activeDeadlineSeconds"), before.at("activeDeadlineSeconds"),
                        errors);
  check_tolerations_update(now.at("tolerations"), before.at("tolerations"), errors);

  const Field grace = now.at("terminationGracePeriodSeconds");
  const std::optional<int64_t> grace_before = before.at("terminationGracePeriodSeconds").number();
  const bool rescued = grace_before && *grace_before < 0 && grace.number() == 1;
  if (grace.number() != grace_before && !rescued) {
    errors.forbidden(grace, "an update may change it only to 1, and only if it was negative");
  }
  const auto gates = before.at("schedulingGates").elements();
  for (const Field& gate : now.at("schedulingGates").elements()) {
    const bool was_there = std::any_of(gates.begin(), gates.end(), [&gate](const Field& candidate) {
      return candidate.at("name").text() == gate.at("name").text();
    });
    if (!was_there) errors.forbidden(gate, "an update may remove scheduling gates, not add them");
  }
}

}  // namespace caracal::apimachinery
