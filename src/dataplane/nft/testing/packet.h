// Crafted packets: the first packet of a flow, byte by byte, and what can be read from one that
// arrived. For tests of the dataplane. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/ip_addr.h"
#include "net/mac_addr.h"
#include "net/protocol.h"

namespace caracal::dataplane::nft_testing {

struct Packet {
  std::string from;  // whose link it leaves through: a pod's interface, "outside", "node"
  net::IpAddr source;
  net::IpAddr destination;
  net::Protocol protocol = net::kTcp;
  uint16_t source_port = 0;  // with ports only
  uint16_t destination_port = 0;
  // ICMP and ICMPv6; unset: an echo request.
  std::optional<uint8_t> icmp_type;
  uint8_t icmp_code = 0;
  uint8_t tcp_flags = 0x02;  // SYN
  std::string to_string() const;
};

// The packet as the network layer sees it, all checksums right: TCP: a SYN, or what tcp_flags say;
// UDP: a datagram; SCTP: an INIT; ICMP and ICMPv6: an echo request, or icmp_type with the same
// layout; anything else: a few bytes. `cookie` stands in its last four bytes.
std::vector<uint8_t> serialize(const Packet& packet, uint32_t cookie);

// An Ethernet frame around it.
std::vector<uint8_t> frame(const std::vector<uint8_t>& packet, const net::MacAddr& from,
                           const net::MacAddr& to);
// A broadcast question for the MAC of `target`, from `sender`.
std::vector<uint8_t> arp_request(const net::MacAddr& mac, const net::IpAddr& sender,
                                 const net::IpAddr& target);

// The last four bytes; nullopt for what is no IP packet or too short.
std::optional<uint32_t> cookie_of(std::span<const uint8_t> packet);
// Is it an answer that gives away that somebody dropped the flow: an ICMP error, a TCP reset, an
// SCTP abort?
bool is_refusal(std::span<const uint8_t> packet);

}  // namespace caracal::dataplane::nft_testing
