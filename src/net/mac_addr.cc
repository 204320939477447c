#include "net/mac_addr.h"

#include "base/strings.h"

namespace caracal::net {
namespace {
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

Result<MacAddr> MacAddr::parse(std::string_view text) {
  MacAddr mac;
  const auto parts = split(text, ':');
  bool good = parts.size() == mac.bytes.size();
  for (size_t i = 0; good && i < parts.size(); ++i) {
    good = parts[i].size() == 2 && hex_digit(parts[i][0]) >= 0 && hex_digit(parts[i][1]) >= 0;
    if (good)
      mac.bytes[i] = static_cast<uint8_t>(hex_digit(parts[i][0]) * 16 + hex_digit(parts[i][1]));
  }
  if (!good) {
    return fail(Errc::kInvalid, "\"" + std::string(text) +
                                    "\" is not a MAC address (for example ee:ee:ee:ee:ee:ee)");
  }
  return mac;
}

std::string MacAddr::to_string() const {
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i != 0) out.push_back(':');
    out += to_hex(std::string_view(reinterpret_cast<const char*>(&bytes[i]), 1));
  }
  return out;
}

}  // namespace caracal::net
