// The HostEndpoint objects that KubeControllersConfiguration asks for (calico.md 2.6, 2.14). Pure.
//
// Agents compute the same endpoints for themselves (calico/auto_host_endpoint.h), so policy holds
// before the objects are there; the objects make them visible, and serve other readers. Only
// objects with the label projectcalico.org/created-by: calico-kube-controllers are changed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/api_write.h"
#include "controller/object_table.h"
#include "model/node.h"

namespace caracal::controller {

struct HostEndpointPlan {
  std::vector<ApiWrite> writes;
  size_t created = 0;
  size_t updated = 0;
  size_t deleted = 0;
  // Names that are taken by objects of somebody else, and settings that cannot be read.
  std::vector<std::string> problems;
};

// `configuration`: KubeControllersConfiguration "default"; null: there is none, and nothing is
// asked for. `where`: kind and group of new objects; without a group none are made.
HostEndpointPlan plan_host_endpoints(const json::value* configuration,
                                     const std::map<std::string, model::Node>& nodes,
                                     const ObjectTable& existing, const ApiKind& where);

}  // namespace caracal::controller
