// The versions of the CNI specification that Caracal speaks.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::cni {

enum class Version : uint8_t { k0_3_1, k0_4_0, k1_0_0, k1_1_0 };
inline constexpr Version kNewest = Version::k1_1_0;

std::string_view to_string(Version version);
Result<Version> parse_version(std::string_view text);
// "0.3.1, 0.4.0, 1.0.0, 1.1.0"
std::string supported_versions();
// The answer to VERSION: {"cniVersion": asked, "supportedVersions": [...]}.
json::object version_reply(std::string_view asked);

}  // namespace caracal::cni
