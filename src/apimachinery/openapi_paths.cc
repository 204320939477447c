#include "apimachinery/openapi_paths.h"

#include <fmt/format.h>

#include <algorithm>

#include "apimachinery/builtin_types.h"
#include "base/strings.h"

namespace caracal::apimachinery {
namespace {

// "policy.networking.k8s.io" -> "io.k8s.networking.policy"
std::string reversed(std::string_view group) {
  std::vector<std::string_view> parts = split(group, '.');
  std::string text;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!text.empty()) text += '.';
    text += *part;
  }
  return text;
}

// "crd.projectcalico.org" -> "CrdProjectcalicoOrg", as in operation ids.
std::string camel(std::string_view text) {
  std::string result;
  bool upper = true;
  for (const char c : text) {
    if (c == '.' || c == '-') {
      upper = true;
      continue;
    }
    result += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = false;
  }
  return result;
}

std::vector<std::string> patch_types(const ResourceType& type) {
  std::vector<std::string> types{"application/json-patch+json", "application/merge-patch+json"};
  if (type.builtin) types.emplace_back("application/strategic-merge-patch+json");
  return types;
}

const std::vector<std::string> kReadQuery{
    "fieldSelector", "labelSelector",       "limit",           "continue",
    "watch",         "allowWatchBookmarks", "resourceVersion", "resourceVersionMatch",
    "timeoutSeconds"};
const std::vector<std::string> kWriteQuery{"dryRun", "fieldManager", "fieldValidation"};
const std::vector<std::string> kPatchQuery{"dryRun", "fieldManager", "fieldValidation", "force"};
const std::vector<std::string> kDeleteQuery{"dryRun", "gracePeriodSeconds", "propagationPolicy"};

class PathWriter {
 public:
  explicit PathWriter(const ResourceType& type)
      : type_(type),
        definition_(definition_name(type)),
        base_(type.group.empty() ? "/api/" + type.version
                                 : fmt::format("/apis/{}/{}", type.group, type.version)),
        scope_(type.namespaced ? "Namespaced" : "") {}

  std::vector<OpenApiPath> write() {
    add_collection();
    if (type_.namespaced && type_.has_verb("list")) {
      OpenApiPath everywhere{fmt::format("{}/{}", base_, type_.plural), {}, {}};
      everywhere.operations.push_back(read("get", "list", "ForAllNamespaces", true));
      paths_.push_back(std::move(everywhere));
    }
    if (type_.has_verb("get")) add_item();
    for (const Subresource& subresource : type_.subresources) add_subresource(subresource);
    return std::move(paths_);
  }

 private:
  std::string collection_url() const {
    return fmt::format("{}{}/{}", base_, type_.namespaced ? "/namespaces/{namespace}" : "",
                       type_.plural);
  }

  std::vector<std::string> parameters(bool with_name) const {
    std::vector<std::string> names;
    if (with_name) names.emplace_back("name");
    if (type_.namespaced) names.emplace_back("namespace");
    return names;
  }

  std::string id(std::string_view verb, std::string_view tail) const {
    const bool everywhere = tail == "ForAllNamespaces";
    const std::string group =
        camel(type_.builtin ? std::string_view(type_.group).substr(0, type_.group.find('.'))
                            : std::string_view(type_.group));
    return fmt::format("{}{}{}{}{}{}", verb, type_.group.empty() ? "Core" : group,
                       camel(type_.version), everywhere ? "" : scope_, type_.kind, tail);
  }

  OpenApiOperation read(std::string_view method, std::string_view action, std::string_view tail,
                        bool is_list) const {
    OpenApiOperation op;
    op.method = method;
    op.action = action;
    op.id = id(is_list ? "list" : "read", tail);
    op.about = is_list ? fmt::format("Lists or watches objects of kind {}.", type_.kind)
                       : fmt::format("Reads one object of kind {}.", type_.kind);
    op.result_definition = is_list ? definition_ + "List" : definition_;
    if (is_list) op.query = kReadQuery;
    return op;
  }

  OpenApiOperation write_op(std::string_view method, std::string_view verb, std::string_view tail,
                            std::string about) const {
    OpenApiOperation op;
    op.method = method;
    op.action = method;
    op.id = id(verb, tail);
    op.about = std::move(about);
    op.has_body = true;
    op.body_types = {"application/json", "application/yaml"};
    op.body_definition = definition_;
    op.result_definition = definition_;
    op.query = kWriteQuery;
    return op;
  }

  OpenApiOperation patch_op(std::string_view tail) const {
    OpenApiOperation op = write_op(
        "patch", "patch", tail, fmt::format("Changes parts of an object of kind {}.", type_.kind));
    op.body_types = patch_types(type_);
    op.body_definition.clear();
    op.query = kPatchQuery;
    return op;
  }

  OpenApiOperation delete_op(std::string_view action) const {
    OpenApiOperation op;
    op.method = "delete";
    op.action = action;
    const bool is_one = action == "delete";
    op.id = id(is_one ? "delete" : "deleteCollection", "");
    op.about = fmt::format("Deletes {} of kind {}.", is_one ? "an object" : "all selected objects",
                           type_.kind);
    op.result_definition = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
    op.query = kDeleteQuery;
    if (!is_one) op.query.insert(op.query.end(), {"fieldSelector", "labelSelector"});
    return op;
  }

  void add_collection() {
    OpenApiPath path{collection_url(), parameters(false), {}};
    if (type_.has_verb("list")) path.operations.push_back(read("get", "list", "", true));
    if (type_.has_verb("create")) {
      path.operations.push_back(
          write_op("post", "create", "", fmt::format("Creates an object of kind {}.", type_.kind)));
    }
    if (type_.has_verb("deletecollection"))
      path.operations.push_back(delete_op("deletecollection"));
    paths_.push_back(std::move(path));
  }

  void add_item() {
    OpenApiPath path{collection_url() + "/{name}", parameters(true), {}};
    path.operations.push_back(read("get", "get", "", false));
    if (type_.has_verb("update")) {
      path.operations.push_back(write_op(
          "put", "replace", "", fmt::format("Replaces an object of kind {}.", type_.kind)));
    }
    if (type_.has_verb("patch")) path.operations.push_back(patch_op(""));
    if (type_.has_verb("delete")) path.operations.push_back(delete_op("delete"));
    paths_.push_back(std::move(path));
  }

  void add_subresource(const Subresource& subresource) {
    OpenApiPath path{
        fmt::format("{}/{{name}}/{}", collection_url(), subresource.name), parameters(true), {}};
    const std::string tail = camel(subresource.name);
    const bool is_own = subresource.kind == type_.kind;
    for (const std::string& verb : subresource.verbs) {
      if (verb == "get") path.operations.push_back(read("get", "get", tail, false));
      if (verb == "patch") path.operations.push_back(patch_op(tail));
      if (verb == "update" || verb == "create") {
        OpenApiOperation op = write_op(
            verb == "update" ? "put" : "post", verb == "update" ? "replace" : "create", tail,
            fmt::format("Writes {} of an object of kind {}.", subresource.name, type_.kind));
        if (!is_own) op.body_definition.clear();
        path.operations.push_back(std::move(op));
      }
    }
    paths_.push_back(std::move(path));
  }

  const ResourceType& type_;
  std::string definition_;
  std::string base_;
  std::string scope_;
  std::vector<OpenApiPath> paths_;
};

json::object reference_to(std::string_view definition, OpenApiForm form) {
  const std::string_view prefix =
      form == OpenApiForm::kV2 ? "#/definitions/" : "#/components/schemas/";
  return json::object{{"$ref", fmt::format("{}{}", prefix, definition)}};
}

json::object list_definition(const ResourceType& type, OpenApiForm form) {
  static constexpr std::string_view kListMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
  json::object properties;
  properties["apiVersion"] =
      json::object{{"description", "Group and version of this list."}, {"type", "string"}};
  properties["items"] = json::object{{"description", "The objects."},
                                     {"items", reference_to(definition_name(type), form)},
                                     {"type", "array"}};
  properties["kind"] = json::object{{"description", "Kind of this list."}, {"type", "string"}};
  properties["metadata"] = reference_to(kListMeta, form);
  return json::object{
      {"description", fmt::format("A list of {} objects.", type.kind)},
      {"properties", std::move(properties)},
      {"required", json::array{"items"}},
      {"type", "object"},
      {"x-kubernetes-group-version-kind", json::array{group_version_kind(type, type.list_kind)}}};
}

std::string_view query_parameter_about(std::string_view name) {
  static const std::map<std::string, std::string, std::less<>> kAbout{
      {"allowWatchBookmarks", "Whether a watch may contain events of type BOOKMARK."},
      {"continue", "Token of the next page, from the list before."},
      {"dryRun", "With the value All the request is checked but changes nothing."},
      {"fieldManager", "Name of the client that makes the change."},
      {"fieldSelector", "Restricts the objects by their fields."},
      {"fieldValidation", "What happens to unknown and repeated fields: Ignore, Warn or Strict."},
      {"force", "Whether an apply takes over fields of other managers."},
      {"gracePeriodSeconds", "Seconds the object gets to end by itself."},
      {"labelSelector", "Restricts the objects by their labels."},
      {"limit", "Greatest number of objects of one page."},
      {"propagationPolicy", "What becomes of dependent objects: Orphan, Background or Foreground."},
      {"resourceVersion",
       "State of the store a list shows at least, or after which a watch starts."},
      {"resourceVersionMatch", "How resourceVersion is understood by a list."},
      {"timeoutSeconds", "Seconds after which a watch ends."},
      {"watch", "Whether changes are streamed instead of a list."},
  };
  const auto found = kAbout.find(name);
  return found == kAbout.end() ? std::string_view() : std::string_view(found->second);
}

std::string_view query_parameter_type(std::string_view name) {
  if (name == "watch" || name == "allowWatchBookmarks" || name == "force") return "boolean";
  if (name == "limit" || name == "timeoutSeconds" || name == "gracePeriodSeconds") return "integer";
  return "string";
}

// A parameter without its place in the API's two ways: the type beside the name, or as a schema.
json::object parameter(OpenApiForm form, std::string_view in, std::string_view name,
                       std::string_view about, std::string_view type) {
  json::object out{{"description", about}, {"in", in}, {"name", name}};
  json::object schema{{"type", type}, {"uniqueItems", true}};
  if (form == OpenApiForm::kV3) {
    out["schema"] = std::move(schema);
  } else {
    for (auto& member : schema) out[member.key()] = std::move(member.value());
  }
  return out;
}

}  // namespace

std::string definition_name(const ResourceType& type) {
  if (!type.schema->definition.empty()) return type.schema->definition;
  return fmt::format("{}.{}.{}", reversed(type.group), type.version, type.kind);
}

json::object group_version_kind(const ResourceType& type, std::string_view kind) {
  return json::object{{"group", type.group}, {"kind", kind}, {"version", type.version}};
}

std::vector<OpenApiPath> openapi_paths(const ResourceType& type) {
  return PathWriter(type).write();
}

json::array openapi_query(const OpenApiOperation& operation, OpenApiForm form) {
  json::array out;
  for (const std::string& name : operation.query) {
    out.push_back(
        parameter(form, "query", name, query_parameter_about(name), query_parameter_type(name)));
  }
  return out;
}

json::object openapi_path_items(const std::vector<ResourceTypePtr>& types, OpenApiForm form,
                                const RenderOperation& operation) {
  json::object paths;
  for (const ResourceTypePtr& type : types) {
    for (const OpenApiPath& path : openapi_paths(*type)) {
      json::object item;
      for (const OpenApiOperation& op : path.operations) item[op.method] = operation(*type, op);
      json::array parameters;
      for (const std::string& name : path.parameters) {
        json::object one = parameter(
            form, "path", name, name == "name" ? "Name of the object." : "Namespace of the object.",
            "string");
        one["required"] = true;
        parameters.push_back(std::move(one));
      }
      if (!parameters.empty()) item["parameters"] = std::move(parameters);
      paths[path.url] = std::move(item);
    }
  }
  return paths;
}

json::object openapi_definitions(const std::vector<ResourceTypePtr>& types, OpenApiForm form) {
  std::map<std::string, const Schema*> definitions;
  std::map<std::string, json::array> kinds;
  for (const std::string_view shared : {"ListMeta", "Status", "DeleteOptions"}) {
    if (const Schema* schema = builtin_definition(shared))
      collect_definitions(*schema, definitions);
  }
  for (const ResourceTypePtr& type : types) {
    collect_definitions(*type->schema, definitions);
    const std::string name = definition_name(*type);
    definitions.emplace(name, type->schema.get());  // CRD roots have no name of their own
    kinds[name].push_back(group_version_kind(*type, type->kind));
  }
  std::map<std::string, json::value> sorted;
  for (const auto& [name, schema] : definitions) {
    json::value content = definition_to_openapi(*schema, form);
    if (const auto kind = kinds.find(name); kind != kinds.end()) {
      content.get_object()["x-kubernetes-group-version-kind"] = kind->second;
    }
    sorted.emplace(name, std::move(content));
  }
  for (const ResourceTypePtr& type : types) {
    if (type->has_verb("list"))
      sorted.emplace(definition_name(*type) + "List", list_definition(*type, form));
  }
  json::object out;
  for (auto& [name, content] : sorted) out[name] = std::move(content);
  return out;
}

}  // namespace caracal::apimachinery
