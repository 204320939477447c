// Selection: which objects of a resource a list, a watch or a deletecollection means.
#pragma once

#include <string>

#include "apimachinery/field_selector.h"
#include "apimachinery/resource_type.h"
#include "apiserver/api_error.h"
#include "apiserver/http_server.h"
#include "apiserver/store.h"
#include "selector/selector.h"

namespace caracal::apiserver {

struct Selection {
  std::string ns;  // empty: all
  selector::Selector labels;
  apimachinery::FieldSelector fields;

  bool matches(const StoredObject& object) const;
  bool matches_all() const { return labels.matches_everything() && fields.empty(); }
};

// From labelSelector and fieldSelector; `name` narrows it to one object (a watch of a single one).
ApiResult<Selection> parse_selection(const HttpRequest& request,
                                     const apimachinery::ResourceType& type, std::string ns,
                                     std::string_view name);

}  // namespace caracal::apiserver
