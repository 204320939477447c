#include "apimachinery/crd.h"

#include <fmt/format.h>

#include "apimachinery/builtin_types.h"
#include "apimachinery/schema_openapi.h"

namespace caracal::apimachinery {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::vector<std::string> texts_at(const json::value& value,
                                  std::initializer_list<std::string_view> path) {
  std::vector<std::string> texts;
  for (const json::value& element : jsonio::get_array(value, path)) {
    if (element.is_string()) texts.emplace_back(element.get_string());
  }
  return texts;
}

void set_if_empty(json::value& crd, std::initializer_list<std::string_view> path,
                  std::string_view text) {
  json::value& member = jsonio::ensure(crd, path);
  if (!member.is_string() || member.get_string().empty()) member = json::string(text);
}

// apiVersion, kind and metadata are the same for every kind, whatever the schema says of them.
Schema* type_root(SchemaPool& pool, const json::value& props, std::vector<FieldError>& errors) {
  Schema* root = parse_openapi(pool, props, FieldPath("openAPIV3Schema"), errors);
  Schema* text = pool.make();
  text->type = SchemaType::kString;
  text->custom = true;
  Schema* api_version = pool.make(*text);
  api_version->description = "Group and version of this object.";
  Schema* kind = pool.make(*text);
  kind->description = "What this object is, as a CamelCase singular.";
  root->properties["apiVersion"] = api_version;
  root->properties["kind"] = kind;
  if (const Schema* metadata = builtin_definition("ObjectMeta")) {
    Schema* own = pool.make(*metadata);
    own->definition_description = metadata->description;
    own->description = "Name, namespace, labels and other metadata every object has.";
    // A CRD may restrict the name further.
    if (const auto found = root->properties.find("metadata"); found != root->properties.end()) {
      for (const auto& [name, restriction] : found->second->properties)
        own->properties[name] = restriction;
    }
    root->properties["metadata"] = own;
  }
  return root;
}

bool uses_rules(const json::value& schema) {
  if (const json::object* object = schema.if_object()) {
    for (const auto& [name, member] : *object) {
      if (name == "x-kubernetes-validations" || uses_rules(member)) return true;
    }
  } else if (const json::array* array = schema.if_array()) {
    for (const json::value& element : *array) {
      if (uses_rules(element)) return true;
    }
  }
  return false;
}

}  // namespace

void default_crd(json::value& crd) {
  const std::string kind(jsonio::get_string(crd, {"spec", "names", "kind"}));
  if (!jsonio::get_object(crd, {"spec", "names"}).empty() && !kind.empty()) {
    set_if_empty(crd, {"spec", "names", "singular"}, lower(kind));
    set_if_empty(crd, {"spec", "names", "listKind"}, kind + "List");
  }
  if (jsonio::get(crd, {"spec"}) != nullptr)
    set_if_empty(crd, {"spec", "conversion", "strategy"}, "None");
}

std::vector<std::string> crd_warnings(const json::value& crd) {
  std::vector<std::string> warnings;
  const json::array& versions = jsonio::get_array(crd, {"spec", "versions"});
  for (size_t i = 0; i < versions.size(); ++i) {
    const json::value* schema = jsonio::get(versions[i], {"schema", "openAPIV3Schema"});
    if (schema != nullptr && uses_rules(*schema)) {
      warnings.push_back(
          fmt::format("spec.versions[{}].schema.openAPIV3Schema: x-kubernetes-validations rules "
                      "are kept but not evaluated by this server",
                      i));
    }
    if (jsonio::get(versions[i], {"subresources", "scale"}) != nullptr) {
      warnings.push_back(
          fmt::format("spec.versions[{}].subresources.scale: the scale subresource is not served "
                      "by this server",
                      i));
    }
  }
  return warnings;
}

Result<std::vector<ResourceType>> crd_types(const json::value& crd) {
  std::vector<ResourceType> types;
  for (const json::value& version : jsonio::get_array(crd, {"spec", "versions"})) {
    if (!jsonio::get_bool(version, {"served"})) continue;
    ResourceType type;
    type.builtin = false;
    type.group = jsonio::get_string(crd, {"spec", "group"});
    type.version = jsonio::get_string(version, {"name"});
    type.kind = jsonio::get_string(crd, {"spec", "names", "kind"});
    type.list_kind = jsonio::get_string(crd, {"spec", "names", "listKind"});
    type.plural = jsonio::get_string(crd, {"spec", "names", "plural"});
    type.singular = jsonio::get_string(crd, {"spec", "names", "singular"});
    type.short_names = texts_at(crd, {"spec", "names", "shortNames"});
    type.categories = texts_at(crd, {"spec", "names", "categories"});
    type.verbs = {"delete", "deletecollection", "get",    "list",
                  "patch",  "create",           "update", "watch"};
    type.namespaced = jsonio::get_string(crd, {"spec", "scope"}) != "Cluster";
    type.storage_version = jsonio::get_bool(version, {"storage"});
    type.deprecated = jsonio::get_bool(version, {"deprecated"});
    if (type.deprecated) {
      type.deprecation_warning = jsonio::get_string(version, {"deprecationWarning"});
      if (type.deprecation_warning.empty())
        type.deprecation_warning =
            fmt::format("{} {} is deprecated", type.api_version(), type.kind);
    }
    type.has_generation = true;
    if (jsonio::get(version, {"subresources", "status"}) != nullptr) {
      type.subresources.push_back(
          {"status", type.group, type.version, type.kind, {"get", "patch", "update"}});
    }
    type.printer_columns = jsonio::get_array(version, {"additionalPrinterColumns"});
    for (const json::value& field : jsonio::get_array(version, {"selectableFields"})) {
      const std::string_view path = jsonio::get_string(field, {"jsonPath"});
      if (path.starts_with('.')) type.field_selectors.emplace_back(path.substr(1));
    }
    const json::value* schema = jsonio::get(version, {"schema", "openAPIV3Schema"});
    if (schema == nullptr)
      return fail(Errc::kInvalid,
                  fmt::format("{}: version {} has no schema", type.group_resource(), type.version));
    auto pool = std::make_shared<SchemaPool>();
    std::vector<FieldError> errors;
    const Schema* root = type_root(*pool, *schema, errors);
    if (!errors.empty())
      return fail(Errc::kInvalid, fmt::format("{}: {}", type.group_resource(), to_string(errors)));
    type.preserve_unknown_fields = root->preserve_unknown_fields;
    type.schema = share(pool, root);
    types.push_back(std::move(type));
  }
  return types;
}

}  // namespace caracal::apimachinery
