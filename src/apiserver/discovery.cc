#include "apiserver/discovery.h"

#include <fmt/format.h>

namespace caracal::apiserver {
namespace {

using apimachinery::ApiGroup;
using apimachinery::ResourceCatalog;
using apimachinery::ResourceType;
using apimachinery::ResourceTypePtr;
using apimachinery::Subresource;

json::array texts(const std::vector<std::string>& values) {
  json::array array;
  for (const std::string& value : values) array.emplace_back(value);
  return array;
}

json::object group_version(std::string_view group, std::string_view version) {
  return {{"groupVersion", fmt::format("{}/{}", group, version)}, {"version", version}};
}

json::object group_object(const ApiGroup& group) {
  json::array versions;
  for (const std::string& version : group.versions)
    versions.emplace_back(group_version(group.name, version));
  return {{"name", group.name},
          {"versions", std::move(versions)},
          {"preferredVersion", group_version(group.name, group.versions.front())}};
}

json::object response_kind(std::string_view group, std::string_view version,
                           std::string_view kind) {
  return {{"group", group}, {"version", version}, {"kind", kind}};
}

}  // namespace

json::value api_versions(std::string_view server_address) {
  return json::object{
      {"kind", "APIVersions"},
      {"versions", json::array{"v1"}},
      {"serverAddressByClientCIDRs",
       json::array{json::object{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", server_address}}}}};
}

json::value api_group_list(const ResourceCatalog& catalog) {
  json::array groups;
  for (const ApiGroup& group : catalog.groups()) {
    if (!group.name.empty()) groups.emplace_back(group_object(group));
  }
  return json::object{
      {"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}};
}

std::optional<json::value> api_group(const ResourceCatalog& catalog, std::string_view name) {
  for (const ApiGroup& group : catalog.groups()) {
    if (group.name != name || name.empty()) continue;
    json::object document{{"kind", "APIGroup"}, {"apiVersion", "v1"}};
    for (auto& member : group_object(group)) document[member.key()] = member.value();
    return document;
  }
  return std::nullopt;
}

std::optional<json::value> api_resource_list(const ResourceCatalog& catalog, std::string_view group,
                                             std::string_view version) {
  json::array resources;
  for (const ResourceTypePtr& type : catalog.in_version(group, version)) {
    json::object entry{{"name", type->plural},
                       {"singularName", type->singular},
                       {"namespaced", type->namespaced},
                       {"kind", type->kind},
                       {"verbs", texts(type->verbs)}};
    if (!type->short_names.empty()) entry["shortNames"] = texts(type->short_names);
    if (!type->categories.empty()) entry["categories"] = texts(type->categories);
    resources.emplace_back(std::move(entry));
    for (const Subresource& sub : type->subresources) {
      json::object sub_entry{{"name", type->plural + "/" + sub.name},
                             {"singularName", ""},
                             {"namespaced", type->namespaced},
                             {"kind", sub.kind},
                             {"verbs", texts(sub.verbs)}};
      if (sub.group != type->group || sub.version != type->version) {
        sub_entry["group"] = sub.group;
        sub_entry["version"] = sub.version;
      }
      resources.emplace_back(std::move(sub_entry));
    }
  }
  if (resources.empty()) return std::nullopt;
  return json::object{
      {"kind", "APIResourceList"},
      {"apiVersion", "v1"},
      {"groupVersion", group.empty() ? std::string(version) : fmt::format("{}/{}", group, version)},
      {"resources", std::move(resources)}};
}

json::value aggregated_discovery(const ResourceCatalog& catalog, bool core,
                                 std::string_view version) {
  json::array items;
  for (const ApiGroup& group : catalog.groups()) {
    if (group.name.empty() != core) continue;
    json::array versions;
    for (const std::string& group_version_name : group.versions) {
      json::array resources;
      for (const ResourceTypePtr& type : catalog.in_version(group.name, group_version_name)) {
        json::object entry{{"resource", type->plural},
                           {"responseKind", response_kind(type->group, type->version, type->kind)},
                           {"scope", type->namespaced ? "Namespaced" : "Cluster"},
                           {"singularResource", type->singular},
                           {"verbs", texts(type->verbs)}};
        if (!type->short_names.empty()) entry["shortNames"] = texts(type->short_names);
        if (!type->categories.empty()) entry["categories"] = texts(type->categories);
        json::array subresources;
        for (const Subresource& sub : type->subresources) {
          subresources.emplace_back(
              json::object{{"subresource", sub.name},
                           {"responseKind", response_kind(sub.group, sub.version, sub.kind)},
                           {"verbs", texts(sub.verbs)}});
        }
        if (!subresources.empty()) entry["subresources"] = std::move(subresources);
        resources.emplace_back(std::move(entry));
      }
      versions.emplace_back(json::object{{"version", group_version_name},
                                         {"resources", std::move(resources)},
                                         {"freshness", "Current"}});
    }
    json::object metadata{{"creationTimestamp", nullptr}};
    if (!group.name.empty()) metadata["name"] = group.name;
    items.emplace_back(
        json::object{{"metadata", std::move(metadata)}, {"versions", std::move(versions)}});
  }
  return json::object{{"kind", "APIGroupDiscoveryList"},
                      {"apiVersion", fmt::format("apidiscovery.k8s.io/{}", version)},
                      {"metadata", json::object()},
                      {"items", std::move(items)}};
}

}  // namespace caracal::apiserver
