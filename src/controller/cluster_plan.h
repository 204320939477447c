// The objects that a cluster has one of (calico.md 2.14, 2.15): ClusterInformation "default", made
// when it is missing and completed where something is; KubeControllersConfiguration "default", made
// when it is missing, and its status.runningConfig. Pure.
#pragma once

#include <string>
#include <vector>

#include "controller/api_write.h"
#include "controller/controller_settings.h"
#include "controller/object_table.h"

namespace caracal::controller {

// `guid`: 32 hexadecimal digits of chance, for a cluster that has none. What an object says already
// stays: datastoreReady false is a lock somebody has set. `where` as of plan_host_endpoints.
std::vector<ApiWrite> plan_information(const ObjectTable& existing, const ApiKind& where,
                                       const std::string& guid, const std::string& version);

std::vector<ApiWrite> plan_configuration(const ObjectTable& existing, const ApiKind& where,
                                         const ControllerSettings& settings, uint16_t metrics_port);

std::string random_guid();

}  // namespace caracal::controller
