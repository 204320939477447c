#include "apimachinery/defaulting.h"

#include "apimachinery/builtin_defaults.h"

namespace caracal::apimachinery {
namespace {

// Whether the user left the member out, as its decoder sees it.
bool is_absent(const Schema& property, const json::value* member) {
  if (member == nullptr) return true;
  if (member->is_null()) return !property.nullable;
  return !property.custom && member->is_string() && member->get_string().empty();
}

}  // namespace

void apply_schema_defaults(const Schema& schema, json::value& object) {
  if (json::object* members = object.if_object()) {
    for (const auto& [name, property] : schema.properties) {
      json::value* member = members->if_contains(name);
      if (property->default_value && is_absent(*property, member)) {
        member = &((*members)[name] = *property->default_value);
      }
      if (member != nullptr) apply_schema_defaults(*property, *member);
    }
    if (schema.additional_properties != nullptr) {
      for (auto& entry : *members) {
        if (!schema.properties.contains(std::string_view(entry.key()))) {
          apply_schema_defaults(*schema.additional_properties, entry.value());
        }
      }
    }
  } else if (json::array* elements = object.if_array();
             elements != nullptr && schema.items != nullptr) {
    for (json::value& element : *elements) apply_schema_defaults(*schema.items, element);
  }
}

void apply_defaults(const ResourceType& type, json::value& object) {
  apply_schema_defaults(*type.schema, object);
  if (type.builtin) default_builtin(type.group, type.kind, object);
}

}  // namespace caracal::apimachinery
