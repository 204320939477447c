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

inline constexpr std::string_view kDefaultAllowProfile = "projectcalico-default-allow";
inline constexpr std::string_view kCreatedByLabel = "projectcalico.org/created-by";
inline constexpr std::string_view kCreatedByValue = "calico-kube-controllers";

struct HostEndpointTemplate {
  std::string name;
  selector::Selector nodes;
  std::vector<net::Cidr> cidrs;  // the node's addresses in these are the endpoint's
  model::Labels labels;          // besides the node's
};

// controllers.node.hostEndpoint of the object "default". Not asked for: nothing is made.
struct AutoHostEndpoints {
  bool enabled = false;
  bool of_all_interfaces = true;  // createDefaultHostEndpoint
  std::vector<HostEndpointTemplate> templates;
};

AutoHostEndpoints decode_auto_host_endpoints(const json::object& object, ObjectReader& reader);

// NODE-auto-hep, with interface "*" and a profile that allows what no policy decides; and
// NODE-TEMPLATE-auto-hep of each template that holds for the node.
std::vector<model::HostEndpoint> host_endpoints_of(const AutoHostEndpoints& wanted,
                                                   const model::Node& node);

}  // namespace caracal::calico
