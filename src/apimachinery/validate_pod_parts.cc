// The containers and volumes of a pod's spec.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <set>
#include <string>

#include "apimachinery/field_cursor.h"
#include "apimachinery/quantity.h"

namespace caracal::apimachinery {
namespace {

// What containers of one pod share and must not use twice.
struct PodScope {
  std::set<std::string> names;
  std::set<std::string> host_ports;
  std::set<std::string, std::less<>> volumes;
  bool host_network = false;
};

enum class ContainerRole : uint8_t { kMain, kInit };

void validate_ports(const Field& container, PodScope& scope, bool claims_host_ports,
                    FieldErrors& errors) {
  std::set<std::string> names;
  for (const Field& port : container.at("ports").elements()) {
    const Field name = port.at("name");
    if (!name.text().empty()) {
      errors.check(name, check_port_name(name.text()));
      if (!names.emplace(name.text()).second) errors.duplicate(name);
    }
    const Field number = port.at("containerPort");
    if (!number.present()) {
      errors.required(number);
    } else {
      errors.port_number(number);
    }
    const Field protocol = port.at("protocol");
    errors.one_of(protocol, {"SCTP", "TCP", "UDP"});
    const Field host = port.at("hostPort");
    const int64_t host_number = host.number().value_or(0);
    if (host_number == 0) continue;
    errors.port_number(host);
    if (scope.host_network && number.number() != host_number) {
      errors.invalid(number, "must equal hostPort when hostNetwork is true");
    }
    const std::string_view protocol_name = protocol.text().empty() ? "TCP" : protocol.text();
    const std::string use =
        fmt::format("{}/{}/{}", protocol_name, port.at("hostIP").text(), host_number);
    if (claims_host_ports && !scope.host_ports.insert(use).second) errors.duplicate(host, use);
  }
}

void validate_resources(const Field& resources, FieldErrors& errors) {
  for (const std::string_view list : {"limits", "requests"}) {
    for (const auto& [name, amount] : resources.at(list).members()) {
      if (NameFault fault = check_qualified_name(name)) {
        errors.add(FieldError::invalid(resources.at(list).path(), json::value(name), *fault));
      }
      // YAML's bare numbers are quantities too.
      const std::string text = amount.is_text()   ? std::string(amount.text())
                               : amount.present() ? json::serialize(*amount.value())
                                                  : std::string();
      if (!is_quantity(text)) {
        errors.invalid(
            amount,
            "must be a quantity: a number and a suffix (n u m k M G T P E, Ki Mi Gi Ti Pi "
            "Ei) or exponent, e.g. 100m or 1.5Gi");
      } else if (is_negative_quantity(text)) {
        errors.invalid(amount, "must be greater than or equal to 0");
      }
    }
  }
}

void validate_env(const Field& container, FieldErrors& errors) {
  for (const Field& variable : container.at("env").elements()) {
    const Field name = variable.at("name");
    if (name.text().empty()) {
      errors.required(name);
    } else {
      errors.check(name, check_env_var_name(name.text()));
    }
    const Field from = variable.at("valueFrom");
    if (!from.present()) continue;
    if (!variable.at("value").text().empty()) {
      errors.invalid(from, "cannot stand together with a value");
    }
    if (from.size() != 1) {
      errors.invalid(from,
                     "must name exactly one of fieldRef, resourceFieldRef, configMapKeyRef, "
                     "secretKeyRef");
    }
  }
}

void validate_mounts(const Field& container, const PodScope& scope, FieldErrors& errors) {
  std::set<std::string_view> paths;
  for (const Field& mount : container.at("volumeMounts").elements()) {
    const Field name = mount.at("name");
    if (name.text().empty()) {
      errors.required(name);
    } else if (!scope.volumes.contains(name.text())) {
      errors.not_found(name);
    }
    const Field path = mount.at("mountPath");
    if (path.text().empty()) {
      errors.required(path);
    } else if (!paths.insert(path.text()).second) {
      errors.invalid(path, "must be unique among the mounts of a container");
    }
  }
}

void validate_probe(const Field& probe, FieldErrors& errors) {
  if (!probe.present()) return;
  const auto handlers =
      std::array{probe.at("exec"), probe.at("httpGet"), probe.at("tcpSocket"), probe.at("grpc")};
  const auto count = std::count_if(handlers.begin(), handlers.end(),
                                   [](const Field& handler) { return handler.present(); });
  if (count == 0) errors.required(probe, "one of exec, httpGet, tcpSocket, grpc must be given");
  if (count > 1) errors.forbidden(probe, "only one of exec, httpGet, tcpSocket, grpc may be given");
  for (const std::string_view seconds : {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                                         "successThreshold", "failureThreshold"}) {
    errors.at_least(probe.at(seconds), 0);
  }
  for (const std::string_view handler : {"httpGet", "tcpSocket"}) {
    const Field port = probe.at(handler).at("port");
    if (port.is_text()) {
      errors.check(port, check_port_name(port.text()));
    } else {
      errors.port_number(port);
    }
  }
}

void validate_container(const Field& container, ContainerRole role, PodScope& scope,
                        FieldErrors& errors) {
  const Field name = container.at("name");
  if (name.text().empty()) {
    errors.required(name);
  } else {
    errors.check(name, check_dns1123_label(name.text()));
    if (!scope.names.emplace(name.text()).second) errors.duplicate(name);
  }
  const Field image = container.at("image");
  if (image.text().empty()) {
    errors.required(image);
  } else if (image.text().find_first_of(" \t\n") != std::string_view::npos) {
    errors.invalid(image, "must not contain white space");
  }
  errors.one_of(container.at("imagePullPolicy"), {"Always", "IfNotPresent", "Never"});
  errors.one_of(container.at("terminationMessagePolicy"), {"FallbackToLogsOnError", "File"});
  validate_ports(container, scope, role == ContainerRole::kMain, errors);
  validate_resources(container.at("resources"), errors);
  validate_env(container, errors);
  validate_mounts(container, scope, errors);
  const Field restart = container.at("restartPolicy");
  if (restart.present()) {
    if (role == ContainerRole::kMain) {
      errors.forbidden(restart, "only an init container may have a restart policy of its own");
    } else {
      errors.one_of(restart, {"Always"});
    }
  }
  for (const std::string_view kind : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    const Field probe = container.at(kind);
    if (probe.present() && role == ContainerRole::kInit && restart.text() != "Always") {
      errors.forbidden(probe,
                       "an init container may have probes only when its restartPolicy is Always");
    } else {
      validate_probe(probe, errors);
    }
  }
}

}  // namespace

void validate_containers(const Field& spec, FieldErrors& errors) {
  PodScope scope;
  scope.host_network = spec.at("hostNetwork").flag();
  for (const Field& volume : spec.at("volumes").elements())
    scope.volumes.emplace(volume.at("name").text());
  const Field containers = spec.at("containers");
  if (containers.empty()) errors.required(containers, "a pod needs at least one container");
  for (const Field& container : containers.elements()) {
    validate_container(container, ContainerRole::kMain, scope, errors);
  }
  for (const Field& container : spec.at("initContainers").elements()) {
    validate_container(container, ContainerRole::kInit, scope, errors);
  }
}

void validate_volumes(const Field& spec, FieldErrors& errors) {
  // What each kind of volume cannot do without.
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kNeeds = {{
      {"configMap", "name"},
      {"secret", "secretName"},
      {"hostPath", "path"},
      {"persistentVolumeClaim", "claimName"},
      {"nfs", "path"},
  }};
  std::set<std::string> names;
  for (const Field& volume : spec.at("volumes").elements()) {
    const Field name = volume.at("name");
    if (name.text().empty()) {
      errors.required(name);
    } else {
      errors.check(name, check_dns1123_label(name.text()));
      if (!names.emplace(name.text()).second) errors.duplicate(name);
    }
    std::vector<std::string_view> kinds;
    for (const auto& [member, value] : volume.members()) {
      if (member != "name" && value.present()) kinds.push_back(member);
    }
    if (kinds.empty()) errors.required(volume, "a volume needs a type, e.g. emptyDir");
    for (size_t i = 1; i < kinds.size(); ++i) {
      errors.forbidden(volume.at(kinds[i]), "a volume may have only one type");
    }
    for (const auto& [kind, needed] : kNeeds) {
      if (volume.at(kind).present() && volume.at(kind).at(needed).text().empty()) {
        errors.required(volume.at(kind).at(needed));
      }
    }
  }
}

}  // namespace caracal::apimachinery
