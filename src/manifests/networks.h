// User-defined networks (OVN-Kubernetes): which network a pod's first interface is in.
//
// A namespace labelled k8s.ovn.org/primary-user-defined-network with a UserDefinedNetwork of role
// Primary, or selected by a ClusterUserDefinedNetwork of that role, has its pods in that network
// instead of the cluster's: pods of different networks do not reach each other, whatever policies
// say. NetworkPolicies hold inside it as everywhere.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "jsonio/json.h"
#include "model/world.h"

namespace caracal::manifests {

// "UDN green", "CUDN colored"; namespaces that are not in it use the cluster's network.
// `objects`: UserDefinedNetwork and ClusterUserDefinedNetwork objects.
std::map<std::string, std::string> primary_networks(const model::World& world,
                                                    const std::vector<json::value>& objects);

}  // namespace caracal::manifests
