#include "flowlog/packet.h"

namespace caracal::flowlog {
namespace {

constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kAuthentication = 51;
constexpr uint8_t kDestinationOptions = 60;
constexpr uint8_t kUdpLite = 136;

class Bytes {
 public:
  explicit Bytes(std::span<const std::byte> bytes) : bytes_(bytes) {}
  size_t size() const { return bytes_.size(); }
  const std::byte* at(size_t offset) const { return bytes_.data() + offset; }
  uint8_t u8(size_t offset) const { return std::to_integer<uint8_t>(bytes_[offset]); }
  uint16_t u16(size_t offset) const {
    return static_cast<uint16_t>(u8(offset) << 8 | u8(offset + 1));
  }

 private:
  std::span<const std::byte> bytes_;
};

void read_transport(const Bytes& bytes, size_t offset, Packet& packet) {
  const net::Protocol protocol = packet.protocol;
  if (protocol.has_ports() || protocol.number == kUdpLite) {
    if (bytes.size() < offset + 4) return;
    packet.source_port = bytes.u16(offset);
    packet.destination_port = bytes.u16(offset + 2);
  } else if (protocol == net::kIcmp || protocol == net::kIcmpV6) {
    if (bytes.size() < offset + 2) return;
    packet.icmp_type = bytes.u8(offset);
    packet.icmp_code = bytes.u8(offset + 1);
  }
}

std::optional<Packet> parse_v4(const Bytes& bytes) {
  constexpr size_t kHeader = 20;
  const size_t length = size_t{4} * (bytes.u8(0) & 0x0fu);
  if (bytes.size() < kHeader || length < kHeader) return std::nullopt;
  Packet packet;
  packet.source = net::IpAddr::from_bytes(bytes.at(12), 4);
  packet.destination = net::IpAddr::from_bytes(bytes.at(16), 4);
  packet.protocol = net::Protocol{bytes.u8(9)};
  const bool first = (bytes.u16(6) & 0x1fff) == 0;  // fragment offset
  if (first) read_transport(bytes, length, packet);
  return packet;
}

std::optional<Packet> parse_v6(const Bytes& bytes) {
  constexpr size_t kHeader = 40;
  if (bytes.size() < kHeader) return std::nullopt;
  Packet packet;
  packet.source = net::IpAddr::from_bytes(bytes.at(8), 16);
  packet.destination = net::IpAddr::from_bytes(bytes.at(24), 16);
  uint8_t next = bytes.u8(6);
  size_t offset = kHeader;
  bool first = true;
  // Each turn moves at least eight bytes on.
  for (;;) {
    packet.protocol = net::Protocol{next};
    const bool extension = next == kHopByHop || next == kRouting || next == kFragment ||
                           next == kAuthentication || next == kDestinationOptions;
    if (!extension) break;
    if (bytes.size() < offset + 8) return packet;
    if (next == kFragment) {
      first = (bytes.u16(offset + 2) & 0xfff8) == 0;
      next = bytes.u8(offset);
      offset += 8;
      if (!first) {
        packet.protocol = net::Protocol{next};
        return packet;
      }
      continue;
    }
    // RFC 4302 counts in units of four bytes, the others in eight.
    const size_t words = bytes.u8(offset + 1);
    const size_t length = next == kAuthentication ? (words + 2) * 4 : (words + 1) * 8;
    next = bytes.u8(offset);
    offset += length;
  }
  read_transport(bytes, offset, packet);
  return packet;
}

}  // namespace

std::optional<Packet> parse_packet(std::span<const std::byte> span) {
  const Bytes bytes(span);
  if (bytes.size() == 0) return std::nullopt;
  switch (bytes.u8(0) >> 4) {
    case 4:
      return parse_v4(bytes);
    case 6:
      return parse_v6(bytes);
    default:
      return std::nullopt;
  }
}

}  // namespace caracal::flowlog
