// Services.
#include <fmt/format.h>

#include <set>
#include <string>

#include "apimachinery/field_cursor.h"
#include "apimachinery/object_meta.h"

namespace caracal::apimachinery {
namespace {

constexpr std::string_view kHeadless = "None";

std::string_view type_of(const Field& spec) {
  const std::string_view type = spec.at("type").text();
  return type.empty() ? "ClusterIP" : type;
}

bool has_node_ports(std::string_view type) { return type == "NodePort" || type == "LoadBalancer"; }

void validate_service_ports(const Field& spec, FieldErrors& errors) {
  const Field ports = spec.at("ports");
  const std::string_view type = type_of(spec);
  std::set<std::string> names;
  std::set<std::string> used;
  std::set<std::string> used_node_ports;
  for (const Field& port : ports.elements()) {
    const Field name = port.at("name");
    if (name.text().empty()) {
      if (ports.size() > 1) errors.required(name, "a service with several ports must name each");
    } else {
      errors.check(name, check_dns1123_label(name.text()));
      if (!names.emplace(name.text()).second) errors.duplicate(name);
    }
    const Field number = port.at("port");
    if (!number.present()) {
      errors.required(number);
    } else {
      errors.port_number(number);
    }
    const Field protocol = port.at("protocol");
    errors.one_of(protocol, {"SCTP", "TCP", "UDP"});
    const Field target = port.at("targetPort");
    if (target.is_text()) {
      errors.check(target, check_port_name(target.text()));
    } else if (target.number() != 0) {
      errors.port_number(target);
    }
    const std::string_view protocol_name = protocol.text().empty() ? "TCP" : protocol.text();
    if (number.number() &&
        !used.insert(fmt::format("{}/{}", protocol_name, *number.number())).second) {
      errors.duplicate(port);
    }
    const Field node_port = port.at("nodePort");
    const int64_t node_number = node_port.number().value_or(0);
    if (node_number == 0) continue;
    if (!has_node_ports(type)) {
      errors.forbidden(node_port, fmt::format("may not be used when type is {}", type));
    } else {
      errors.port_number(node_port);
      if (!used_node_ports.insert(fmt::format("{}/{}", protocol_name, node_number)).second) {
        errors.duplicate(node_port);
      }
    }
  }
}

void validate_cluster_ips(const Field& spec, FieldErrors& errors) {
  const std::string_view type = type_of(spec);
  const Field single = spec.at("clusterIP");
  const auto all = spec.at("clusterIPs").elements();
  if (type == "ExternalName") {
    if (!single.text().empty())
      errors.forbidden(single, "may not be set when type is ExternalName");
    return;
  }
  if (!single.text().empty() && single.text() != kHeadless) errors.ip_address(single);
  if (single.text() == kHeadless && has_node_ports(type)) {
    errors.invalid(single, fmt::format("may not be \"None\" when type is {}", type));
  }
  if (all.size() > 2)
    errors.invalid(spec.at("clusterIPs"), "at most one address for each IP family");
  for (const Field& ip : all) {
    if (ip.text() != kHeadless) errors.ip_address(ip);
  }
  if (!all.empty() && !single.text().empty() && all[0].text() != single.text()) {
    errors.invalid(spec.at("clusterIPs"), "the first element must equal clusterIP");
  }
}

}  // namespace

void validate_service(const Field& object, FieldErrors& errors) {
  const Field spec = object.at("spec");
  const std::string_view type = type_of(spec);
  errors.one_of(spec.at("type"), {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"});
  const bool headless = spec.at("clusterIP").text() == kHeadless;
  if (spec.at("ports").empty() && !headless && type != "ExternalName") {
    errors.required(spec.at("ports"));
  }
  validate_service_ports(spec, errors);
  validate_cluster_ips(spec, errors);
  const Field selector = spec.at("selector");
  errors.append(validate_labels(selector.value(), selector.path()));

  if (type == "ExternalName") {
    const Field name = spec.at("externalName");
    std::string_view text = name.text();
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.empty()) {
      errors.required(name);
    } else {
      errors.check(name, check_dns1123_subdomain(text));
    }
  }
  errors.one_of(spec.at("sessionAffinity"), {"ClientIP", "None"});
  for (const Field& ip : spec.at("externalIPs").elements()) errors.ip_address(ip);
  if (spec.at("ipFamilies").size() > 2)
    errors.invalid(spec.at("ipFamilies"), "at most two are allowed");
  for (const Field& family : spec.at("ipFamilies").elements())
    errors.one_of(family, {"IPv4", "IPv6"});
  errors.one_of(spec.at("ipFamilyPolicy"), {"PreferDualStack", "RequireDualStack", "SingleStack"});
  errors.one_of(spec.at("internalTrafficPolicy"), {"Cluster", "Local"});
  const Field external = spec.at("externalTrafficPolicy");
  if (!external.text().empty()) {
    errors.one_of(external, {"Cluster", "Local"});
    if (!has_node_ports(type) && spec.at("externalIPs").empty()) {
      errors.invalid(external,
                     "may be set only for services reachable from outside: NodePort, "
                     "LoadBalancer, or with externalIPs");
    }
  }
}

void validate_service_update(const Field& object, const Field& old, FieldErrors& errors) {
  const Field spec = object.at("spec");
  const Field before = old.at("spec");
  if (type_of(spec) == "ExternalName" || type_of(before) == "ExternalName") return;
  // Left out means unchanged.
  const Field ip = spec.at("clusterIP");
  const Field ip_before = before.at("clusterIP");
  if (!ip.text().empty() && !ip_before.text().empty() && ip.text() != ip_before.text()) {
    errors.invalid(ip, "cannot be changed after it was set");
  }
}

}  // namespace caracal::apimachinery
