// FieldError: one thing wrong with one field of an object, as validation reports it.
//
// Made by schema and semantic validation; the API server turns a list of them into the causes and the
// message of a 422 Invalid Status. A plain value.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "jsonio/json.h"

namespace caracal::apimachinery {

struct FieldError {
  enum class Type : uint8_t {
    kNotFound,      // refers to something that does not exist
    kRequired,      // absent or empty
    kDuplicate,     // must be unique
    kInvalid,       // malformed, out of range, or in conflict with another field
    kNotSupported,  // not one of the values allowed
    kForbidden,     // may not be set here
    kTooLong,
    kTooMany,
    kTypeInvalid,  // another JSON type than the schema's
    kInternal,
  };

  Type type = Type::kInvalid;
  std::string field;           // "spec.ports[0].port"
  std::string bad_value_json;  // the value as JSON text; "" where the type shows none
  std::string detail;          // what is valid

  // `spec.ports[0].port: Invalid value: 70000: must be ...`, the form kubectl prints.
  std::string to_string() const;
  // The same without the field: the `message` of a Status cause.
  std::string body() const;
  bool operator==(const FieldError&) const = default;
};

// The words of the API: "Invalid value", ... and, as reasons of a Status cause, "FieldValueInvalid", ...
std::string_view to_string(FieldError::Type type);
std::string_view cause_reason(FieldError::Type type);

FieldError field_required(std::string field, std::string detail = {});
FieldError field_invalid(std::string field, const json::value& bad, std::string detail);
FieldError field_duplicate(std::string field, const json::value& bad);
FieldError field_forbidden(std::string field, std::string detail);
FieldError field_too_long(std::string field, size_t max_bytes);
FieldError field_too_many(std::string field, size_t actual, size_t max);
FieldError field_not_found(std::string field, const json::value& bad);
// `Unsupported value: "X": supported values: "A", "B"`.
FieldError field_not_supported(std::string field, const json::value& bad,
                               const std::vector<std::string_view>& supported);

// "path[index]" and "path[key]".
std::string field_index(std::string_view path, size_t index);
std::string field_key(std::string_view path, std::string_view key);

}  // namespace caracal::apimachinery
