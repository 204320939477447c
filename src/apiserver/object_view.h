// ObjectView: objects and lists in the representation a client accepts: themselves, Table, metadata
// only. Thread-safe values; one a request.
#pragma once

#include <string>
#include <vector>

#include "apimachinery/resource_type.h"
#include "apimachinery/table.h"
#include "apiserver/api_error.h"
#include "apiserver/media.h"
#include "apiserver/store.h"
#include "jsonio/json.h"

namespace caracal::apiserver {

class ObjectView {
 public:
  // From the Accept header and ?includeObject=.
  static ApiResult<ObjectView> for_request(const HttpRequest& request,
                                           apimachinery::ResourceTypePtr type);

  const apimachinery::ResourceType& type() const { return *type_; }
  bool as_object() const { return representation_ == Representation::kObject; }
  // One object's text; `with_columns` only matters to tables.
  std::string render(const StoredObject& object, bool with_columns = true) const;
  std::string render(const json::value& object, bool with_columns = true) const;
  // `metadata` is that of the list: resourceVersion, continue, remainingItemCount.
  std::string render_list(const std::vector<StoredPtr>& items, const json::object& metadata) const;

 private:
  apimachinery::ResourceTypePtr type_;
  Representation representation_ = Representation::kObject;
  apimachinery::IncludeObject include_ = apimachinery::IncludeObject::kMetadata;
};

}  // namespace caracal::apiserver
