#include "apiserver/api_error.h"

#include <fmt/format.h>

namespace caracal::apiserver {
namespace {

// details of errors about one object: resources are named by their plural, except in Invalid.
json::object object_details(std::string_view name, std::string_view group, std::string_view kind) {
  json::object details;
  if (!name.empty()) details["name"] = name;
  if (!group.empty()) details["group"] = group;
  if (!kind.empty()) details["kind"] = kind;
  return details;
}

json::object plural_details(const ResourceType& type, std::string_view name) {
  return object_details(name, type.group, type.plural);
}

std::string group_kind(const ResourceType& type) {
  return type.group.empty() ? type.kind : type.kind + "." + type.group;
}

}  // namespace

ApiError ApiError::bad_request(std::string message) {
  return {400, "BadRequest", std::move(message), {}};
}

ApiError ApiError::unauthorized() { return {401, "Unauthorized", "Unauthorized", {}}; }

ApiError ApiError::forbidden(const ResourceType& type, std::string_view name,
                             std::string_view why) {
  std::string message =
      name.empty() ? fmt::format("{} is forbidden: {}", type.group_resource(), why)
                   : fmt::format("{} \"{}\" is forbidden: {}", type.group_resource(), name, why);
  return {403, "Forbidden", std::move(message), plural_details(type, name)};
}

ApiError ApiError::not_found(const ResourceType& type, std::string_view name) {
  return {404, "NotFound", fmt::format("{} \"{}\" not found", type.group_resource(), name),
          plural_details(type, name)};
}

ApiError ApiError::no_such_path() {
  return {404, "NotFound", "the server could not find the requested resource", {}};
}

ApiError ApiError::method_not_allowed(const ResourceType& type, std::string_view verb) {
  return {
      405, "MethodNotAllowed",
      fmt::format("{} is not supported on resources of kind \"{}\"", verb, type.group_resource()),
      plural_details(type, "")};
}

ApiError ApiError::already_exists(const ResourceType& type, std::string_view name) {
  return {409, "AlreadyExists",
          fmt::format("{} \"{}\" already exists", type.group_resource(), name),
          plural_details(type, name)};
}

ApiError ApiError::conflict(const ResourceType& type, std::string_view name, std::string_view why) {
  return {409, "Conflict",
          fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", type.group_resource(), name,
                      why),
          plural_details(type, name)};
}

ApiError ApiError::modified(const ResourceType& type, std::string_view name) {
  return conflict(type, name,
                  "the object has been modified; please apply your changes to the latest version "
                  "and try again");
}

ApiError ApiError::invalid(const ResourceType& type, std::string_view name,
                           const std::vector<FieldError>& errors) {
  ApiError error{422, "Invalid",
                 fmt::format("{} \"{}\" is invalid: {}", group_kind(type), name,
                             apimachinery::to_string(errors)),
                 object_details(name, type.group, type.kind)};
  json::array causes;
  for (const FieldError& field : errors) {
    causes.push_back(json::object{{"reason", field.cause_reason()},
                                  {"message", field.body()},
                                  {"field", field.field.empty() ? "<nil>" : field.field}});
  }
  error.details["causes"] = std::move(causes);
  return error;
}

ApiError ApiError::not_acceptable() {
  return {
      406, "NotAcceptable", "only the following media types are accepted: application/json", {}};
}

ApiError ApiError::unsupported_media_type(std::string message) {
  return {415, "UnsupportedMediaType", std::move(message), {}};
}

ApiError ApiError::expired(std::string message) { return {410, "Expired", std::move(message), {}}; }

ApiError ApiError::gone(std::string message) { return {410, "Gone", std::move(message), {}}; }

ApiError ApiError::too_large_resource_version(uint64_t wanted, uint64_t current) {
  ApiError error{504,
                 "Timeout",
                 fmt::format("Too large resource version: {}, current: {}", wanted, current),
                 {}};
  error.details["causes"] = json::array{json::object{{"reason", "ResourceVersionTooLarge"},
                                                     {"message", "Too large resource version"}}};
  error.details["retryAfterSeconds"] = 1;
  return error;
}

ApiError ApiError::internal(std::string message) {
  return {500, "InternalError", "Internal error occurred: " + std::move(message), {}};
}

ApiError ApiError::from(const Error& error) {
  switch (error.code) {
    case Errc::kInvalid:
      return bad_request(error.message);
    case Errc::kExpired:
      return expired(error.message);
    default:
      return internal(error.message);
  }
}

json::value ApiError::to_json() const {
  json::object status{{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", json::object()},
                      {"status", "Failure"}, {"message", message}, {"reason", reason}};
  if (!details.empty()) status["details"] = details;
  status["code"] = code;
  return status;
}

HttpResponse ApiError::to_response() const {
  HttpResponse response = json_response(code, jsonio::to_string(to_json()));
  if (code == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

void add_warning(HttpResponse& response, std::string_view warning) {
  std::string quoted;
  for (const char c : warning) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;  // no control character in a header
  }
  response.headers.emplace_back("Warning", fmt::format("299 - \"{}\"", quoted));
}

HttpResponse json_response(int status, std::string body) {
  return {
      .status = status, .headers = {{"Content-Type", "application/json"}}, .body = std::move(body)};
}

}  // namespace caracal::apiserver
