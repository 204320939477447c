// MacAddr: an Ethernet address as a plain value.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace caracal::net {

struct MacAddr {
  std::array<uint8_t, 6> bytes{};

  static Result<MacAddr> parse(std::string_view text);  // "ee:ee:ee:ee:ee:ee"
  std::string to_string() const;
  auto operator<=>(const MacAddr&) const = default;
};

}  // namespace caracal::net
