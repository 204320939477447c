#include "calico/decode_host_endpoint.h"

#include <array>

#include "calico/metadata.h"
#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

// IFNAMSIZ of linux/if.h without the terminating zero.
constexpr size_t kMaxInterfaceName = 15;
constexpr std::array<std::string_view, 5> kEndpointFields = {"node", "interfaceName", "expectedIPs",
                                                             "profiles", "ports"};
constexpr std::array<std::string_view, 3> kPortFields = {"name", "protocol", "port"};

void read_ports(const json::object& spec, const FieldPath& path, model::HostEndpoint& endpoint,
                ObjectReader& reader) {
  const json::array* list = reader.array(spec, "ports", path);
  if (list == nullptr) return;
  const FieldPath list_path = path.member("ports");
  for (size_t i = 0; i < list->size(); ++i) {
    const FieldPath port_path = list_path.element(i);
    const json::object* port = reader.as_object((*list)[i], port_path);
    if (port == nullptr) continue;
    reader.has_unknown(*port, port_path, kPortFields);
    const std::string_view name = reader.text(*port, "name", port_path);
    const auto protocol = reader.protocol(*port, "protocol", port_path);
    const auto number = reader.integer(*port, "port", port_path, 1, 65535);
    for (const std::string_view field : kPortFields) {
      if (kube::member(*port, field) == nullptr) reader.required(port_path.member(field));
    }
    if (name.empty() || !protocol || !number) continue;
    endpoint.ports.push_back({std::string(name), *protocol, static_cast<uint16_t>(*number)});
  }
}

}  // namespace

std::optional<model::HostEndpoint> decode_host_endpoint(std::string name,
                                                        const json::object& object,
                                                        ObjectReader& reader) {
  model::HostEndpoint endpoint;
  endpoint.name = std::move(name);
  endpoint.labels = decode_labels(object, reader);
  const FieldPath path("spec");
  static const json::object kEmpty;
  const json::object* found = reader.object(object, "spec", FieldPath(""));
  const json::object& spec = found == nullptr ? kEmpty : *found;
  reader.has_unknown(spec, path, kEndpointFields);
  endpoint.node = reader.text(spec, "node", path);
  if (endpoint.node.empty()) reader.required(path.member("node"), "the name of the node");
  endpoint.interface = reader.text(spec, "interfaceName", path);
  if (endpoint.interface.size() > kMaxInterfaceName ||
      endpoint.interface.find_first_of("/ \t") != std::string::npos) {
    reader.invalid(path.member("interfaceName"), json::string(endpoint.interface),
                   "must be the name of an interface, at most 15 bytes, or \"*\"");
    endpoint.interface.clear();
  }
  const FieldPath addresses = path.member("expectedIPs");
  for (const auto& [text, index] : reader.texts(spec, "expectedIPs", path)) {
    if (const auto address = net::IpAddr::parse(text)) {
      endpoint.addresses.push_back(*address);
    } else {
      reader.invalid(addresses.element(index), json::string(text), "must be an IP address");
    }
  }
  for (const auto& [text, index] : reader.texts(spec, "profiles", path)) {
    endpoint.profiles.emplace_back(text);
  }
  read_ports(spec, path, endpoint, reader);
  if (endpoint.interface.empty() && endpoint.addresses.empty()) {
    reader.required(path.member("interfaceName"), "or expectedIPs, at least one of them");
    return std::nullopt;
  }
  if (endpoint.node.empty()) return std::nullopt;
  return endpoint;
}

}  // namespace caracal::calico
