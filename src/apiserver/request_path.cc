#include "apiserver/request_path.h"

#include <vector>

#include "base/strings.h"

namespace caracal::apiserver {

std::optional<RequestPath> parse_request_path(std::string_view path) {
  if (!path.empty() && path.back() == '/') path.remove_suffix(1);
  std::vector<std::string_view> parts = split(path, '/');
  size_t at = 1;  // parts[0] is what stands before the first slash
  const auto take = [&parts, &at]() -> std::string {
    return at < parts.size() ? std::string(parts[at++]) : std::string();
  };
  RequestPath result;
  if (parts.size() < 4 || !parts[0].empty()) return std::nullopt;
  const std::string root = take();
  if (root == "apis") {
    result.group = take();
    if (result.group.empty()) return std::nullopt;
  } else if (root != "api") {
    return std::nullopt;
  }
  result.version = take();
  result.resource = take();
  if (result.version.empty() || result.resource.empty()) return std::nullopt;
  if (result.resource == "namespaces" && at < parts.size()) {
    // /namespaces/N and its subresources are the namespace itself; all else is within it.
    const std::string name = take();
    const std::string next = take();
    const bool own = at == parts.size() && (next.empty() || next == "status" || next == "finalize");
    if (own && result.group.empty()) {
      result.name = name;
      result.subresource = next;
      return result;
    }
    if (next.empty()) return std::nullopt;
    result.ns = name;
    result.resource = next;
  }
  result.name = take();
  result.subresource = take();
  if (at < parts.size()) return std::nullopt;
  return result;
}

}  // namespace caracal::apiserver
