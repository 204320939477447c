// ObjectWriter: create, update, patch, delete and subresources of any stored kind, as steps inside
// a store transaction. Keeps the lifecycle rules: uid, generation, resourceVersion, finalizers,
// graceful deletion, namespaces that must exist and not be terminating.
//
// Fed by the request handlers and the lifecycle controller. Runs on the store's commit thread only
// (so it needs no locks of its own).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apimachinery/json_patch.h"
#include "apimachinery/resource_type.h"
#include "apiserver/api_error.h"
#include "apiserver/cluster_ip_allocator.h"
#include "apiserver/object_decoder.h"
#include "apiserver/store.h"
#include "jsonio/json.h"

namespace caracal::apiserver {

struct WriteTarget {
  apimachinery::ResourceTypePtr type;
  std::string ns;
  std::string name;         // of a create: empty, or what the body must agree with
  std::string subresource;  // "", "status", "finalize"
  bool dry_run = false;
  FieldValidation field_validation = FieldValidation::kWarn;
};

// What a PATCH asks for.
struct Patch {
  enum class Kind { kJson, kMerge, kStrategic };
  Kind kind = Kind::kMerge;
  json::value body;                                   // of kMerge and kStrategic
  std::optional<apimachinery::JsonPatch> operations;  // of kJson
  std::string text;                                   // as sent, for messages
};

enum class Propagation { kBackground, kForeground, kOrphan };

struct DeleteOptions {
  std::optional<int64_t> grace_period_seconds;
  std::optional<Propagation> propagation;
  std::string uid;  // preconditions; empty: none
  std::string resource_version;
};
// From a DeleteOptions body and the query parameters of the same names.
ApiResult<DeleteOptions> parse_delete_options(const json::value* body, const HttpRequest& request,
                                              bool& dry_run);

// An answer about one object.
struct WriteOutcome {
  int code = 200;
  json::value object;  // with its resourceVersion; of a completed deletion: the final state
  bool deleted = false;
  std::vector<std::string> warnings;
};

class ObjectWriter {
 public:
  ObjectWriter(const apimachinery::ResourceRegistry& registry, ClusterIpAllocator& cluster_ips)
      : registry_(registry), cluster_ips_(cluster_ips) {}

  // `object` comes from decode_object().
  ApiResult<WriteOutcome> create(Transaction& transaction, const WriteTarget& target,
                                 json::value object);
  ApiResult<WriteOutcome> update(Transaction& transaction, const WriteTarget& target,
                                 json::value object);
  ApiResult<WriteOutcome> patch(Transaction& transaction, const WriteTarget& target,
                                const Patch& patch);
  ApiResult<WriteOutcome> remove(Transaction& transaction, const WriteTarget& target,
                                 const DeleteOptions& options);
  // POST pods/NAME/binding: sets spec.nodeName once.
  ApiStatus bind(Transaction& transaction, const WriteTarget& pod, const json::value& binding);
  // Changes an object as a controller does: without validation, whatever its resourceVersion is.
  ApiResult<WriteOutcome> mutate(Transaction& transaction, const WriteTarget& target,
                                 const std::function<void(json::value&)>& change);

 private:
  ApiStatus check_namespace(Transaction& transaction, const WriteTarget& target,
                            const std::string& name);
  ApiResult<json::value> load(Transaction& transaction, const WriteTarget& target);
  ApiResult<WriteOutcome> replace(Transaction& transaction, const WriteTarget& target,
                                  json::value object, const json::value& old);
  WriteOutcome store(Transaction& transaction, const WriteTarget& target, json::value object);
  WriteOutcome erase(Transaction& transaction, const WriteTarget& target, json::value object);

  const apimachinery::ResourceRegistry& registry_;
  ClusterIpAllocator& cluster_ips_;
};

}  // namespace caracal::apiserver
