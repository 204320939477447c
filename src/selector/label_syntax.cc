#include "selector/label_syntax.h"

#include <algorithm>

#include "base/strings.h"

namespace caracal::selector {
namespace {

constexpr size_t kMaxNameLength = 63;
constexpr size_t kMaxPrefixLength = 253;

// The wording below is part of the API: clients and users grep for it.
constexpr const char* kNameText =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with "
    "an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr const char* kQualifiedText =
    "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
    "for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain "
    "prefix "
    "and '/' (e.g. 'example.com/MyName')";
constexpr const char* kPrefixText =
    "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
    "characters, "
    "'-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex "
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr const char* kValueText =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alphanumeric(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

// REQUIRES: not empty.
bool is_name(std::string_view text) {
  return is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_subdomain(std::string_view text) {
  for (const std::string_view part : split(text, '.')) {
    if (part.empty() || !is_lower_or_digit(part.front()) || !is_lower_or_digit(part.back())) {
      return false;
    }
    if (!std::all_of(part.begin(), part.end(),
                     [](char c) { return is_lower_or_digit(c) || c == '-'; })) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<std::string> label_key_problem(std::string_view key) {
  const std::vector<std::string_view> parts = split(key, '/');
  if (parts.size() > 2) return kQualifiedText;
  if (parts.size() == 2) {
    if (parts[0].empty()) return "prefix part must be non-empty";
    if (parts[0].size() > kMaxPrefixLength) return "prefix part must be no more than 253 bytes";
    if (!is_subdomain(parts[0])) return kPrefixText;
  }
  const std::string_view name = parts.back();
  if (name.empty()) return "name part must be non-empty";
  if (name.size() > kMaxNameLength) return "name part must be no more than 63 bytes";
  if (!is_name(name)) return kNameText;
  return std::nullopt;
}

std::optional<std::string> label_value_problem(std::string_view value) {
  if (value.empty()) return std::nullopt;
  if (value.size() > kMaxNameLength) return "must be no more than 63 bytes";
  if (!is_name(value)) return kValueText;
  return std::nullopt;
}

}  // namespace caracal::selector
