// OpenApiCache: the OpenAPI documents of the present catalog, rendered once a catalog revision, on
// demand. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "apimachinery/openapi_v3.h"
#include "apimachinery/resource_type.h"
#include "apiserver/http_server.h"

namespace caracal::apiserver {

class OpenApiCache {
 public:
  explicit OpenApiCache(const apimachinery::ResourceRegistry& registry) : registry_(registry) {}

  // /openapi/v2: JSON, or the protobuf form when the client names it. 304 when its ETag still
  // holds.
  HttpResponse v2(const HttpRequest& request);
  // /openapi/v3 and /openapi/v3/<document>.
  HttpResponse v3(const HttpRequest& request, std::string_view document);

 private:
  struct Documents {
    uint64_t revision = 0;
    std::string v2_json;
    std::string v2_protobuf;
    apimachinery::OpenApiV3 v3;
  };
  std::shared_ptr<const Documents> current();

  const apimachinery::ResourceRegistry& registry_;
  std::mutex mutex_;
  std::shared_ptr<const Documents> documents_;  // guarded by mutex_
};

}  // namespace caracal::apiserver
