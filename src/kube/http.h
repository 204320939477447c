// Requests and answers of the Kubernetes API, as both clients take and give them. Plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace caracal::kube {

using Query = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method = "GET";
  std::string path;  // "/api/v1/namespaces/dev/pods"; below the server's own path
  Query query;       // names and values as they are; escaped when sent
  std::string body;
  std::string content_type = "application/json";
  std::string accept = "application/json";
  std::chrono::milliseconds timeout{30'000};  // of the whole exchange; 0: none
};

struct Response {
  int status = 0;  // 200-299: other answers come as an Error
  std::string body;
};

inline constexpr std::string_view kJsonPatch = "application/json-patch+json";
inline constexpr std::string_view kMergePatch = "application/merge-patch+json";
inline constexpr std::string_view kStrategicMergePatch = "application/strategic-merge-patch+json";
inline constexpr std::string_view kApplyPatch = "application/apply-patch+yaml";

// The Error of an answer that is not 2xx. The body's metav1.Status gives the text and the reason;
// any other body is quoted, shortened. Codes: 404 kNotFound, 409 kExists (reason AlreadyExists) or
// kConflict, 410 kExpired, 401 and 403 kPermission, 400, 405, 406, 413, 415 and 422 kInvalid, 429
// and 5xx kUnavailable (501 kUnsupported), 408 and 504 kTimeout.
Error api_error(int status, std::string_view body);
// The same for a metav1.Status that came as the object of a watch event.
Error api_error_of_status(std::string_view status_json);

// server + path + "?" + escaped query.
std::string make_url(std::string_view server, std::string_view path, const Query& query);

// Collection and object paths: resource_path("networking.k8s.io/v1", "dev", "networkpolicies",
// "web") is
// "/apis/networking.k8s.io/v1/namespaces/dev/networkpolicies/web". "v1" is the core group; an empty
// ns means cluster-scoped (or all namespaces), an empty name the collection.
std::string resource_path(std::string_view api_version, std::string_view ns,
                          std::string_view plural, std::string_view name = {});

}  // namespace caracal::kube
