#include "apimachinery/schema.h"

#include <algorithm>

namespace caracal::apimachinery {

std::string_view to_string(SchemaType type) {
  switch (type) {
    case SchemaType::kAny:
      return "";
    case SchemaType::kObject:
      return "object";
    case SchemaType::kArray:
      return "array";
    case SchemaType::kString:
      return "string";
    case SchemaType::kInteger:
      return "integer";
    case SchemaType::kNumber:
      return "number";
    case SchemaType::kBoolean:
      return "boolean";
  }
  return "";
}

const Schema* Schema::member(std::string_view name) const {
  if (const auto found = properties.find(name); found != properties.end()) return found->second;
  return additional_properties;
}

bool Schema::is_required(std::string_view name) const {
  return std::find(required.begin(), required.end(), name) != required.end();
}

Schema* SchemaPool::make() { return &nodes_.emplace_back(); }
Schema* SchemaPool::make(const Schema& content) { return &nodes_.emplace_back(content); }

SchemaPtr share(const std::shared_ptr<const SchemaPool>& pool, const Schema* root) {
  return SchemaPtr(pool, root);
}

}  // namespace caracal::apimachinery
