// YAML to JSON values and back, as Kubernetes reads it: the YAML 1.1 core types of
// sigs.k8s.io/yaml.
//
// Types survive: an unquoted 80 is a number, "80" a text; true/false are booleans, null and ~ are
// null; a quoted scalar is always a text. Writing quotes every text that would read back as
// something else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::jsonio {

// All documents of a YAML (or JSON) stream; empty documents are left out. An error names line and
// column, counted from 1.
Result<std::vector<json::value>> parse_yaml(std::string_view text);
std::string to_yaml(const json::value& value);

}  // namespace caracal::jsonio
