// Content negotiation: what the client accepts, and request bodies as JSON values.
#pragma once

#include <string_view>

#include "apiserver/api_error.h"
#include "apiserver/http_server.h"
#include "jsonio/json.h"

namespace caracal::apiserver {

enum class Representation {
  kObject,           // the object or list itself
  kTable,            // meta.k8s.io Table, for kubectl get
  kPartialMetadata,  // meta.k8s.io PartialObjectMetadata(List)
};

// From an Accept header: the first alternative this server can produce; kObject for an absent one.
// NotAcceptable when there is none (a client that wants protobuf only).
ApiResult<Representation> negotiate(std::string_view accept);
bool accepts(std::string_view accept, std::string_view media_type);

// The media type of a Content-Type header, lower case, without parameters.
std::string media_type_of(const HttpRequest& request);
// A JSON, YAML or Kubernetes protobuf body (YAML also under an absent type, as it includes JSON).
// BadRequest names what is wrong with the text; UnsupportedMediaType the types that are accepted.
ApiResult<json::value> decode_body(const HttpRequest& request);

}  // namespace caracal::apiserver
