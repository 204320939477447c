#include "net/protocol.h"

#include <strings.h>

#include "base/strings.h"

namespace caracal::net {
namespace {
struct Name {
  uint8_t number;
  const char* name;
};
constexpr Name kNames[] = {{6, "TCP"},  {17, "UDP"},    {132, "SCTP"},
                           {1, "ICMP"}, {58, "ICMPv6"}, {136, "UDPLite"}};
}  // namespace

Result<Protocol> Protocol::parse(std::string_view text) {
  const std::string copy(text);
  for (const Name& entry : kNames) {
    if (::strcasecmp(copy.c_str(), entry.name) == 0) return Protocol{entry.number};
  }
  const auto number = parse_decimal(text, 255);
  if (number && *number > 0) return Protocol{static_cast<uint8_t>(*number)};
  return fail(
      Errc::kInvalid,
      "\"" + copy +
          "\" is not a protocol: must be TCP, UDP, SCTP, ICMP, ICMPv6, UDPLite or 1 to 255");
}

std::string Protocol::to_string() const {
  for (const Name& entry : kNames) {
    if (entry.number == number) return entry.name;
  }
  return std::to_string(number);
}

}  // namespace caracal::net
