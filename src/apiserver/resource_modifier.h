// ResourceModifier: answers create, update, patch, delete and deletecollection of any kind, and the
// few requests that are answered without being stored (bindings, access reviews).
//
// Decodes on the calling thread, then queues one store transaction; the answer comes from the
// commit thread when the change is durable.
#pragma once

#include <functional>
#include <memory>

#include "apimachinery/resource_type.h"
#include "apiserver/auth.h"
#include "apiserver/http_server.h"
#include "apiserver/object_view.h"
#include "apiserver/object_writer.h"
#include "apiserver/request_path.h"
#include "apiserver/store.h"

namespace caracal::apiserver {

class ResourceModifier {
 public:
  ResourceModifier(Store& store, const apimachinery::ResourceRegistry& registry,
                   ObjectWriter& writer)
      : store_(store), registry_(registry), writer_(writer) {}

  // `verb`: create, update, patch, delete, deletecollection.
  void handle(std::string_view verb, const std::shared_ptr<const HttpRequest>& request,
              const User& user, const apimachinery::ResourceTypePtr& type, const RequestPath& path,
              Responder respond);

 private:
  // What one transaction does; its result becomes the answer.
  using Step = std::function<ApiResult<HttpResponse>(Transaction&)>;

  ApiResult<Step> plan(std::string_view verb, const std::shared_ptr<const HttpRequest>& request,
                       const User& user, const apimachinery::ResourceTypePtr& type,
                       const RequestPath& path);
  ApiResult<Step> plan_create(const HttpRequest& request, const WriteTarget& target,
                              ObjectView view);
  ApiResult<Step> plan_update(const HttpRequest& request, const WriteTarget& target,
                              ObjectView view);
  ApiResult<Step> plan_patch(const HttpRequest& request, const WriteTarget& target,
                             ObjectView view);
  ApiResult<Step> plan_delete(const HttpRequest& request, WriteTarget target, ObjectView view);
  ApiResult<Step> plan_delete_collection(const HttpRequest& request, WriteTarget target,
                                         ObjectView view);
  ApiResult<Step> plan_binding(const HttpRequest& request, WriteTarget target);
  ApiResult<HttpResponse> review(const HttpRequest& request, const User& user,
                                 const WriteTarget& target);

  Store& store_;
  const apimachinery::ResourceRegistry& registry_;
  ObjectWriter& writer_;
};

}  // namespace caracal::apiserver
