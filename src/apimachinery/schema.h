// Schema: what the value of a field may look like; one tree for builtin kinds and for CRDs.
//
// Built by schema_notation.h (builtin kinds and bundled CRDs, compact YAML) and schema_openapi.h
// (CRDs, OpenAPI v3 JSON). Read by validation, defaulting, pruning, patches (list types, merge
// keys) and the OpenAPI documents. A node is immutable once its SchemaPool is shared, so any thread
// may read it.
//
// Nodes refer to each other by plain pointers into the pool that owns them all (a schema may be
// recursive); hold the pool, or a SchemaPtr, which keeps it alive.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jsonio/json.h"

namespace re2 {
class RE2;
}

namespace caracal::apimachinery {

enum class SchemaType { kAny, kObject, kArray, kString, kInteger, kNumber, kBoolean };
std::string_view to_string(SchemaType type);  // "object", "array", ...; "" for kAny

// x-kubernetes-list-type: how two lists are merged.
enum class ListType { kAtomic, kSet, kMap };

struct Schema {
  SchemaType type = SchemaType::kAny;
  std::string format;       // int32, int64, date-time, byte, ...
  std::string description;  // of the field
  // Name of the shared definition this node is an instance of (io.k8s.api.core.v1.PodSpec), or
  // empty. The node holds a copy of the definition's content, so readers need not follow it.
  std::string definition;
  std::string definition_description;

  std::map<std::string, const Schema*, std::less<>> properties;
  std::vector<std::string> required;
  const Schema* items = nullptr;                  // of an array
  const Schema* additional_properties = nullptr;  // values of a map
  bool additional_properties_allowed = false;     // additionalProperties: true

  std::vector<json::value> enum_values;
  std::optional<json::value> default_value;
  std::string pattern;                    // RE2 syntax, matches anywhere
  std::shared_ptr<const re2::RE2> regex;  // the pattern compiled; null when there is none
  std::optional<double> minimum;
  std::optional<double> maximum;
  bool exclusive_minimum = false;
  bool exclusive_maximum = false;
  std::optional<double> multiple_of;
  std::optional<uint64_t> min_length;
  std::optional<uint64_t> max_length;
  std::optional<uint64_t> min_items;
  std::optional<uint64_t> max_items;
  std::optional<uint64_t> min_properties;
  std::optional<uint64_t> max_properties;
  bool unique_items = false;
  bool nullable = false;

  bool int_or_string = false;            // x-kubernetes-int-or-string
  bool quantity = false;                 // a resource.Quantity: "100m", 1, "1Gi"
  bool preserve_unknown_fields = false;  // x-kubernetes-preserve-unknown-fields
  bool embedded_resource = false;        // x-kubernetes-embedded-resource

  ListType list_type = ListType::kAtomic;  // of an array
  bool list_type_set = false;              // the schema names it
  std::vector<std::string> list_map_keys;  // of ListType::kMap
  bool map_atomic = false;                 // x-kubernetes-map-type: atomic
  std::string
      patch_strategy;  // strategic merge: "merge", "replace", "retainKeys", "merge,retainKeys"
  std::string patch_merge_key;  // strategic merge: the key of list elements

  std::vector<const Schema*> all_of;
  std::vector<const Schema*> any_of;
  std::vector<const Schema*> one_of;
  const Schema* not_schema = nullptr;
  // Part of a custom resource. Builtin kinds are read by typed decoders: an empty text is no value
  // there, and duplicates in keyed lists are left to their own checks (a pod may name one variable
  // twice).
  bool custom = false;
  json::array validations;  // x-kubernetes-validations: kept for OpenAPI, not evaluated (CEL)

  // The schema of a member: the property of that name, else the schema of map values, else nullptr.
  const Schema* member(std::string_view name) const;
  bool is_required(std::string_view name) const;
};

// Owner of schema nodes. Build, then share as const.
class SchemaPool {
 public:
  Schema* make();
  Schema* make(const Schema& content);
  size_t size() const { return nodes_.size(); }

 private:
  std::deque<Schema> nodes_;  // never moves a node
};

// A root that keeps its pool alive.
using SchemaPtr = std::shared_ptr<const Schema>;
SchemaPtr share(const std::shared_ptr<const SchemaPool>& pool, const Schema* root);

}  // namespace caracal::apimachinery
