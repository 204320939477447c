#include "apimachinery/table_columns.h"

#include <boost/json/serialize.hpp>
#include <map>

#include "apimachinery/jsonpath.h"
#include "apimachinery/resource_type.h"
#include "apimachinery/table_cells.h"
#include "base/strings.h"

namespace caracal::apimachinery {
namespace {

using LayoutPtr = std::shared_ptr<const TableLayout>;

LayoutPtr layout_of(std::vector<TableColumn> columns) {
  return std::make_shared<const TableLayout>(TableLayout{std::move(columns)});
}

json::value created_at_cell(const json::value& object, Timestamp /*now*/) {
  return text_or(object, {"metadata", "creationTimestamp"}, kUnknown);
}

LayoutPtr default_layout() {
  TableColumn created = text_column("Created At", "When the object was created", created_at_cell);
  created.type = "date";
  return layout_of({name_column(), created});
}

// The value of one cell of a custom column, by the column's type; null is shown as <none>.
json::value custom_cell(const JsonPath& path, const std::string& type, const json::value& object,
                        Timestamp now) {
  const std::vector<const json::value*> found = path.find(object);
  if (found.empty() || found[0]->is_null()) return nullptr;
  const json::value& first = *found[0];
  boost::system::error_code error;
  if (type == "integer") {
    if (first.is_double()) return static_cast<int64_t>(first.get_double());
    const auto number = first.to_number<int64_t>(error);
    return error ? json::value() : json::value(number);
  }
  if (type == "number") {
    const auto number = first.to_number<double>(error);
    return error ? json::value() : json::value(number);
  }
  if (type == "boolean") return first.is_bool() ? first : json::value();
  if (type == "date") {
    const json::string* text = first.if_string();
    if (text == nullptr) return "<invalid>";
    const std::string age = age_since(std::string_view(*text), now);
    return text_value(age == kUnknown ? std::string_view("<invalid>") : age);
  }
  std::vector<std::string> texts;
  for (const json::value* value : found) {
    const json::string* text = value->if_string();
    texts.push_back(text != nullptr ? std::string(text->data(), text->size())
                                    : json::serialize(*value));
  }
  return text_value(join(texts, " "));
}

LayoutPtr custom_layout(const json::array& printer_columns) {
  std::vector<TableColumn> columns = {name_column()};
  for (const json::value& given : printer_columns) {
    const Result<JsonPath> path = JsonPath::parse(jsonio::get_string(given, {"jsonPath"}));
    if (!path) continue;
    TableColumn column;
    column.name = jsonio::get_string(given, {"name"});
    column.type = jsonio::get_string(given, {"type"}, "string");
    column.format = jsonio::get_string(given, {"format"});
    column.description = jsonio::get_string(given, {"description"});
    column.priority = static_cast<int>(jsonio::get_int(given, {"priority"}));
    column.cell = [path = *path, type = column.type](const json::value& object, Timestamp now) {
      return custom_cell(path, type, object, now);
    };
    columns.push_back(std::move(column));
  }
  if (printer_columns.empty()) {
    TableColumn age = age_column();
    age.type = "date";
    columns.push_back(std::move(age));
  }
  return layout_of(std::move(columns));
}

// "group/kind" -> layout.
std::map<std::string, LayoutPtr, std::less<>> builtin_layouts() {
  return {
      {"/Pod", layout_of(pod_columns())},
      {"/Node", layout_of(node_columns())},
      {"/Namespace", layout_of(namespace_columns())},
      {"/Service", layout_of(service_columns())},
      {"/ServiceAccount", layout_of(service_account_columns())},
      {"/ConfigMap", layout_of(config_map_columns())},
      {"/Secret", layout_of(secret_columns())},
      {"/Endpoints", layout_of(endpoints_columns())},
      {"/Event", layout_of(event_columns())},
      {"discovery.k8s.io/EndpointSlice", layout_of(endpoint_slice_columns())},
      {"networking.k8s.io/NetworkPolicy", layout_of(network_policy_columns())},
      {"coordination.k8s.io/Lease", layout_of(lease_columns())},
  };
}

}  // namespace

std::shared_ptr<const TableLayout> table_layout(const ResourceType& type) {
  static const LayoutPtr kDefault = default_layout();
  static const auto kBuiltin = builtin_layouts();
  if (!type.builtin) return custom_layout(type.printer_columns);
  const auto found = kBuiltin.find(type.group + "/" + type.kind);
  return found != kBuiltin.end() ? found->second : kDefault;
}

}  // namespace caracal::apimachinery
