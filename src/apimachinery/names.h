// The grammars of names in the Kubernetes API: each check returns nothing when the text is good,
// else one sentence that says what the rule is, with the expression it is checked by.
//
// Read by validation of metadata, of selectors and of the built-in kinds. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace caracal::apimachinery {

using NameFault = std::optional<std::string>;

NameFault check_dns1123_label(std::string_view text);      // RFC 1123 label, at most 63
NameFault check_dns1123_subdomain(std::string_view text);  // labels with dots, at most 253
NameFault check_dns1035_label(std::string_view text);      // begins with a letter (Service names)
NameFault check_path_segment(std::string_view text);       // anything that can stand in a URL path
NameFault check_qualified_name(std::string_view text);  // [prefix/]name: label and annotation keys
NameFault check_label_value(std::string_view text);
NameFault check_config_key(std::string_view text);    // keys of ConfigMap and Secret
NameFault check_port_name(std::string_view text);     // IANA service name, at most 15
NameFault check_env_var_name(std::string_view text);  // relaxed: printable ASCII without '='

// Which of them object names of a kind obey.
enum class NameRule : uint8_t { kSubdomain, kLabel, kDns1035Label, kPathSegment };
NameFault check_name(NameRule rule, std::string_view text);
// The rule of a built-in kind; kSubdomain for all others (custom resources included).
NameRule name_rule(std::string_view group, std::string_view kind);

// `prefix` cut to 58 characters and five random ones of an alphabet without vowels and look-alikes
// (as the API's generateName does). `random` gives any 32-bit number.
std::string generate_name(std::string_view prefix, const std::function<uint32_t()>& random);

}  // namespace caracal::apimachinery
