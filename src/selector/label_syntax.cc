#include "selector/label_syntax.h"

#include <algorithm>

#include "base/strings.h"

namespace caracal::selector {
namespace {

constexpr size_t kMaxNameLength = 63;
constexpr size_t kMaxPrefixLength = 253;

// Each text names the rule and the expression that decides (RFC 1123 for prefixes; Kubernetes,
// "Labels and Selectors").
constexpr const char* kNameText =
    "the name must be letters, digits, '-', '_' or '.', with a letter or digit at both ends; it is "
    "checked "
    "against '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]', for example 'app' or 'my.app'";
constexpr const char* kQualifiedText =
    "a key is a name, or a DNS subdomain, one '/' and a name; the name is checked against "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]', for example 'app' or 'example.com/app'";
constexpr const char* kPrefixText =
    "the part before '/' must be a DNS subdomain in lower case; it is checked against "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*', for example 'example.com'";
constexpr const char* kValueText =
    "a label value is empty, or letters, digits, '-', '_' or '.', with a letter or digit at both "
    "ends; it is "
    "checked against '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?', for example 'web' or 'v1.2'";

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
