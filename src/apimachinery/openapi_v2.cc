#include "apimachinery/openapi_v2.h"

#include <fmt/format.h>

#include "apimachinery/openapi_paths.h"

namespace caracal::apimachinery {
namespace {

json::array texts(const std::vector<std::string>& list) {
  json::array array;
  for (const std::string& text : list) array.emplace_back(text);
  return array;
}

json::object reference(const std::string& definition) {
  return json::object{{"$ref", "#/definitions/" + definition}};
}

json::object operation(const ResourceType& type, const OpenApiOperation& op) {
  json::object out;
  out["description"] = op.about;
  out["operationId"] = op.id;
  if (!op.body_types.empty()) out["consumes"] = texts(op.body_types);
  out["produces"] = json::array{"application/json"};
  json::array parameters;
  if (op.has_body) {
    parameters.push_back(
        json::object{{"in", "body"},
                     {"name", "body"},
                     {"required", true},
                     {"schema", op.body_definition.empty() ? json::object{{"type", "object"}}
                                                           : reference(op.body_definition)}});
  }
  for (json::value& one : openapi_query(op, OpenApiForm::kV2)) parameters.push_back(std::move(one));
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  out["responses"] = json::object{
      {"200", json::object{{"description", "OK"}, {"schema", reference(op.result_definition)}}}};
  out["x-kubernetes-action"] = op.action;
  out["x-kubernetes-group-version-kind"] = group_version_kind(type, type.kind);
  return out;
}

}  // namespace

json::value openapi_v2_document(const ResourceCatalog& catalog) {
  return json::object{{"swagger", "2.0"},
                      {"info", json::object{{"title", "Caracal"}, {"version", "v1.32.0"}}},
                      {"paths", openapi_path_items(catalog.types(), OpenApiForm::kV2, operation)},
                      {"definitions", openapi_definitions(catalog.types(), OpenApiForm::kV2)}};
}

}  // namespace caracal::apimachinery
