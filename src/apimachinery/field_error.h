// Field errors: what is wrong with one field of an API object, worded as a Kubernetes API server
// does.
//
// Made by schema validation (schema_validate.h), by the semantic checks of builtin kinds and by CRD
// checks; read by the API server, which turns a list of them into a Status of reason Invalid (HTTP
// 422). Values without threads of their own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jsonio/json.h"

namespace caracal::apimachinery {

// Where a field is: `spec.ingress[0].ports[0].port`, `metadata.labels[a/b]`.
class FieldPath {
 public:
  FieldPath() = default;  // the object itself
  explicit FieldPath(std::string_view name) : text_(name) {}

  FieldPath child(std::string_view name) const;
  FieldPath index(size_t position) const;
  FieldPath key(std::string_view name) const;
  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  explicit FieldPath(std::string text, int) : text_(std::move(text)) {}
  std::string text_;
};

enum class FieldErrorType {
  kRequired,      // "Required value"
  kInvalid,       // "Invalid value"
  kTypeInvalid,   // "Invalid value", of the wrong JSON type
  kNotSupported,  // "Unsupported value": not one of an enumeration
  kDuplicate,     // "Duplicate value"
  kNotFound,      // "Not found"
  kForbidden,     // "Forbidden"
  kTooLong,       // "Too long"
  kTooMany,       // "Too many"
  kInternal,      // "Internal error"
};

struct FieldError {
  FieldErrorType type = FieldErrorType::kInvalid;
  std::string field;      // the path as text; empty for the object itself
  json::value bad_value;  // not shown for Required, Forbidden, TooLong, Internal
  std::string detail;     // what would be valid

  static FieldError required(const FieldPath& path, std::string detail = {});
  static FieldError invalid(const FieldPath& path, json::value value, std::string detail);
  static FieldError type_invalid(const FieldPath& path, json::value value, std::string detail);
  // The supported values are listed in the order given.
  static FieldError not_supported(const FieldPath& path, json::value value,
                                  const std::vector<std::string>& supported);
  static FieldError duplicate(const FieldPath& path, json::value value);
  static FieldError not_found(const FieldPath& path, json::value value);
  static FieldError forbidden(const FieldPath& path, std::string detail);
  static FieldError too_long(const FieldPath& path, size_t max_bytes);
  static FieldError too_many(const FieldPath& path, size_t actual, size_t max_items);

  // `Invalid value: 70000: must be between 1 and 65535, inclusive`
  std::string body() const;
  // `spec.ports[0].port: Invalid value: ...`; a cause of the object itself has no path in front.
  std::string to_string() const;
  // The reason of a Status cause: FieldValueInvalid, FieldValueRequired, ...
  std::string_view cause_reason() const;
};

// `a: b` for one error, `[a: b, c: d]` for several: the part behind "is invalid: " in a Status
// message.
std::string to_string(const std::vector<FieldError>& errors);

}  // namespace caracal::apimachinery
