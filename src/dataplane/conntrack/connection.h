// Connection: an entry of the kernel's connection tracking, as a plain value.
//
// Made by the driver from a dump, judged by judge.h, and named again to the kernel when it is to
// end. What a packet of the connection looks like to policy (behind destination NAT, before source
// NAT): from the original source to the source of the replies.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "net/ip_addr.h"
#include "net/protocol.h"

namespace caracal::dataplane::conntrack {

// One direction of a connection. For ICMP the ports are 0 and the three last fields say which
// exchange it is; for a protocol without either, all are 0.
struct Tuple {
  net::IpAddr source;
  net::IpAddr destination;
  net::Protocol protocol;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint16_t icmp_id = 0;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  auto operator<=>(const Tuple&) const = default;
};

struct Connection {
  Tuple original;
  Tuple reply;
  // The kernel's number of the entry: made of the tuple and of where the entry lies in memory, so
  // that a later one with the same tuple has another one, as a rule.
  uint32_t id = 0;
  uint16_t zone = 0;
  // The zone holds for the original direction alone (its tuple carries it), not for both.
  bool zone_of_original = false;
  // Awaited by a helper on behalf of another connection (FTP's data): allowed as related to that.
  bool expected = false;
  auto operator<=>(const Connection&) const = default;
};

// "TCP 10.0.0.1:1234 -> 10.0.0.2:80", as policy sees it.
std::string to_string(const Connection& connection);

}  // namespace caracal::dataplane::conntrack
