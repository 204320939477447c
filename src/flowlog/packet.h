// Packet: what a flow record needs of a packet's headers.
//
// Made from the bytes the kernel hands out of a packet it dropped or was told to log: cut short,
// and made by whoever sent them. Pure; reads nothing outside the bytes it is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "net/ip_addr.h"
#include "net/protocol.h"

namespace caracal::flowlog {

struct Packet {
  net::IpAddr source;
  net::IpAddr destination;
  net::Protocol protocol;
  // TCP, UDP, SCTP, UDP-Lite; unset in a later fragment, and when the bytes end before.
  std::optional<uint16_t> source_port;
  std::optional<uint16_t> destination_port;
  std::optional<uint8_t> icmp_type;  // ICMP and ICMPv6
  std::optional<uint8_t> icmp_code;
  bool operator==(const Packet&) const = default;
};

// From the network header on (RFC 791, RFC 8200). Extension headers of IPv6 are skipped; when they
// do not end within the bytes, the protocol is that of the last one seen. nullopt: no whole IPv4 or
// IPv6 header.
std::optional<Packet> parse_packet(std::span<const std::byte> bytes);

}  // namespace caracal::flowlog
