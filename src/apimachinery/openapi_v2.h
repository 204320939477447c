// The OpenAPI v2 document (/openapi/v2) of a catalog, as JSON and as the protobuf that kubectl asks
// for.
//
// kubectl reads from it: field documentation (explain), merge keys, client-side validation, and
// which kinds accept the query parameters dryRun and fieldValidation on PATCH.
#pragma once

#include <string>
#include <string_view>

#include "apimachinery/resource_type.h"

namespace caracal::apimachinery {

json::value openapi_v2_document(const ResourceCatalog& catalog);

// What kubectl asks for in Accept, and the Content-Type of the answer: the '@' of the former is no
// valid media type, and kubectl refuses an answer that carries it.
inline constexpr std::string_view kOpenApiV2ProtobufAccept =
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
inline constexpr std::string_view kOpenApiV2ProtobufType =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

// The same document as gnostic's openapi.v2.Document message. `document` comes from
// openapi_v2_document(): only what that function emits is encoded.
std::string openapi_v2_protobuf(const json::value& document);

}  // namespace caracal::apimachinery
