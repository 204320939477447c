#include "apimachinery/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "selector/label_syntax.h"

namespace caracal::apimachinery {
namespace {

// Not the <cctype> functions: those depend on the locale.
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_lower_or_digit(char c) { return is_lower(c) || is_digit(c); }
constexpr bool is_alphanumeric(char c) { return is_lower_or_digit(c) || is_upper(c); }

template <typename Predicate>
bool all(std::string_view text, Predicate good) {
  return std::all_of(text.begin(), text.end(), good);
}

NameFault too_long(size_t limit) { return fmt::format("must have at most {} characters", limit); }

bool is_label(std::string_view text) {
  return !text.empty() && is_lower_or_digit(text.front()) && is_lower_or_digit(text.back()) &&
         all(text, [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

}  // namespace

NameFault check_dns1123_label(std::string_view text) {
  if (text.size() > 63) return too_long(63);
  if (is_label(text)) return std::nullopt;
  return "must be an RFC 1123 label: lower case letters, digits and '-', a letter or digit at both "
         "ends "
         "(regex '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
}

NameFault check_dns1123_subdomain(std::string_view text) {
  if (text.size() > 253) return too_long(253);
  const auto labels = split(text, '.');
  if (std::all_of(labels.begin(), labels.end(), is_label)) return std::nullopt;
  return "must be an RFC 1123 subdomain: lower case letters, digits, '-' and '.', a letter or "
         "digit at "
         "both ends of each part between dots "
         "(regex '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

NameFault check_dns1035_label(std::string_view text) {
  if (text.size() > 63) return too_long(63);
  if (is_label(text) && is_lower(text.front())) return std::nullopt;
  return "must be an RFC 1035 label: lower case letters, digits and '-', a letter first, a letter "
         "or "
         "digit last (regex '[a-z]([-a-z0-9]*[a-z0-9])?')";
}

NameFault check_path_segment(std::string_view text) {
  if (text.empty()) return "must not be empty";
  if (text == "." || text == "..") return fmt::format("must not be '{}'", text);
  if (text.find_first_of("/%") != std::string_view::npos) return "must not contain '/' or '%'";
  return std::nullopt;
}

NameFault check_qualified_name(std::string_view text) { return selector::label_key_problem(text); }

NameFault check_label_value(std::string_view text) { return selector::label_value_problem(text); }

NameFault check_config_key(std::string_view text) {
  if (text.size() > 253) return too_long(253);
  if (text.empty() ||
      !all(text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; })) {
    return "a key must be letters, digits, '-', '_' and '.' (regex '[-._a-zA-Z0-9]+')";
  }
  if (text == "." || text.starts_with("..")) return "a key must not be '.' or begin with '..'";
  return std::nullopt;
}

NameFault check_port_name(std::string_view text) {
  if (text.size() > 15) return too_long(15);
  const bool good = is_label(text) && text.find("--") == std::string_view::npos &&
                    std::any_of(text.begin(), text.end(), is_lower);
  if (good) return std::nullopt;
  return "a port name must be lower case letters, digits and single '-', with at least one letter, "
         "a "
         "letter or digit at both ends (RFC 6335)";
}

NameFault check_env_var_name(std::string_view text) {
  if (!text.empty() && all(text, [](char c) { return c >= 0x20 && c <= 0x7e && c != '='; })) {
    return std::nullopt;
  }
  return "the name of an environment variable must be printable ASCII characters other than '='";
}

NameFault check_name(NameRule rule, std::string_view text) {
  switch (rule) {
    case NameRule::kSubdomain:
      return check_dns1123_subdomain(text);
    case NameRule::kLabel:
      return check_dns1123_label(text);
    case NameRule::kDns1035Label:
      return check_dns1035_label(text);
    case NameRule::kPathSegment:
      return check_path_segment(text);
  }
  return std::nullopt;
}

NameRule name_rule(std::string_view group, std::string_view kind) {
  if (group.empty() && kind == "Namespace") return NameRule::kLabel;
  if (group.empty() && kind == "Service") return NameRule::kDns1035Label;
  if (group == "rbac.authorization.k8s.io") return NameRule::kPathSegment;
  return NameRule::kSubdomain;
}

std::string generate_name(std::string_view prefix, const std::function<uint32_t()>& random) {
  // No vowels: no words. No 0, 1, 3: they look like letters.
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  constexpr size_t kSuffixLength = 5;
  constexpr size_t kMaxLength = 63;
  std::string name(prefix.substr(0, kMaxLength - kSuffixLength));
  for (size_t i = 0; i < kSuffixLength; ++i) name.push_back(kAlphabet[random() % kAlphabet.size()]);
  return name;
}

}  // namespace caracal::apimachinery
