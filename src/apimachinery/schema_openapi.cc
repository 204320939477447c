#include "apimachinery/schema_openapi.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <cmath>

namespace caracal::apimachinery {
namespace {

// Reads one JSONSchemaProps object. Members of a wrong type cannot come here: the CRD passed the
// schema of its own kind.
class OpenApiReader {
 public:
  OpenApiReader(SchemaPool& pool, std::vector<FieldError>& errors) : pool_(pool), errors_(errors) {}

  Schema* read(const json::value& props, const FieldPath& path) {
    Schema* node = pool_.make();
    node->custom = true;
    const json::object* object = props.if_object();
    if (object == nullptr) {
      errors_.push_back(FieldError::type_invalid(path, props, "must be a schema object"));
      return node;
    }
    read_type(*node, *object, path);
    read_limits(*node, *object);
    read_texts(*node, *object, path);
    read_extensions(*node, *object, path);
    read_children(*node, *object, path);
    return node;
  }

 private:
  void read_type(Schema& node, const json::object& props, const FieldPath& path) {
    const json::value* type = props.if_contains("type");
    const json::string* text = type != nullptr ? type->if_string() : nullptr;
    if (text == nullptr || text->empty()) return;
    for (const SchemaType candidate :
         {SchemaType::kObject, SchemaType::kArray, SchemaType::kString, SchemaType::kInteger,
          SchemaType::kNumber, SchemaType::kBoolean}) {
      if (to_string(candidate) == std::string_view(*text)) {
        node.type = candidate;
        return;
      }
    }
    errors_.push_back(FieldError::not_supported(
        path.child("type"), *type, {"array", "boolean", "integer", "number", "object", "string"}));
  }

  static std::optional<double> number(const json::object& props, std::string_view name) {
    const json::value* value = props.if_contains(name);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    return value->to_number<double>();
  }

  static std::optional<uint64_t> count(const json::object& props, std::string_view name) {
    const std::optional<double> value = number(props, name);
    if (!value || *value < 0) return std::nullopt;
    return static_cast<uint64_t>(*value);
  }

  static bool flag(const json::object& props, std::string_view name) {
    const json::value* value = props.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
  }

  static std::string text(const json::object& props, std::string_view name) {
    const json::value* value = props.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
  }

  static std::vector<std::string> texts(const json::object& props, std::string_view name) {
    std::vector<std::string> found;
    const json::value* value = props.if_contains(name);
    if (value == nullptr || !value->is_array()) return found;
    for (const json::value& element : value->get_array()) {
      if (element.is_string()) found.emplace_back(element.get_string());
    }
    return found;
  }

  static void read_limits(Schema& node, const json::object& props) {
    node.minimum = number(props, "minimum");
    node.maximum = number(props, "maximum");
    node.exclusive_minimum = flag(props, "exclusiveMinimum");
    node.exclusive_maximum = flag(props, "exclusiveMaximum");
    node.multiple_of = number(props, "multipleOf");
    node.min_length = count(props, "minLength");
    node.max_length = count(props, "maxLength");
    node.min_items = count(props, "minItems");
    node.max_items = count(props, "maxItems");
    node.min_properties = count(props, "minProperties");
    node.max_properties = count(props, "maxProperties");
    node.unique_items = flag(props, "uniqueItems");
    node.nullable = flag(props, "nullable");
  }

  void read_texts(Schema& node, const json::object& props, const FieldPath& path) {
    node.format = text(props, "format");
    node.description = text(props, "description");
    node.required = texts(props, "required");
    node.pattern = text(props, "pattern");
    if (!node.pattern.empty()) {
      auto regex = std::make_shared<re2::RE2>(node.pattern, re2::RE2::Quiet);
      if (regex->ok()) {
        node.regex = std::move(regex);
      } else {
        errors_.push_back(FieldError::invalid(
            path.child("pattern"), json::string(node.pattern),
            "must be a valid regular expression, but isn't: " + regex->error()));
      }
    }
    if (const json::value* values = props.if_contains("enum");
        values != nullptr && values->is_array()) {
      node.enum_values.assign(values->get_array().begin(), values->get_array().end());
    }
    if (const json::value* value = props.if_contains("default"); value != nullptr)
      node.default_value = *value;
  }

  void read_extensions(Schema& node, const json::object& props, const FieldPath& path) {
    node.int_or_string = flag(props, "x-kubernetes-int-or-string");
    node.preserve_unknown_fields = flag(props, "x-kubernetes-preserve-unknown-fields");
    node.embedded_resource = flag(props, "x-kubernetes-embedded-resource");
    node.map_atomic = text(props, "x-kubernetes-map-type") == "atomic";
    node.list_map_keys = texts(props, "x-kubernetes-list-map-keys");
    if (const std::string list_type = text(props, "x-kubernetes-list-type"); !list_type.empty()) {
      node.list_type_set = true;
      if (list_type == "set") {
        node.list_type = ListType::kSet;
      } else if (list_type == "map") {
        node.list_type = ListType::kMap;
      } else if (list_type != "atomic") {
        errors_.push_back(FieldError::not_supported(path.child("x-kubernetes-list-type"),
                                                    json::string(list_type),
                                                    {"atomic", "set", "map"}));
      }
    }
    if (const json::value* rules = props.if_contains("x-kubernetes-validations");
        rules != nullptr && rules->is_array()) {
      node.validations = rules->get_array();
    }
  }

  void read_children(Schema& node, const json::object& props, const FieldPath& path) {
    if (const json::value* properties = props.if_contains("properties");
        properties != nullptr && properties->is_object()) {
      for (const auto& [name, child] : properties->get_object()) {
        node.properties.emplace(name, read(child, path.child("properties").key(name)));
      }
    }
    if (const json::value* items = props.if_contains("items"); items != nullptr) {
      if (items->is_array()) {
        errors_.push_back(FieldError::forbidden(path.child("items"),
                                                "items must be a schema object and not an array"));
      } else {
        node.items = read(*items, path.child("items"));
      }
    }
    if (const json::value* extra = props.if_contains("additionalProperties"); extra != nullptr) {
      if (extra->is_bool()) {
        node.additional_properties_allowed = extra->get_bool();
      } else {
        node.additional_properties = read(*extra, path.child("additionalProperties"));
      }
    }
    for (const auto& [name, list] :
         {std::pair{"allOf", &node.all_of}, {"anyOf", &node.any_of}, {"oneOf", &node.one_of}}) {
      const json::value* parts = props.if_contains(name);
      if (parts == nullptr || !parts->is_array()) continue;
      for (size_t i = 0; i < parts->get_array().size(); ++i) {
        list->push_back(read(parts->get_array()[i], path.child(name).index(i)));
      }
    }
    if (const json::value* negated = props.if_contains("not"); negated != nullptr) {
      node.not_schema = read(*negated, path.child("not"));
    }
  }

  SchemaPool& pool_;
  std::vector<FieldError>& errors_;
};

// 10, not 1E1: limits of integers are written as integers.
json::value plain_number(double value) {
  if (std::floor(value) == value && std::fabs(value) < 9e15) return static_cast<int64_t>(value);
  return value;
}

json::array text_array(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

class OpenApiWriter {
 public:
  explicit OpenApiWriter(OpenApiForm form) : form_(form) {}

  json::value write(const Schema& schema) const {
    if (form_ == OpenApiForm::kInline || schema.definition.empty()) return content(schema);
    return reference(schema);
  }

  json::value content(const Schema& schema) const {
    json::object out;
    const std::string& description =
        form_ != OpenApiForm::kInline && !schema.definition_description.empty()
            ? schema.definition_description
            : schema.description;
    if (!description.empty()) out["description"] = description;
    write_type(out, schema);
    write_limits(out, schema);
    write_members(out, schema);
    write_extensions(out, schema);
    if (form_ != OpenApiForm::kV2) write_logic(out, schema);
    return out;
  }

 private:
  json::value reference(const Schema& schema) const {
    json::object out;
    const bool is_v2 = form_ == OpenApiForm::kV2;
    const std::string target =
        (is_v2 ? "#/definitions/" : "#/components/schemas/") + schema.definition;
    // A description equal to the definition's is the definition's own.
    if (schema.description != schema.definition_description &&
        !schema.definition_description.empty()) {
      out["description"] = schema.description;
    }
    if (schema.default_value) out["default"] = *schema.default_value;
    if (is_v2 || out.empty()) {
      out["$ref"] = target;
    } else {
      out["allOf"] = json::array{json::object{{"$ref", target}}};
    }
    return out;
  }

  void write_type(json::object& out, const Schema& schema) const {
    if (schema.int_or_string) {
      if (form_ == OpenApiForm::kInline) {
        out["anyOf"] =
            json::array{json::object{{"type", "integer"}}, json::object{{"type", "string"}}};
        out["x-kubernetes-int-or-string"] = true;
        return;
      }
      out["type"] = "string";
      out["format"] = "int-or-string";
      return;
    }
    if (schema.type != SchemaType::kAny) out["type"] = to_string(schema.type);
    if (!schema.format.empty()) out["format"] = schema.format;
  }

  void write_limits(json::object& out, const Schema& schema) const {
    if (schema.default_value && (form_ != OpenApiForm::kV2 || !schema.default_value->is_null())) {
      out["default"] = *schema.default_value;
    }
    if (!schema.enum_values.empty())
      out["enum"] = json::array(schema.enum_values.begin(), schema.enum_values.end());
    if (!schema.pattern.empty()) out["pattern"] = schema.pattern;
    if (schema.minimum) out["minimum"] = plain_number(*schema.minimum);
    if (schema.maximum) out["maximum"] = plain_number(*schema.maximum);
    if (schema.exclusive_minimum) out["exclusiveMinimum"] = true;
    if (schema.exclusive_maximum) out["exclusiveMaximum"] = true;
    if (schema.multiple_of) out["multipleOf"] = plain_number(*schema.multiple_of);
    if (schema.min_length) out["minLength"] = *schema.min_length;
    if (schema.max_length) out["maxLength"] = *schema.max_length;
    if (schema.min_items) out["minItems"] = *schema.min_items;
    if (schema.max_items) out["maxItems"] = *schema.max_items;
    if (schema.min_properties) out["minProperties"] = *schema.min_properties;
    if (schema.max_properties) out["maxProperties"] = *schema.max_properties;
    if (schema.unique_items) out["uniqueItems"] = true;
    if (schema.nullable && form_ != OpenApiForm::kV2) out["nullable"] = true;
  }

  void write_members(json::object& out, const Schema& schema) const {
    if (!schema.properties.empty()) {
      json::object properties;
      for (const auto& [name, property] : schema.properties) properties[name] = write(*property);
      out["properties"] = std::move(properties);
    }
    if (!schema.required.empty()) out["required"] = text_array(schema.required);
    if (schema.items != nullptr) out["items"] = write(*schema.items);
    if (schema.additional_properties != nullptr) {
      out["additionalProperties"] = write(*schema.additional_properties);
    } else if (schema.additional_properties_allowed && form_ != OpenApiForm::kV2) {
      out["additionalProperties"] = true;
    }
  }

  void write_extensions(json::object& out, const Schema& schema) const {
    if (schema.list_type_set) {
      out["x-kubernetes-list-type"] = schema.list_type == ListType::kMap   ? "map"
                                      : schema.list_type == ListType::kSet ? "set"
                                                                           : "atomic";
      if (!schema.list_map_keys.empty())
        out["x-kubernetes-list-map-keys"] = text_array(schema.list_map_keys);
    }
    if (schema.map_atomic) out["x-kubernetes-map-type"] = "atomic";
    if (schema.embedded_resource) out["x-kubernetes-embedded-resource"] = true;
    if (schema.preserve_unknown_fields && (form_ == OpenApiForm::kInline || schema.custom)) {
      out["x-kubernetes-preserve-unknown-fields"] = true;
    }
    if (!schema.validations.empty()) out["x-kubernetes-validations"] = schema.validations;
    if (form_ == OpenApiForm::kInline) return;
    if (!schema.patch_strategy.empty()) out["x-kubernetes-patch-strategy"] = schema.patch_strategy;
    if (!schema.patch_merge_key.empty())
      out["x-kubernetes-patch-merge-key"] = schema.patch_merge_key;
  }

  void write_logic(json::object& out, const Schema& schema) const {
    for (const auto& [name, list] : {std::pair{"allOf", &schema.all_of},
                                     {"anyOf", &schema.any_of},
                                     {"oneOf", &schema.one_of}}) {
      if (list->empty()) continue;
      json::array parts;
      for (const Schema* part : *list) parts.push_back(write(*part));
      out[name] = std::move(parts);
    }
    if (schema.not_schema != nullptr) out["not"] = write(*schema.not_schema);
  }

  OpenApiForm form_;
};

}  // namespace

Schema* parse_openapi(SchemaPool& pool, const json::value& props, const FieldPath& path,
                      std::vector<FieldError>& errors) {
  return OpenApiReader(pool, errors).read(props, path);
}

json::value to_openapi(const Schema& schema, OpenApiForm form) {
  return OpenApiWriter(form).write(schema);
}

json::value definition_to_openapi(const Schema& schema, OpenApiForm form) {
  return OpenApiWriter(form).content(schema);
}

void collect_definitions(const Schema& schema, std::map<std::string, const Schema*>& seen) {
  if (!schema.definition.empty() && !seen.emplace(schema.definition, &schema).second) return;
  for (const auto& [name, property] : schema.properties) collect_definitions(*property, seen);
  for (const Schema* part : {schema.items, schema.additional_properties, schema.not_schema}) {
    if (part != nullptr) collect_definitions(*part, seen);
  }
  for (const auto* list : {&schema.all_of, &schema.any_of, &schema.one_of}) {
    for (const Schema* part : *list) collect_definitions(*part, seen);
  }
}

}  // namespace caracal::apimachinery
