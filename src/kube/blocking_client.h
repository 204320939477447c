// BlockingClient: the API server for programs that do one thing after another (command line, lab,
// tests). One connection, kept. Thread-compatible: one client a thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "jsonio/json.h"
#include "kube/cluster_access.h"
#include "kube/http.h"

namespace caracal::kube {

class BlockingClient {
 public:
  explicit BlockingClient(ClusterAccess access);
  ~BlockingClient();
  BlockingClient(BlockingClient&&) noexcept;
  BlockingClient& operator=(BlockingClient&&) noexcept;

  // Errors as Client::request.
  Result<Response> call(const Request& request);

  // Paths as of resource_path().
  Result<json::value> get(std::string path, Query query = {});
  // Every page of a collection as one list object; metadata is that of the last page.
  Result<json::value> list(std::string path, Query query = {});
  Result<json::value> create(std::string path, const json::value& object, Query query = {});
  Result<json::value> replace(std::string path, const json::value& object, Query query = {});
  // type: kJsonPatch, kMergePatch, ...
  Result<json::value> patch(std::string path, std::string_view type, const json::value& patch,
                            Query query = {});
  // DELETE; the query may hold gracePeriodSeconds, propagationPolicy.
  Result<json::value> remove(std::string path, Query query = {});

  const ClusterAccess& access() const;

 private:
  Result<json::value> call_json(Request request);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace caracal::kube
