#include "apiserver/object_view.h"

#include <chrono>
#include <span>

#include "apimachinery/table_columns.h"
#include "apiserver/object.h"

namespace caracal::apiserver {
namespace {

apimachinery::Timestamp now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace

ApiResult<ObjectView> ObjectView::for_request(const HttpRequest& request,
                                              apimachinery::ResourceTypePtr type) {
  ObjectView view;
  view.type_ = std::move(type);
  CARACAL_API_ASSIGN(view.representation_, negotiate(request.header("accept")));
  auto include = apimachinery::parse_include_object(request.parameter("includeObject"));
  if (!include) return refuse(ApiError::bad_request(include.error().message));
  view.include_ = *include;
  return view;
}

std::string ObjectView::render(const StoredObject& object, bool with_columns) const {
  if (representation_ == Representation::kObject) return bytes_in_version(object, *type_);
  json::value value = parse_stored(object);
  value.get_object()["apiVersion"] = type_->api_version();
  return render(value, with_columns);
}

std::string ObjectView::render(const json::value& object, bool with_columns) const {
  switch (representation_) {
    case Representation::kObject:
      return jsonio::to_string(object);
    case Representation::kPartialMetadata:
      return jsonio::to_string(apimachinery::partial_object_metadata(object));
    case Representation::kTable:
      break;
  }
  return jsonio::to_string(
      apimachinery::make_table(*apimachinery::table_layout(*type_), std::span(&object, 1), {},
                               {.include_object = include_, .with_columns = with_columns}, now()));
}

std::string ObjectView::render_list(const std::vector<StoredPtr>& items,
                                    const json::object& metadata) const {
  if (representation_ == Representation::kTable) {
    std::vector<json::value> objects;
    objects.reserve(items.size());
    for (const StoredPtr& item : items) {
      objects.push_back(parse_stored(*item));
      objects.back().get_object()["apiVersion"] = type_->api_version();
    }
    return jsonio::to_string(apimachinery::make_table(*apimachinery::table_layout(*type_), objects,
                                                      metadata, {.include_object = include_},
                                                      now()));
  }
  const bool partial = representation_ == Representation::kPartialMetadata;
  json::object head{{"kind", partial ? "PartialObjectMetadataList" : type_->list_kind},
                    {"apiVersion", partial ? "meta.k8s.io/v1" : type_->api_version()},
                    {"metadata", metadata}};
  std::string text = jsonio::to_string(head);
  text.pop_back();
  text += ",\"items\":[";
  if (!partial) {
    size_t bytes = text.size() + items.size() + 2;
    for (const StoredPtr& item : items) bytes += item->bytes.size();
    text.reserve(bytes);
  }
  bool first = true;
  for (const StoredPtr& item : items) {
    if (!first) text += ',';
    first = false;
    text += type_->storage_version && !partial ? item->bytes : render(*item);
  }
  text += "]}";
  return text;
}

}  // namespace caracal::apiserver
