#include "apimachinery/crd_structural.h"

#include <string>
#include <string_view>

#include "apimachinery/schema_decode.h"
#include "apimachinery/schema_openapi.h"
#include "apimachinery/schema_validate.h"

namespace caracal::apimachinery {
namespace {

constexpr std::string_view kUnsupported[] = {
    "$ref", "$schema", "id", "definitions", "dependencies", "patternProperties", "additionalItems"};
// What says a type belongs into the structure itself, not into a branch of allOf, anyOf, oneOf,
// not.
constexpr std::string_view kNotInBranches[] = {"description",
                                               "type",
                                               "default",
                                               "nullable",
                                               "additionalProperties",
                                               "x-kubernetes-preserve-unknown-fields",
                                               "x-kubernetes-embedded-resource"};

enum class Place { kRoot, kField, kItem, kMapValue };

class StructuralCheck {
 public:
  std::vector<FieldError> take() { return std::move(errors_); }

  void structure(const json::object& props, const FieldPath& path, Place place) {
    common(props, path);
    const std::string_view type = text(props, "type");
    const bool int_or_string = flag(props, "x-kubernetes-int-or-string");
    const bool preserves = flag(props, "x-kubernetes-preserve-unknown-fields");
    if (place == Place::kRoot) {
      if (type.empty()) {
        errors_.push_back(
            FieldError::required(path.child("type"), "must not be empty at the root"));
      } else if (type != "object") {
        errors_.push_back(FieldError::invalid(path.child("type"), json::string(type),
                                              "must be object at the root"));
      }
    } else if (type.empty() && !int_or_string && !preserves) {
      errors_.push_back(FieldError::required(
          path.child("type"), place == Place::kItem
                                  ? "must not be empty for specified array items"
                                  : "must not be empty for specified object fields"));
    }
    if (int_or_string && !type.empty()) {
      errors_.push_back(FieldError::forbidden(
          path.child("type"), "must be empty if x-kubernetes-int-or-string is true"));
    }
    if (type == "array" && !props.contains("items")) {
      errors_.push_back(FieldError::required(path.child("items"), "must be specified"));
    }
    if (props.contains("properties") && props.contains("additionalProperties")) {
      errors_.push_back(
          FieldError::forbidden(path.child("additionalProperties"),
                                "additionalProperties and properties are mutual exclusive"));
    }
    lists(props, path, type);
    if (flag(props, "x-kubernetes-embedded-resource") && type != "object") {
      errors_.push_back(
          FieldError::invalid(path.child("type"), json::string(type),
                              "must be object if x-kubernetes-embedded-resource is true"));
    }
    children(props, path);
    for (const std::string_view name : {"allOf", "anyOf", "oneOf"}) {
      for_each_element(props, name, path,
                       [this, int_or_string](const json::object& part, const FieldPath& at) {
                         branch(part, at, int_or_string);
                       });
    }
    if (const json::object* negated = object_in(props, "not"))
      branch(*negated, path.child("not"), int_or_string);
    if (place == Place::kRoot) metadata(props, path);
  }

 private:
  static bool flag(const json::object& props, std::string_view name) {
    const json::value* value = props.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
  }
  static std::string_view text(const json::object& props, std::string_view name) {
    const json::value* value = props.if_contains(name);
    return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                  : std::string_view();
  }
  static const json::object* object_in(const json::object& props, std::string_view name) {
    const json::value* value = props.if_contains(name);
    return value == nullptr ? nullptr : value->if_object();
  }

  template <typename Function>
  static void for_each_element(const json::object& props, std::string_view name,
                               const FieldPath& path, const Function& function) {
    const json::value* list = props.if_contains(name);
    if (list == nullptr || !list->is_array()) return;
    size_t position = 0;
    for (const json::value& element : list->get_array()) {
      if (const json::object* object = element.if_object())
        function(*object, path.child(name).index(position));
      ++position;
    }
  }

  void common(const json::object& props, const FieldPath& path) {
    for (const std::string_view name : kUnsupported) {
      if (props.contains(name))
        errors_.push_back(
            FieldError::forbidden(path.child(name), std::string(name) + " is not supported"));
    }
    if (flag(props, "uniqueItems")) {
      errors_.push_back(FieldError::forbidden(
          path.child("uniqueItems"),
          "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"));
    }
    const json::value* extra = props.if_contains("additionalProperties");
    if (extra != nullptr && extra->is_bool() && !extra->get_bool()) {
      errors_.push_back(FieldError::forbidden(path.child("additionalProperties"),
                                              "additionalProperties cannot be set to false"));
    }
  }

  void lists(const json::object& props, const FieldPath& path, std::string_view type) {
    const json::value* list_type = props.if_contains("x-kubernetes-list-type");
    const json::value* keys = props.if_contains("x-kubernetes-list-map-keys");
    const bool is_map =
        list_type != nullptr && list_type->is_string() && list_type->get_string() == "map";
    if (list_type != nullptr && type != "array") {
      errors_.push_back(
          FieldError::invalid(path.child("type"), json::string(type),
                              "must be array if x-kubernetes-list-type is specified"));
    }
    const bool has_keys = keys != nullptr && keys->is_array() && !keys->get_array().empty();
    if (is_map && !has_keys) {
      errors_.push_back(FieldError::required(path.child("x-kubernetes-list-map-keys"),
                                             "must not be empty if x-kubernetes-list-type is map"));
    }
    if (!is_map && has_keys) {
      errors_.push_back(
          FieldError::invalid(path.child("x-kubernetes-list-type"),
                              list_type == nullptr ? json::value(json::string("")) : *list_type,
                              "must be map if x-kubernetes-list-map-keys is non-empty"));
    }
    if (!is_map || !has_keys) return;
    const json::object* items = object_in(props, "items");
    const json::object* members = items == nullptr ? nullptr : object_in(*items, "properties");
    for (const json::value& key : keys->get_array()) {
      if (key.is_string() && (members == nullptr || !members->contains(key.get_string()))) {
        errors_.push_back(FieldError::invalid(path.child("x-kubernetes-list-map-keys"), *keys,
                                              "entries must all be names of item properties"));
      }
    }
  }

  void children(const json::object& props, const FieldPath& path) {
    if (const json::object* properties = object_in(props, "properties")) {
      for (const auto& [name, child] : *properties) {
        if (const json::object* object = child.if_object())
          structure(*object, path.child("properties").key(name), Place::kField);
      }
    }
    if (const json::object* items = object_in(props, "items"))
      structure(*items, path.child("items"), Place::kItem);
    if (const json::object* values = object_in(props, "additionalProperties")) {
      structure(*values, path.child("additionalProperties"), Place::kMapValue);
    }
  }

  // A branch restricts values; the pattern that says "integer or text" is the one exception with
  // types.
  void branch(const json::object& props, const FieldPath& path, bool int_or_string) {
    common(props, path);
    for (const std::string_view name : kNotInBranches) {
      if (!props.contains(name) || (int_or_string && name == "type")) continue;
      errors_.push_back(FieldError::forbidden(path.child(name), "must be empty to be structural"));
    }
    if (const json::object* properties = object_in(props, "properties")) {
      for (const auto& [name, child] : *properties) {
        if (const json::object* object = child.if_object())
          branch(*object, path.child("properties").key(name), false);
      }
    }
    if (const json::object* items = object_in(props, "items"))
      branch(*items, path.child("items"), false);
    for (const std::string_view name : {"allOf", "anyOf", "oneOf"}) {
      for_each_element(props, name, path,
                       [this, int_or_string](const json::object& part, const FieldPath& at) {
                         branch(part, at, int_or_string);
                       });
    }
    if (const json::object* negated = object_in(props, "not"))
      branch(*negated, path.child("not"), int_or_string);
  }

  // metadata is the same for every kind; only its name may be restricted.
  void metadata(const json::object& props, const FieldPath& path) {
    const json::object* properties = object_in(props, "properties");
    const json::object* meta = properties == nullptr ? nullptr : object_in(*properties, "metadata");
    const json::object* members = meta == nullptr ? nullptr : object_in(*meta, "properties");
    if (members == nullptr) return;
    for (const auto& [name, child] : *members) {
      if (name == "name" || name == "generateName") continue;
      errors_.push_back(
          FieldError::forbidden(path.child("properties").key("metadata"),
                                "must not specify anything other than name and generateName, but "
                                "metadata is implicitly specified"));
      return;
    }
  }

  std::vector<FieldError> errors_;
};

void check_defaults(const Schema& schema, const FieldPath& path, std::vector<FieldError>& errors) {
  if (schema.default_value) {
    for (const std::string& unknown : unknown_fields(schema, *schema.default_value)) {
      errors.push_back(FieldError::invalid(path.child("default"), *schema.default_value,
                                           "must not have unknown fields: " + unknown));
    }
    for (FieldError& error : validate(schema, *schema.default_value, path.child("default")))
      errors.push_back(std::move(error));
  }
  for (const auto& [name, property] : schema.properties)
    check_defaults(*property, path.child("properties").key(name), errors);
  if (schema.items != nullptr) check_defaults(*schema.items, path.child("items"), errors);
  if (schema.additional_properties != nullptr) {
    check_defaults(*schema.additional_properties, path.child("additionalProperties"), errors);
  }
}

}  // namespace

std::vector<FieldError> check_structural(const json::value& props, const FieldPath& path) {
  const json::object* object = props.if_object();
  if (object == nullptr) return {FieldError::required(path, "schemas are required")};
  StructuralCheck check;
  check.structure(*object, path, Place::kRoot);
  std::vector<FieldError> errors = check.take();
  SchemaPool pool;
  const Schema* schema = parse_openapi(pool, props, path, errors);
  if (errors.empty()) check_defaults(*schema, path, errors);
  return errors;
}

}  // namespace caracal::apimachinery
