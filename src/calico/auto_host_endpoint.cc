#include "calico/auto_host_endpoint.h"

#include <algorithm>

#include "calico/decode_entity_rule.h"

namespace caracal::calico {
namespace {

void read_template(const json::object& entry, const FieldPath& path, AutoHostEndpoints& result,
                   ObjectReader& reader) {
  HostEndpointTemplate one;
  one.name = reader.text(entry, "generateName", path);
  if (one.name.empty()) reader.required(path.member("generateName"));
  const FieldPath cidrs = path.member("interfaceCIDRs");
  for (const auto& [text, index] : reader.texts(entry, "interfaceCIDRs", path)) {
    if (const auto cidr = reader.cidr(text, cidrs.element(index))) one.cidrs.push_back(*cidr);
  }
  if (!reader.text(entry, "interfacePattern", path).empty()) {
    reader.warn(path.member("interfacePattern"),
                "the names of a node's interfaces are not known here, without effect");
  }
  one.labels = reader.labels(entry, "labels", path);
  bool known_nodes = true;
  if (!reader.text(entry, "nodeSelector", path).empty()) {
    auto nodes = decode_selector(entry, path, {.name = "nodeSelector"}, reader);
    known_nodes = nodes.has_value();
    if (nodes) one.nodes = std::move(*nodes);
  }
  if (!one.name.empty() && known_nodes) result.templates.push_back(std::move(one));
}

}  // namespace

AutoHostEndpoints decode_auto_host_endpoints(const json::object& object, ObjectReader& reader) {
  AutoHostEndpoints result;
  const FieldPath spec_path("spec");
  const FieldPath controllers_path = spec_path.member("controllers");
  const FieldPath node_path = controllers_path.member("node");
  const FieldPath path = node_path.member("hostEndpoint");
  const json::object* at = reader.object(object, "spec", FieldPath(""));
  if (at != nullptr) at = reader.object(*at, "controllers", spec_path);
  if (at != nullptr) at = reader.object(*at, "node", controllers_path);
  if (at != nullptr) at = reader.object(*at, "hostEndpoint", node_path);
  if (at == nullptr) return result;
  result.enabled = reader.word(*at, "autoCreate", path, {"Enabled", "Disabled"}) == "Enabled";
  result.of_all_interfaces =
      reader.word(*at, "createDefaultHostEndpoint", path, {"Enabled", "Disabled"}) != "Disabled";
  const json::array* templates = reader.array(*at, "templates", path);
  if (templates == nullptr) return result;
  const FieldPath list = path.member("templates");
  for (size_t i = 0; i < templates->size(); ++i) {
    const FieldPath element = list.element(i);
    if (const json::object* entry = reader.as_object((*templates)[i], element)) {
      read_template(*entry, element, result, reader);
    }
  }
  return result;
}

std::vector<model::HostEndpoint> host_endpoints_of(const AutoHostEndpoints& wanted,
                                                   const model::Node& node) {
  std::vector<model::HostEndpoint> result;
  if (!wanted.enabled) return result;
  model::HostEndpoint base;
  base.node = node.name;
  base.labels = node.labels;
  base.labels.insert_or_assign(std::string(kCreatedByLabel), std::string(kCreatedByValue));
  base.profiles = {std::string(kDefaultAllowProfile)};
  if (wanted.of_all_interfaces) {
    model::HostEndpoint all = base;
    all.name = node.name + "-auto-hep";
    all.interface = "*";
    all.addresses = node.internal_addresses;
    result.push_back(std::move(all));
  }
  for (const HostEndpointTemplate& one : wanted.templates) {
    const bool selected = one.nodes.matches([&](std::string_view key) {
      const auto label = node.labels.find(key);
      return label == node.labels.end() ? std::nullopt
                                        : std::optional<std::string_view>(label->second);
    });
    if (!selected) continue;
    model::HostEndpoint endpoint = base;
    endpoint.name = node.name + "-" + one.name + "-auto-hep";
    for (const auto& [key, value] : one.labels) endpoint.labels.insert_or_assign(key, value);
    for (const net::IpAddr& address : node.internal_addresses) {
      const bool inside = std::any_of(one.cidrs.begin(), one.cidrs.end(),
                                      [&](const auto& cidr) { return cidr.contains(address); });
      if (inside) endpoint.addresses.push_back(address);
    }
    if (!endpoint.addresses.empty()) result.push_back(std::move(endpoint));
  }
  return result;
}

}  // namespace caracal::calico
