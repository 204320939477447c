#include "apiserver/media.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "apiserver/kubernetes_protobuf.h"
#include "base/strings.h"
#include "jsonio/yaml.h"

namespace caracal::apiserver {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// "as=Table" of "application/json;as=Table;v=v1".
std::string_view media_parameter(const std::vector<std::string_view>& parts,
                                 std::string_view name) {
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string_view part = trim(parts[i]);
    if (part.starts_with(name) && part.size() > name.size() && part[name.size()] == '=') {
      return part.substr(name.size() + 1);
    }
  }
  return {};
}

}  // namespace

ApiResult<Representation> negotiate(std::string_view accept) {
  if (trim(accept).empty()) return Representation::kObject;
  for (const std::string_view alternative : split(accept, ',')) {
    const std::vector<std::string_view> parts = split(alternative, ';');
    const std::string_view type = trim(parts[0]);
    if (type != "application/json" && type != "application/*" && type != "*/*") continue;
    const std::string_view as = media_parameter(parts, "as");
    if (as.empty()) return Representation::kObject;
    const std::string_view version = media_parameter(parts, "v");
    if (media_parameter(parts, "g") != "meta.k8s.io" || (version != "v1" && version != "v1beta1"))
      continue;
    if (as == "Table") return Representation::kTable;
    if (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") {
      return Representation::kPartialMetadata;
    }
  }
  return refuse(ApiError::not_acceptable());
}

bool accepts(std::string_view accept, std::string_view media_type) {
  for (const std::string_view alternative : split(accept, ',')) {
    if (trim(split(alternative, ';')[0]) == media_type) return true;
  }
  return false;
}

std::string media_type_of(const HttpRequest& request) {
  return lower(trim(split(request.header("content-type"), ';')[0]));
}

ApiResult<json::value> decode_body(const HttpRequest& request) {
  const std::string type = media_type_of(request);
  if (type == "application/json") {
    auto value = jsonio::parse(request.body);
    if (!value) {
      return refuse(
          ApiError::bad_request("couldn't read the request body: " + value.error().message));
    }
    return std::move(*value);
  }
  if (type.empty() || type == "application/yaml" || type == "application/x-www-form-urlencoded") {
    auto documents = jsonio::parse_yaml(request.body);
    if (!documents) {
      return refuse(
          ApiError::bad_request("couldn't read the request body: " + documents.error().message));
    }
    if (documents->size() != 1) {
      return refuse(ApiError::bad_request(fmt::format(
          "the request body must hold exactly one object, it holds {}", documents->size())));
    }
    return std::move(documents->front());
  }
  if (type == "application/vnd.kubernetes.protobuf") {
    auto value = decode_kubernetes_protobuf(request.body);
    if (value) return std::move(*value);
    return refuse(value.error().code == Errc::kUnsupported
                      ? ApiError::unsupported_media_type(value.error().message)
                      : ApiError::bad_request(value.error().message));
  }
  return refuse(ApiError::unsupported_media_type(fmt::format(
      "the body of the request was in an unknown format (\"{}\") - accepted media types include: "
      "application/json, application/yaml, application/vnd.kubernetes.protobuf",
      type)));
}

}  // namespace caracal::apiserver
