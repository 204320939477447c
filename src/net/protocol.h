// Protocol: an IP protocol number (IANA), with the names the Kubernetes and Calico APIs use.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace caracal::net {

struct Protocol {
  uint8_t number = 0;

  // "TCP", "UDP", "SCTP", "ICMP", "ICMPv6", "UDPLite" in any case, or 1-255.
  static Result<Protocol> parse(std::string_view text);
  std::string to_string() const;
  // Does its header begin with 16-bit source and destination ports that policy can match?
  constexpr bool has_ports() const { return number == 6 || number == 17 || number == 132; }
  auto operator<=>(const Protocol&) const = default;
};

inline constexpr Protocol kTcp{6};
inline constexpr Protocol kUdp{17};
inline constexpr Protocol kSctp{132};
inline constexpr Protocol kIcmp{1};
inline constexpr Protocol kIpip{4};
inline constexpr Protocol kIcmpV6{58};

// An inclusive range of ports. Invariant: first <= last.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 65535;
  constexpr bool contains(uint16_t port) const { return first <= port && port <= last; }
  constexpr bool all() const { return first == 0 && last == 65535; }
  auto operator<=>(const PortRange&) const = default;
};

}  // namespace caracal::net
