#include "apiserver/selection.h"

#include <fmt/format.h>

#include "apiserver/object.h"

namespace caracal::apiserver {

bool Selection::matches(const StoredObject& object) const {
  if (!ns.empty() && object.key.ns != ns) return false;
  for (const auto& requirement : fields.requirements()) {
    if ((field_value(object, requirement.field) == requirement.value) != requirement.equal)
      return false;
  }
  if (labels.matches_everything()) return true;
  const auto& have = object.attributes.labels;
  return labels.matches([&have](std::string_view key) -> std::optional<std::string_view> {
    for (const auto& [name, value] : have) {
      if (name == key) return value;
    }
    return std::nullopt;
  });
}

ApiResult<Selection> parse_selection(const HttpRequest& request,
                                     const apimachinery::ResourceType& type, std::string ns,
                                     std::string_view name) {
  Selection selection;
  selection.ns = std::move(ns);
  auto labels = selector::Selector::parse_label_query(request.parameter("labelSelector"));
  if (!labels) {
    return refuse(ApiError::bad_request("unable to parse requirement: " + labels.error().message));
  }
  selection.labels = std::move(*labels);
  std::string query(request.parameter("fieldSelector"));
  if (!name.empty())
    query = fmt::format("metadata.name={}{}{}", name, query.empty() ? "" : ",", query);
  auto fields = apimachinery::FieldSelector::parse(query);
  if (!fields) return refuse(ApiError::bad_request(fields.error().message));
  if (const Status known = fields->check(apimachinery::selectable_fields(type)); !known) {
    return refuse(ApiError::bad_request(known.error().message));
  }
  selection.fields = std::move(*fields);
  return selection;
}

}  // namespace caracal::apiserver
