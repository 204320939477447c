// RequestPath: what a URL path of the API names.
//
//   /api/v1/namespaces/dev/pods/web/status           group "", version v1, namespace dev, pods,
//   web, status /apis/networking.k8s.io/v1/networkpolicies       all namespaces
//   /api/v1/namespaces/dev[/status|/finalize]        the namespace object itself
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace caracal::apiserver {

struct RequestPath {
  std::string group;
  std::string version;
  std::string ns;        // empty: cluster-scoped, or all namespaces
  std::string resource;  // plural
  std::string name;      // empty: the collection
  std::string subresource;
  bool operator==(const RequestPath&) const = default;
};

// Nothing when the path is not that of a resource.
std::optional<RequestPath> parse_request_path(std::string_view path);

}  // namespace caracal::apiserver
