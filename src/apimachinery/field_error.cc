#include "apimachinery/field_error.h"

#include <fmt/format.h>

namespace caracal::apimachinery {
namespace {

std::string_view type_text(FieldErrorType type) {
  switch (type) {
    case FieldErrorType::kRequired:
      return "Required value";
    case FieldErrorType::kInvalid:
      return "Invalid value";
    case FieldErrorType::kTypeInvalid:
      return "Invalid value";
    case FieldErrorType::kNotSupported:
      return "Unsupported value";
    case FieldErrorType::kDuplicate:
      return "Duplicate value";
    case FieldErrorType::kNotFound:
      return "Not found";
    case FieldErrorType::kForbidden:
      return "Forbidden";
    case FieldErrorType::kTooLong:
      return "Too long";
    case FieldErrorType::kTooMany:
      return "Too many";
    case FieldErrorType::kInternal:
      return "Internal error";
  }
  return "Internal error";
}

bool shows_value(FieldErrorType type) {
  return type != FieldErrorType::kRequired && type != FieldErrorType::kForbidden &&
         type != FieldErrorType::kTooLong && type != FieldErrorType::kInternal;
}

}  // namespace

FieldPath FieldPath::child(std::string_view name) const {
  return FieldPath(text_.empty() ? std::string(name) : fmt::format("{}.{}", text_, name), 0);
}

FieldPath FieldPath::index(size_t position) const {
  return FieldPath(fmt::format("{}[{}]", text_, position), 0);
}

FieldPath FieldPath::key(std::string_view name) const {
  return FieldPath(fmt::format("{}[{}]", text_, name), 0);
}

FieldError FieldError::required(const FieldPath& path, std::string detail) {
  return {FieldErrorType::kRequired, path.text(), nullptr, std::move(detail)};
}

FieldError FieldError::invalid(const FieldPath& path, json::value value, std::string detail) {
  return {FieldErrorType::kInvalid, path.text(), std::move(value), std::move(detail)};
}

FieldError FieldError::type_invalid(const FieldPath& path, json::value value, std::string detail) {
  return {FieldErrorType::kTypeInvalid, path.text(), std::move(value), std::move(detail)};
}

FieldError FieldError::not_supported(const FieldPath& path, json::value value,
                                     const std::vector<std::string>& supported) {
  std::string detail;
  for (const std::string& text : supported) {
    detail += detail.empty() ? "supported values: " : ", ";
    detail += jsonio::to_string(json::string(text));
  }
  return {FieldErrorType::kNotSupported, path.text(), std::move(value), std::move(detail)};
}

FieldError FieldError::duplicate(const FieldPath& path, json::value value) {
  return {FieldErrorType::kDuplicate, path.text(), std::move(value), {}};
}

FieldError FieldError::not_found(const FieldPath& path, json::value value) {
  return {FieldErrorType::kNotFound, path.text(), std::move(value), {}};
}

FieldError FieldError::forbidden(const FieldPath& path, std::string detail) {
  return {FieldErrorType::kForbidden, path.text(), nullptr, std::move(detail)};
}

FieldError FieldError::too_long(const FieldPath& path, size_t max_bytes) {
  return {FieldErrorType::kTooLong, path.text(), nullptr,
          fmt::format("may not be more than {} bytes", max_bytes)};
}

FieldError FieldError::too_many(const FieldPath& path, size_t actual, size_t max_items) {
  return {FieldErrorType::kTooMany, path.text(), json::value(uint64_t{actual}),
          fmt::format("must have at most {} item{}", max_items, max_items == 1 ? "" : "s")};
}

std::string FieldError::body() const {
  std::string text(type_text(type));
  if (shows_value(type)) {
    text += ": ";
    text += jsonio::to_string(bad_value);
  }
  if (!detail.empty()) {
    text += ": ";
    text += detail;
  }
  return text;
}

std::string FieldError::to_string() const { return field.empty() ? body() : field + ": " + body(); }

std::string_view FieldError::cause_reason() const {
  switch (type) {
    case FieldErrorType::kRequired:
      return "FieldValueRequired";
    case FieldErrorType::kInvalid:
      return "FieldValueInvalid";
    case FieldErrorType::kTypeInvalid:
      return "FieldValueTypeInvalid";
    case FieldErrorType::kNotSupported:
      return "FieldValueNotSupported";
    case FieldErrorType::kDuplicate:
      return "FieldValueDuplicate";
    case FieldErrorType::kNotFound:
      return "FieldValueNotFound";
    case FieldErrorType::kForbidden:
      return "FieldValueForbidden";
    case FieldErrorType::kTooLong:
      return "FieldValueTooLong";
    case FieldErrorType::kTooMany:
      return "FieldValueTooMany";
    case FieldErrorType::kInternal:
      return "InternalError";
  }
  return "InternalError";
}

std::string to_string(const std::vector<FieldError>& errors) {
  if (errors.size() == 1) return errors.front().to_string();
  std::string text = "[";
  for (const FieldError& error : errors) {
    if (text.size() > 1) text += ", ";
    text += error.to_string();
  }
  return text + "]";
}

}  // namespace caracal::apimachinery
