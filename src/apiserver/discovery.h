// Discovery documents: what the server serves, for /api, /apis and below, from the catalog. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "apimachinery/resource_type.h"
#include "jsonio/json.h"

namespace caracal::apiserver {

json::value api_versions(std::string_view server_address);                          // /api
json::value api_group_list(const apimachinery::ResourceCatalog& catalog);           // /apis
std::optional<json::value> api_group(const apimachinery::ResourceCatalog& catalog,  // /apis/GROUP
                                     std::string_view group);
std::optional<json::value> api_resource_list(const apimachinery::ResourceCatalog& catalog,
                                             std::string_view group, std::string_view version);
// APIGroupDiscoveryList of apidiscovery.k8s.io/v2 (or v2beta1): `core` for /api, else for /apis.
json::value aggregated_discovery(const apimachinery::ResourceCatalog& catalog, bool core,
                                 std::string_view version);

}  // namespace caracal::apiserver
