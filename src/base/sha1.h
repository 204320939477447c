// SHA-1 of a text (FIPS 180-4), for names only: Calico derives interface names from it.
#pragma once

#include <string>
#include <string_view>

namespace caracal {
// 40 lower-case hex digits.
std::string sha1_hex(std::string_view text);
}  // namespace caracal
