#include "dataplane/nft/testing/packet.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace caracal::dataplane::nft_testing {
namespace {

using Bytes = std::vector<uint8_t>;

void put16(Bytes& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
void put32(Bytes& out, uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}
void put(Bytes& out, std::span<const uint8_t> bytes) {
  for (const uint8_t byte : bytes) out.push_back(byte);
}
void put(Bytes& out, const net::IpAddr& address) {
  put(out, std::span(address.data(), address.size()));
}
constexpr net::MacAddr kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
void set16(Bytes& out, size_t at, uint16_t value) {
  out[at] = static_cast<uint8_t>(value >> 8);
  out[at + 1] = static_cast<uint8_t>(value);
}
uint16_t get16(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

// RFC 1071.
uint16_t internet_checksum(std::span<const uint8_t> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2)
    sum += static_cast<uint32_t>(bytes[i] << 8) | (i + 1 < bytes.size() ? bytes[i + 1] : 0U);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// RFC 9260 appendix A: CRC32c, reflected.
uint32_t crc32c(std::span<const uint8_t> bytes) {
  uint32_t crc = 0xffffffff;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (0x82f63b78 & (0U - (crc & 1)));
  }
  return ~crc;
}

// With the pseudo header of RFC 9293 and RFC 8200.
uint16_t transport_checksum(const Packet& packet, const Bytes& segment) {
  Bytes all;
  put(all, packet.source);
  put(all, packet.destination);
  put32(all, static_cast<uint32_t>(segment.size()));
  put32(all, packet.protocol.number);
  put(all, segment);
  return internet_checksum(all);
}

Bytes transport(const Packet& p, uint32_t cookie) {
  Bytes out;
  if (p.protocol.has_ports()) {
    put16(out, p.source_port);
    put16(out, p.destination_port);
  }
  if (p.protocol == net::kTcp) {
    put32(out, cookie);  // sequence number
    put32(out, 0);
    put16(out, 0x5000U | p.tcp_flags);  // five words
    put16(out, 64240);
    put32(out, 0);  // checksum, urgent pointer
    put32(out, cookie);
    set16(out, 16, transport_checksum(p, out));
  } else if (p.protocol == net::kUdp) {
    put16(out, 12);
    put16(out, 0);
    put32(out, cookie);
    set16(out, 6, transport_checksum(p, out));
  } else if (p.protocol == net::kSctp) {
    put32(out, 0);           // verification tag of an INIT
    put32(out, 0);           // checksum
    put32(out, 0x01000014);  // INIT, 20 bytes
    put32(out, 0x12345678);  // initiate tag
    put32(out, 65535);       // window
    put32(out, 0x00010001);  // streams
    put32(out, cookie);      // TSN
    const uint32_t crc = crc32c(out);
    for (unsigned i = 0; i < 4; ++i) out[8 + i] = static_cast<uint8_t>(crc >> (8 * i));
  } else if (p.protocol == net::kIcmp || p.protocol == net::kIcmpV6) {
    out.push_back(p.icmp_type.value_or(p.protocol == net::kIcmp ? 8 : 128));
    out.push_back(p.icmp_code);
    put16(out, 0);
    put16(out, cookie >> 16);  // identifier
    put16(out, cookie & 0xffff);
    put32(out, cookie);
    set16(out, 2, p.protocol == net::kIcmp ? internet_checksum(out) : transport_checksum(p, out));
  } else {
    put32(out, 0);
    put32(out, 0);
    put32(out, cookie);
  }
  return out;
}

}  // namespace

std::string Packet::to_string() const {
  std::string out = fmt::format("{}: {} -> {} {}", from, source.to_string(),
                                destination.to_string(), protocol.to_string());
  if (protocol.has_ports()) out += fmt::format(" {} -> {}", source_port, destination_port);
  if (icmp_type) out += fmt::format(" type {} code {}", *icmp_type, icmp_code);
  return out;
}

std::vector<uint8_t> serialize(const Packet& packet, uint32_t cookie) {
  const Bytes segment = transport(packet, cookie);
  Bytes out;
  if (packet.source.is_v4()) {
    put16(out, 0x4500);
    put16(out, static_cast<uint32_t>(20 + segment.size()));
    put32(out, 0x00004000);  // do not fragment
    out.push_back(64);
    out.push_back(packet.protocol.number);
    put16(out, 0);
    put(out, packet.source);
    put(out, packet.destination);
    set16(out, 10, internet_checksum(out));
  } else {
    put32(out, 0x60000000);
    put16(out, static_cast<uint32_t>(segment.size()));
    out.push_back(packet.protocol.number);
    out.push_back(64);
    put(out, packet.source);
    put(out, packet.destination);
  }
  put(out, segment);
  return out;
}

std::vector<uint8_t> frame(const std::vector<uint8_t>& packet, const net::MacAddr& from,
                           const net::MacAddr& to) {
  Bytes out;
  put(out, to.bytes);
  put(out, from.bytes);
  put16(out, packet[0] >> 4 == 4 ? 0x0800 : 0x86dd);
  put(out, packet);
  return out;
}

std::vector<uint8_t> arp_request(const net::MacAddr& mac, const net::IpAddr& sender,
                                 const net::IpAddr& target) {
  Bytes out;
  put(out, kBroadcast.bytes);
  put(out, mac.bytes);
  put16(out, 0x0806);
  put32(out, 0x00010800);  // Ethernet, IPv4
  put32(out, 0x06040001);  // sizes, request
  put(out, mac.bytes);
  put(out, sender);
  put(out, net::MacAddr{}.bytes);
  put(out, target);
  return out;
}

std::optional<uint32_t> cookie_of(std::span<const uint8_t> packet) {
  if (packet.size() < 24) return std::nullopt;
  size_t size = 0;
  if (packet[0] >> 4 == 4)
    size = get16(packet, 2);
  else if (packet[0] >> 4 == 6 && packet.size() >= 44)
    size = size_t{40} + get16(packet, 4);
  if (size < 24 || size > packet.size()) return std::nullopt;
  return static_cast<uint32_t>(get16(packet, size - 4)) << 16 | get16(packet, size - 2);
}

bool is_refusal(std::span<const uint8_t> packet) {
  if (packet.size() < 20) return false;
  const bool v4 = packet[0] >> 4 == 4;
  const size_t header = v4 ? size_t{4} * (packet[0] & 15) : 40;
  if (packet.size() < header + 14) return false;
  const uint8_t protocol = v4 ? packet[9] : packet[6];
  const auto payload = packet.subspan(header);
  if (protocol == net::kTcp.number) return (payload[13] & 0x04) != 0;
  if (protocol == net::kSctp.number) return payload[12] == 6;
  if (protocol == net::kIcmp.number) return payload[0] == 3 || payload[0] == 4 || payload[0] == 11;
  if (protocol == net::kIcmpV6.number) return payload[0] < 128;
  return false;
}

}  // namespace caracal::dataplane::nft_testing
