// ApiError: a refused request, as the metav1.Status document a Kubernetes API server answers with.
//
// Messages follow the API server's wording, because kubectl shows them and people search for them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apimachinery/field_error.h"
#include "apimachinery/resource_type.h"
#include "apiserver/http_server.h"
#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::apiserver {

using apimachinery::FieldError;
using apimachinery::ResourceType;

struct [[nodiscard]] ApiError {
  int code = 500;
  std::string reason = "InternalError";
  std::string message;
  json::object details;

  static ApiError bad_request(std::string message);
  static ApiError unauthorized();
  static ApiError forbidden(const ResourceType& type, std::string_view name, std::string_view why);
  static ApiError not_found(const ResourceType& type, std::string_view name);
  static ApiError no_such_path();  // the server could not find the requested resource
  static ApiError method_not_allowed(const ResourceType& type, std::string_view verb);
  static ApiError already_exists(const ResourceType& type, std::string_view name);
  static ApiError conflict(const ResourceType& type, std::string_view name, std::string_view why);
  static ApiError modified(const ResourceType& type, std::string_view name);  // the usual conflict
  static ApiError invalid(const ResourceType& type, std::string_view name,
                          const std::vector<FieldError>& errors);
  static ApiError not_acceptable();
  static ApiError unsupported_media_type(std::string message);
  static ApiError expired(std::string message);
  static ApiError gone(std::string message);
  static ApiError too_large_resource_version(uint64_t wanted, uint64_t current);
  static ApiError internal(std::string message);
  // From the project's own errors: a store that fails, an invalid text.
  static ApiError from(const Error& error);

  json::value to_json() const;
  HttpResponse to_response() const;
};

template <typename T>
using ApiResult = tl::expected<T, ApiError>;
using ApiStatus = tl::expected<void, ApiError>;

inline tl::unexpected<ApiError> refuse(ApiError error) {
  return tl::unexpected<ApiError>(std::move(error));
}

HttpResponse json_response(int status, std::string body);
// A Warning header (RFC 9110 quoting), which kubectl shows on standard error.
void add_warning(HttpResponse& response, std::string_view warning);

}  // namespace caracal::apiserver

// As CARACAL_TRY and CARACAL_ASSIGN, for functions that return an ApiResult.
#define CARACAL_API_TRY(expr)                                               \
  do {                                                                      \
    if (auto caracal_try_ = (expr); !caracal_try_) [[unlikely]]             \
      return ::caracal::apiserver::refuse(std::move(caracal_try_).error()); \
  } while (false)
#define CARACAL_API_ASSIGN(decl, expr) \
  CARACAL_API_ASSIGN_INNER(CARACAL_CONCAT(caracal_r_, __LINE__), decl, expr)
#define CARACAL_API_ASSIGN_INNER(tmp, decl, expr)                \
  auto tmp = (expr);                                             \
  if (!tmp) [[unlikely]]                                         \
    return ::caracal::apiserver::refuse(std::move(tmp).error()); \
  decl = std::move(*tmp)
