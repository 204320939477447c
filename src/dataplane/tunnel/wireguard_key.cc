#include "dataplane/tunnel/wireguard_key.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cerrno>

namespace caracal::dataplane::tunnel {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";  // RFC 4648
constexpr size_t kTextSize = 44;
constexpr size_t kDigitBits = 6;

}  // namespace

Result<WireguardKey> WireguardKey::parse(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return fail(Errc::kInvalid, fmt::format("WireGuard key \"{}\": {}", text, why));
  };
  if (text.size() != kTextSize || text.back() != '=')
    return bad("must be 32 bytes in base64: 43 characters and \"=\"");
  WireguardKey key;
  uint32_t bits = 0;
  size_t held = 0;
  size_t at = 0;
  for (const char c : text.substr(0, kTextSize - 1)) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return bad("has a character that is not of base64");
    bits = bits << kDigitBits | static_cast<uint32_t>(digit);
    held += kDigitBits;
    if (held >= 8) {
      held -= 8;
      key.bytes[at++] = static_cast<uint8_t>(bits >> held);
      bits &= (1U << held) - 1;
    }
  }
  if (bits != 0) return bad("has bits behind its 32 bytes");
  return key;
}

Result<WireguardKey> WireguardKey::generate() {
  WireguardKey key;
  if (::getrandom(key.bytes.data(), key.bytes.size(), 0) != static_cast<ssize_t>(key.bytes.size()))
    return fail_errno(errno, "cannot get random bytes for a WireGuard key");
  // As RFC 7748 section 5 has it; the kernel would do the same.
  key.bytes.front() &= 248;
  key.bytes.back() = static_cast<uint8_t>((key.bytes.back() & 127) | 64);
  return key;
}

std::string WireguardKey::to_string() const {
  std::string out;
  uint32_t bits = 0;
  size_t held = 0;
  for (const uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    held += 8;
    while (held >= kDigitBits) {
      held -= kDigitBits;
      out.push_back(kDigits[bits >> held & 63]);
    }
    bits &= (1U << held) - 1;
  }
  out.push_back(kDigits[bits << (kDigitBits - held) & 63]);
  out.push_back('=');
  return out;
}

}  // namespace caracal::dataplane::tunnel
