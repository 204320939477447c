// PacketView: the headers of one captured packet, tunnels taken off. Pure; never reads past the
// bytes it is given.
//
// Understood: IPv4 (RFC 791), IPv6 without extension headers (RFC 8200), IP in IP (RFC 2003, RFC
// 4213), VXLAN (RFC 7348), the data messages of WireGuard, and the packets that ICMP errors quote.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/ip_addr.h"
#include "net/protocol.h"

namespace caracal::lab {

struct Encapsulation {
  enum class Kind { kVxlan, kIpip, kWireGuard };
  Kind kind = Kind::kVxlan;
  net::IpAddr source;
  net::IpAddr destination;
  uint32_t vni = 0;  // kVxlan
  bool operator==(const Encapsulation&) const = default;
};
std::string to_text(const Encapsulation& encapsulation);  // "vxlan 4096 10.0.0.1 -> 10.0.0.2"

struct PacketView {
  std::vector<Encapsulation> around;  // outermost first
  net::IpAddr source;
  net::IpAddr destination;
  net::Protocol protocol;
  int ttl = 0;
  size_t size = 0;           // of the innermost packet, by its header
  uint16_t source_port = 0;  // TCP, UDP; for ICMP echoes both are the identifier
  uint16_t destination_port = 0;
  uint8_t tcp_flags = 0;
  uint32_t sequence = 0;  // TCP
  uint32_t acknowledgment = 0;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  std::span<const uint8_t> payload;  // behind the transport header, as far as it was captured
  std::shared_ptr<const PacketView> quoted;  // by an ICMP error
  // A WireGuard data message: who it is for and its number name it on every link it crosses; what
  // is in it cannot be seen. `source` and the rest are of the packet around it.
  struct WireGuardData {
    uint32_t receiver = 0;
    uint64_t counter = 0;
    size_t sealed = 0;  // length of the padded packet inside
    bool operator==(const WireGuardData&) const = default;
  };
  std::optional<WireGuardData> wireguard;

  bool is_syn() const { return (tcp_flags & 0x12) == 0x02; }
  bool is_echo_request() const {
    return (protocol == net::kIcmp && icmp_type == 8) ||
           (protocol == net::kIcmpV6 && icmp_type == 128);
  }
};

// From the network header on.
std::optional<PacketView> view_packet(std::span<const uint8_t> bytes);

}  // namespace caracal::lab
