// RequestRouter: finds who answers a request: health, version, discovery, OpenAPI, or a resource
// verb; and refuses those whose sender is not known or not allowed.
#pragma once

#include <memory>
#include <string>

#include "apimachinery/resource_type.h"
#include "apiserver/auth.h"
#include "apiserver/openapi_cache.h"
#include "apiserver/resource_modifier.h"
#include "apiserver/resource_reader.h"
#include "apiserver/worker_pool.h"

namespace caracal::apiserver {

class RequestRouter {
 public:
  struct Parts {
    const apimachinery::ResourceRegistry* registry = nullptr;
    const Authenticator* authenticator = nullptr;
    const ResourceReader* reader = nullptr;
    ResourceModifier* modifier = nullptr;
    OpenApiCache* openapi = nullptr;
    WorkerPool* workers = nullptr;
    std::string version;         // Caracal's
    std::string server_address;  // shown by /api
  };
  explicit RequestRouter(Parts parts) : parts_(std::move(parts)) {}

  void route(const std::shared_ptr<const HttpRequest>& request, Responder respond) const;

 private:
  // Health and version: answered to everybody.
  bool answer_open(const HttpRequest& request, const Responder& respond) const;
  bool answer_documents(const std::shared_ptr<const HttpRequest>& request,
                        const Responder& respond) const;
  void answer_resource(const std::shared_ptr<const HttpRequest>& request, const User& user,
                       Responder respond) const;

  Parts parts_;
};

}  // namespace caracal::apiserver
