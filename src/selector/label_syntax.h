// What Kubernetes accepts as the key of a label or annotation and as the value of a label, and what
// is said of the rest: by selectors, by decoders and by the API server.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace caracal::selector {

// Why `key` is not a label key: nullopt when it is one. A key is a name of at most 63 letters,
// digits, '-', '_' and '.', after an optional DNS subdomain and '/'. The text is the one the API
// server puts behind the value.
std::optional<std::string> label_key_problem(std::string_view key);

// Why `value` is not a label value: nullopt when it is one. Empty, or as the name of a key.
std::optional<std::string> label_value_problem(std::string_view value);

}  // namespace caracal::selector
