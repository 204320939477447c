#include "apimachinery/table.h"

#include <fmt/format.h>

namespace caracal::apimachinery {
namespace {

json::array column_definitions(const TableLayout& layout) {
  json::array out;
  for (const TableColumn& column : layout.columns) {
    out.push_back(json::object{{"name", column.name},
                               {"type", column.type},
                               {"format", column.format},
                               {"description", column.description},
                               {"priority", column.priority}});
  }
  return out;
}

}  // namespace

Result<IncludeObject> parse_include_object(std::string_view text) {
  if (text.empty() || text == "Metadata") return IncludeObject::kMetadata;
  if (text == "None") return IncludeObject::kNone;
  if (text == "Object") return IncludeObject::kObject;
  return fail(Errc::kInvalid,
              fmt::format("includeObject \"{}\": must be None, Metadata or Object", text));
}

json::value partial_object_metadata(const json::value& object) {
  return json::object{{"kind", "PartialObjectMetadata"},
                      {"apiVersion", "meta.k8s.io/v1"},
                      {"metadata", jsonio::get_object(object, {"metadata"})}};
}

json::value make_table(const TableLayout& layout, std::span<const json::value> objects,
                       const json::object& list_metadata, const TableOptions& options,
                       Timestamp now) {
  json::object metadata = list_metadata;
  if (metadata.empty() && objects.size() == 1) {
    const json::value* version = jsonio::get(objects[0], {"metadata", "resourceVersion"});
    if (version != nullptr) metadata["resourceVersion"] = *version;
  }
  json::array rows;
  rows.reserve(objects.size());
  for (const json::value& object : objects) {
    json::array cells;
    cells.reserve(layout.columns.size());
    for (const TableColumn& column : layout.columns) cells.push_back(column.cell(object, now));
    json::object row{{"cells", std::move(cells)}};
    if (options.include_object == IncludeObject::kMetadata) {
      row["object"] = partial_object_metadata(object);
    } else if (options.include_object == IncludeObject::kObject) {
      row["object"] = object;
    }
    rows.push_back(std::move(row));
  }
  json::object table{
      {"kind", "Table"},
      {"apiVersion", "meta.k8s.io/v1"},
      {"metadata", std::move(metadata)},
      {"columnDefinitions", options.with_columns ? column_definitions(layout) : json::array()},
      {"rows", std::move(rows)}};
  return table;
}

}  // namespace caracal::apimachinery
