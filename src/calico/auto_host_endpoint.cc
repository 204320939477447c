#include "calico/auto_host_endpoint.h"

#include <algorithm>
#include <optional>
#include <regex>

#include "calico/decode_entity_rule.h"

namespace caracal::calico {
namespace {

constexpr size_t kMostPattern = 256;

std::optional<std::regex> parse_pattern(const std::string& text) {
  if (text.size() > kMostPattern) return std::nullopt;
  try {
    return std::regex(text, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error&) {
    return std::nullopt;
  }
}

bool matches(const std::regex& pattern, const std::string& name) {
  constexpr size_t kMostInterface = 15;  // IFNAMSIZ of linux/if.h, less the final zero
  if (name.empty() || name.size() > kMostInterface) return false;
  try {
    return std::regex_search(name, pattern);
  } catch (const std::regex_error&) {  // too complex
    return false;
  }
}

struct Interface {
  std::string name;
  std::vector<net::IpAddr> addresses;
};

// What the node says of its interfaces; what cannot be read is left out.
std::vector<Interface> interfaces_of(const model::Node& node) {
  std::vector<Interface> interfaces;
  const auto annotation = node.annotations.find(kInterfacesAnnotation);
  if (annotation == node.annotations.end()) return interfaces;
  const auto list = jsonio::parse(annotation->second);
  if (!list || !list->is_array()) return interfaces;
  for (const json::value& entry : list->get_array()) {
    Interface one;
    one.name = jsonio::get_string(entry, {"name"});
    for (const json::value& value : jsonio::get_array(entry, {"addresses"})) {
      const json::string* text = value.if_string();
      if (text == nullptr) continue;
      const auto address = net::Cidr::parse_or_host({text->data(), text->size()});
      const auto host = net::IpAddr::parse(
          std::string_view(text->data(), text->size()).substr(0, text->find('/')));
      if (address && host) one.addresses.push_back(*host);
    }
    interfaces.push_back(std::move(one));
  }
  return interfaces;
}

std::vector<net::IpAddr> inside(const std::vector<net::IpAddr>& addresses,
                                const std::vector<net::Cidr>& cidrs) {
  std::vector<net::IpAddr> out;
  for (const net::IpAddr& address : addresses) {
    const bool in = std::any_of(cidrs.begin(), cidrs.end(),
                                [&](const net::Cidr& cidr) { return cidr.contains(address); });
    if (in) out.push_back(address);
  }
  return out;
}

// The endpoints of a template that names interfaces.
void add_by_interface(const HostEndpointTemplate& one, const model::HostEndpoint& base,
                      const model::Node& node, std::vector<model::HostEndpoint>& result) {
  const auto pattern = parse_pattern(one.interfaces);
  if (!pattern) return;
  for (const Interface& interface : interfaces_of(node)) {
    if (!matches(*pattern, interface.name)) continue;
    model::HostEndpoint endpoint = base;
    endpoint.name = node.name + "-" + one.name + "-" + interface.name + "-auto-hep";
    endpoint.interface = interface.name;
    endpoint.addresses =
        one.cidrs.empty() ? interface.addresses : inside(interface.addresses, one.cidrs);
    if (one.cidrs.empty() || !endpoint.addresses.empty()) result.push_back(std::move(endpoint));
  }
}

void read_template(const json::object& entry, const FieldPath& path, AutoHostEndpoints& result,
                   ObjectReader& reader) {
  HostEndpointTemplate one;
  one.name = reader.text(entry, "generateName", path);
  if (one.name.empty()) reader.required(path.member("generateName"));
  const FieldPath cidrs = path.member("interfaceCIDRs");
  for (const auto& [text, index] : reader.texts(entry, "interfaceCIDRs", path)) {
    if (const auto cidr = reader.cidr(text, cidrs.element(index))) one.cidrs.push_back(*cidr);
  }
  one.interfaces = reader.text(entry, "interfacePattern", path);
  bool usable = true;
  if (!one.interfaces.empty() && !parse_pattern(one.interfaces)) {
    usable = false;
    reader.invalid(path.member("interfacePattern"), json::string(one.interfaces),
                   "must be a regular expression of at most 256 characters");
  }
  one.labels = reader.labels(entry, "labels", path);
  bool known_nodes = true;
  if (!reader.text(entry, "nodeSelector", path).empty()) {
    auto nodes = decode_selector(entry, path, {.name = "nodeSelector"}, reader);
    known_nodes = nodes.has_value();
    if (nodes) one.nodes = std::move(*nodes);
  }
  if (!one.name.empty() && known_nodes && usable) result.templates.push_back(std::move(one));
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
    if (!one.interfaces.empty()) {
      add_by_interface(one, endpoint, node, result);
      continue;
    }
    endpoint.addresses = inside(node.internal_addresses, one.cidrs);
    if (!endpoint.addresses.empty()) result.push_back(std::move(endpoint));
  }
  return result;
}

}  // namespace caracal::calico
