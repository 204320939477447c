// The OpenAPI v3 documents, one a group and version, and their index (/openapi/v3).
#pragma once

#include <map>
#include <string>

#include "apimachinery/resource_type.h"

namespace caracal::apimachinery {

struct OpenApiV3 {
  // {"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=..."}, ...}}
  std::string index;
  // "api/v1", "apis/networking.k8s.io/v1" -> document and its hash (a new hash is a new document).
  struct Document {
    std::string text;  // JSON
    std::string hash;
  };
  std::map<std::string, Document, std::less<>> documents;
};

OpenApiV3 render_openapi_v3(const ResourceCatalog& catalog);
json::value openapi_v3_document(const ResourceCatalog& catalog, std::string_view group,
                                std::string_view version);

}  // namespace caracal::apimachinery
