#include "apiserver/openapi_cache.h"

#include <fmt/format.h>

#include "apimachinery/openapi_v2.h"
#include "apiserver/api_error.h"
#include "apiserver/media.h"
#include "base/sha1.h"

namespace caracal::apiserver {
namespace {

// The spelling with "@" is what clients before Kubernetes 1.27 ask for. It is no valid media type,
// and those clients refuse it in an answer, so answers always use the other one.
constexpr std::string_view kV2Protobuf =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
constexpr std::string_view kV2ProtobufOld =
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
constexpr std::string_view kV3Protobuf =
    "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";
constexpr std::string_view kV3ProtobufOld =
    "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";

HttpResponse document(const HttpRequest& request, std::string_view type, const std::string& text,
                      const std::string& hash) {
  const std::string tag = fmt::format("\"{}\"", hash);
  HttpResponse response;
  response.headers = {{"Content-Type", std::string(type)}, {"ETag", tag}, {"Vary", "Accept"}};
  if (request.header("if-none-match") == tag) {
    response.status = 304;
  } else {
    response.body = text;
  }
  return response;
}

}  // namespace

std::shared_ptr<const OpenApiCache::Documents> OpenApiCache::current() {
  const auto catalog = registry_.snapshot();
  const std::lock_guard lock(mutex_);
  if (documents_ && documents_->revision == catalog->revision()) return documents_;
  auto documents = std::make_shared<Documents>();
  documents->revision = catalog->revision();
  const json::value v2 = apimachinery::openapi_v2_document(*catalog);
  documents->v2_json = jsonio::to_string(v2);
  documents->v2_protobuf = apimachinery::openapi_v2_protobuf(v2);
  documents->v3 = apimachinery::render_openapi_v3(*catalog);
  documents_ = std::move(documents);
  return documents_;
}

HttpResponse OpenApiCache::v2(const HttpRequest& request) {
  const auto documents = current();
  const std::string_view accept = request.header("accept");
  const std::string tag = fmt::format("v2-{}-{}", documents->revision, documents->v2_json.size());
  for (const std::string_view type : {kV2ProtobufOld, kV2Protobuf}) {
    if (accepts(accept, type))
      return document(request, kV2Protobuf, documents->v2_protobuf, tag + "-pb");
  }
  return document(request, "application/json", documents->v2_json, tag);
}

HttpResponse OpenApiCache::v3(const HttpRequest& request, std::string_view name) {
  const auto documents = current();
  if (name.empty()) {
    return document(request, "application/json", documents->v3.index,
                    fmt::format("v3-{}-{}", documents->revision, documents->v3.index.size()));
  }
  const std::string_view accept = request.header("accept");
  const bool json = accept.empty() || accepts(accept, "application/json") || accepts(accept, "*/*");
  if (!json && (accepts(accept, kV3Protobuf) || accepts(accept, kV3ProtobufOld))) {
    return ApiError::not_acceptable().to_response();
  }
  const auto found = documents->v3.documents.find(name);
  if (found == documents->v3.documents.end()) return ApiError::no_such_path().to_response();
  HttpResponse response =
      document(request, "application/json", found->second.text, found->second.hash);
  // A URL that names the right hash never changes its content.
  if (request.parameter("hash") == found->second.hash) {
    response.headers.emplace_back("Cache-Control", "public, immutable");
  }
  return response;
}

}  // namespace caracal::apiserver
