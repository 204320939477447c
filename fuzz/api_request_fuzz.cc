// What a client of the API server sends before anything is known of it: a URL path, and a body in
// Kubernetes' protobuf encoding. The input is one of the two, told apart by the body's magic bytes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "apiserver/kubernetes_protobuf.h"
#include "apiserver/request_path.h"
#include "base/check.h"

namespace {

using namespace caracal;

// The path that names the same thing; only of paths that have no empty parts.
std::string path_of(const apiserver::RequestPath& p) {
  std::string path = p.group.empty() ? "/api/" + p.version : "/apis/" + p.group + "/" + p.version;
  if (!p.ns.empty()) path += "/namespaces/" + p.ns;
  for (const std::string& part : {p.resource, p.name, p.subresource})
    if (!part.empty()) path += "/" + part;
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (!text.starts_with(std::string_view("k8s\0", 4))) {
    const auto path = apiserver::parse_request_path(text);
    if (!path) return 0;
    CARACAL_CHECK(!path->version.empty() && !path->resource.empty());
    if (text.find("//") == std::string_view::npos)
      CARACAL_CHECK(apiserver::parse_request_path(path_of(*path)) == path);
    return 0;
  }
  if (const auto object = apiserver::decode_kubernetes_protobuf(text)) {
    CARACAL_CHECK(object->is_object());
    // What the store is given must be readable by it.
    CARACAL_CHECK(jsonio::parse(jsonio::to_string(*object)).has_value());
  }
  return 0;
}
