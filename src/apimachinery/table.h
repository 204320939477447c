// Table documents (meta.k8s.io/v1): what `kubectl get` asks for instead of the objects themselves.
//
// The API server calls make_table for a list, a single object and each watch event when the
// client's Accept header says ";as=Table;g=meta.k8s.io;v=v1". Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "apimachinery/age.h"
#include "apimachinery/table_columns.h"
#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {

// How much of each object its row carries (?includeObject=).
enum class IncludeObject : uint8_t { kNone, kMetadata, kObject };
// "None", "Metadata", "Object"; an empty text is Metadata.
Result<IncludeObject> parse_include_object(std::string_view text);

struct TableOptions {
  IncludeObject include_object = IncludeObject::kMetadata;
  // kubectl needs the column definitions on the first event of a watch only.
  bool with_columns = true;
};

// `list_metadata` (resourceVersion, continue, remainingItemCount) becomes the Table's metadata; for
// a single object give an empty one: the Table then carries the object's resourceVersion.
json::value make_table(const TableLayout& layout, std::span<const json::value> objects,
                       const json::object& list_metadata, const TableOptions& options,
                       Timestamp now);

// The object's metadata alone, as a PartialObjectMetadata document.
json::value partial_object_metadata(const json::value& object);

}  // namespace caracal::apimachinery
