// Host endpoints that KubeControllersConfiguration asks to be made for every node (calico.md 2.6,
// 2.14). Here they are computed from the Node objects; nobody has to write them.
#pragma once

#include <string>
#include <vector>

#include "kube/object_reader.h"
#include "model/host_endpoint.h"
#include "model/node.h"
#include "selector/selector.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// Of a Node: its interfaces, as JSON: [{"name": "eth0", "addresses": ["10.9.8.7"]}]. Written by the
// node's agent.
inline constexpr std::string_view kInterfacesAnnotation = "projectcalico.org/Interfaces";

inline constexpr std::string_view kDefaultAllowProfile = "projectcalico-default-allow";
inline constexpr std::string_view kCreatedByLabel = "projectcalico.org/created-by";
inline constexpr std::string_view kCreatedByValue = "calico-kube-controllers";

struct HostEndpointTemplate {
  std::string name;
  selector::Selector nodes;
  std::vector<net::Cidr> cidrs;  // the node's addresses in these are the endpoint's
  // Regular expression (ECMAScript, anywhere in the name): an endpoint for each of the node's
  // interfaces that has such a name, and an address in `cidrs` where there are some.
  std::string interfaces;
  model::Labels labels;  // besides the node's
};

// controllers.node.hostEndpoint of the object "default". Not asked for: nothing is made.
struct AutoHostEndpoints {
  bool enabled = false;
  bool of_all_interfaces = true;  // createDefaultHostEndpoint
  std::vector<HostEndpointTemplate> templates;
};

AutoHostEndpoints decode_auto_host_endpoints(const json::object& object, ObjectReader& reader);

// NODE-auto-hep, with interface "*" and a profile that allows what no policy decides; and of each
// template that holds for the node NODE-TEMPLATE-auto-hep, or with a pattern
// NODE-TEMPLATE-INTERFACE-auto-hep of each interface that fits.
std::vector<model::HostEndpoint> host_endpoints_of(const AutoHostEndpoints& wanted,
                                                   const model::Node& node);

}  // namespace caracal::calico
