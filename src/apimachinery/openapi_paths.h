// What both OpenAPI documents say about a resource besides its schema: definition names, kinds, URL
// paths and the operations on them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "apimachinery/resource_type.h"
#include "apimachinery/schema_openapi.h"

namespace caracal::apimachinery {

// io.k8s.api.core.v1.Pod, org.projectcalico.v3.NetworkPolicy.
std::string definition_name(const ResourceType& type);

// {"group", "version", "kind"}: the content of x-kubernetes-group-version-kind.
json::object group_version_kind(const ResourceType& type, std::string_view kind);

struct OpenApiOperation {
  std::string method;  // get, post, put, patch, delete
  std::string action;  // x-kubernetes-action: get, list, post, put, patch, delete, deletecollection
  std::string id;      // operationId
  std::string about;
  bool has_body = false;
  std::vector<std::string> body_types;  // content types of the body
  std::string body_definition;          // of the body; empty: any object
  std::string result_definition;
  std::vector<std::string> query;  // names of query parameters
};

struct OpenApiPath {
  std::string url;                      // with {namespace} and {name}
  std::vector<std::string> parameters;  // names of path parameters
  std::vector<OpenApiOperation> operations;
};

// The paths of a resource and its subresources.
std::vector<OpenApiPath> openapi_paths(const ResourceType& type);

// The query parameters of an operation, as the entries of "parameters".
json::array openapi_query(const OpenApiOperation& operation, OpenApiForm form);

// The content of "paths" for these types; `operation` gives what stands behind a method.
using RenderOperation = std::function<json::object(const ResourceType&, const OpenApiOperation&)>;
json::object openapi_path_items(const std::vector<ResourceTypePtr>& types, OpenApiForm form,
                                const RenderOperation& operation);

// The definitions of `types` and everything they refer to, with the lists of the types, by name.
json::object openapi_definitions(const std::vector<ResourceTypePtr>& types, OpenApiForm form);

}  // namespace caracal::apimachinery
