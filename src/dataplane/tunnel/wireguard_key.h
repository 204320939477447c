// WireguardKey: a private or public key of WireGuard (Curve25519, 32 bytes) as a plain value.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace caracal::dataplane::tunnel {

struct WireguardKey {
  std::array<uint8_t, 32> bytes{};

  // Base64 as `wg` prints it: 43 characters and "=". Errors: kInvalid.
  static Result<WireguardKey> parse(std::string_view text);
  // A new private key from the kernel's random numbers.
  static Result<WireguardKey> generate();
  std::string to_string() const;
  bool empty() const { return *this == WireguardKey{}; }
  auto operator<=>(const WireguardKey&) const = default;
};

}  // namespace caracal::dataplane::tunnel
