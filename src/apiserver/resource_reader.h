// ResourceReader: answers get, list and watch of any kind from the store.
//
// Thread-safe. get and watch are quick; a list of many objects belongs on a worker.
#pragma once

#include "apiserver/object_view.h"
#include "apiserver/request_path.h"
#include "apiserver/selection.h"
#include "apiserver/store.h"
#include "apiserver/watch_hub.h"

namespace caracal::apiserver {

class ResourceReader {
 public:
  ResourceReader(const Store& store, WatchHub& hub) : store_(store), hub_(hub) {}

  HttpResponse get(const HttpRequest& request, const apimachinery::ResourceTypePtr& type,
                   const RequestPath& path) const;
  HttpResponse list(const HttpRequest& request, const apimachinery::ResourceTypePtr& type,
                    const RequestPath& path) const;
  HttpResponse watch(const HttpRequest& request, const apimachinery::ResourceTypePtr& type,
                     const RequestPath& path) const;

 private:
  ApiResult<HttpResponse> try_get(const HttpRequest&, const apimachinery::ResourceTypePtr&,
                                  const RequestPath&) const;
  ApiResult<HttpResponse> try_list(const HttpRequest&, const apimachinery::ResourceTypePtr&,
                                   const RequestPath&) const;
  ApiResult<HttpResponse> try_watch(const HttpRequest&, const apimachinery::ResourceTypePtr&,
                                    const RequestPath&) const;
  ApiResult<ListPage> select(const Selection& selection, const apimachinery::ResourceType& type,
                             ListQuery query) const;

  const Store& store_;
  WatchHub& hub_;
};

}  // namespace caracal::apiserver
