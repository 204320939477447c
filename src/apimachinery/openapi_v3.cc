#include "apimachinery/openapi_v3.h"

#include <fmt/format.h>

#include "apimachinery/openapi_paths.h"
#include "base/sha1.h"

namespace caracal::apimachinery {
namespace {

json::object reference(const std::string& definition) {
  if (definition.empty()) return json::object{{"type", "object"}};
  return json::object{{"$ref", "#/components/schemas/" + definition}};
}

json::object content_of(const std::vector<std::string>& types, const std::string& definition) {
  json::object content;
  for (const std::string& type : types)
    content[type] = json::object{{"schema", reference(definition)}};
  return content;
}

json::object operation(const ResourceType& type, const OpenApiOperation& op) {
  json::object out;
  out["description"] = op.about;
  out["operationId"] = op.id;
  json::array parameters = openapi_query(op, OpenApiForm::kV3);
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  if (op.has_body) {
    out["requestBody"] = json::object{{"content", content_of(op.body_types, op.body_definition)},
                                      {"required", true}};
  }
  out["responses"] = json::object{
      {"200", json::object{{"content", content_of({"application/json"}, op.result_definition)},
                           {"description", "OK"}}}};
  out["x-kubernetes-action"] = op.action;
  out["x-kubernetes-group-version-kind"] = group_version_kind(type, type.kind);
  return out;
}

std::string document_path(std::string_view group, std::string_view version) {
  return group.empty() ? fmt::format("api/{}", version) : fmt::format("apis/{}/{}", group, version);
}

}  // namespace

json::value openapi_v3_document(const ResourceCatalog& catalog, std::string_view group,
                                std::string_view version) {
  const std::vector<ResourceTypePtr> types = catalog.in_version(group, version);
  return json::object{
      {"openapi", "3.0.0"},
      {"info", json::object{{"title", "Caracal"}, {"version", "v1.32.0"}}},
      {"paths", openapi_path_items(types, OpenApiForm::kV3, operation)},
      {"components", json::object{{"schemas", openapi_definitions(types, OpenApiForm::kV3)}}}};
}

OpenApiV3 render_openapi_v3(const ResourceCatalog& catalog) {
  OpenApiV3 rendered;
  json::object paths;
  for (const ApiGroup& group : catalog.groups()) {
    for (const std::string& version : group.versions) {
      const std::string path = document_path(group.name, version);
      std::string text = jsonio::to_string(openapi_v3_document(catalog, group.name, version));
      std::string hash = sha1_hex(text);
      paths[path] =
          json::object{{"serverRelativeURL", fmt::format("/openapi/v3/{}?hash={}", path, hash)}};
      rendered.documents.emplace(path, OpenApiV3::Document{std::move(text), std::move(hash)});
    }
  }
  rendered.index = jsonio::to_string(json::object{{"paths", std::move(paths)}});
  return rendered;
}

}  // namespace caracal::apimachinery
