#include "lab/packet_view.h"

#include <fmt/format.h>

namespace caracal::lab {
namespace {

constexpr uint8_t kIpip = 4;     // IPv4 in IP
constexpr uint8_t kIpv6In = 41;  // IPv6 in IP
constexpr size_t kMaxDepth = 4;  // of tunnels and quotes
constexpr size_t kEthernet = 14;
constexpr size_t kVxlanHeader = 8;

uint16_t u16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
uint32_t u32(const uint8_t* p) {
  return static_cast<uint32_t>(p[0]) << 24 | static_cast<uint32_t>(p[1]) << 16 |
         static_cast<uint32_t>(p[2]) << 8 | p[3];
}
uint64_t u64_little(const uint8_t* p) {
  uint64_t out = 0;
  for (int i = 7; i >= 0; --i) out = out << 8 | p[i];
  return out;
}

// The port may be any: the VNI flag alone, reserved zeros, and IP in the Ethernet frame.
bool is_vxlan(std::span<const uint8_t> payload) {
  if (payload.size() <= kVxlanHeader + kEthernet || payload[0] != 0x08 || payload[1] != 0 ||
      payload[2] != 0 || payload[3] != 0 || payload[7] != 0)
    return false;
  const uint16_t type = u16(payload.data() + kVxlanHeader + kEthernet - 2);
  return type == 0x0800 || type == 0x86dd;
}

std::optional<PacketView> view(std::span<const uint8_t> bytes, size_t depth);

// The packet inside a tunnel, with the tunnel noted around it.
std::optional<PacketView> inner(const PacketView& outer, Encapsulation::Kind kind, uint32_t vni,
                                std::span<const uint8_t> bytes, size_t depth) {
  auto in = view(bytes, depth + 1);
  if (!in) return std::nullopt;
  in->around.insert(in->around.begin(), {kind, outer.source, outer.destination, vni});
  return in;
}

bool is_icmp_error(const PacketView& packet) {
  if (packet.protocol == net::kIcmp)
    return packet.icmp_type == 3 || packet.icmp_type == 11 || packet.icmp_type == 12;
  return packet.protocol == net::kIcmpV6 && packet.icmp_type < 128;
}

void view_udp(PacketView& packet, std::span<const uint8_t> body) {
  packet.source_port = u16(body.data());
  packet.destination_port = u16(body.data() + 2);
  packet.payload = body.subspan(8);
  // Type 4, three reserved zeros, receiver, counter, then what is sealed and its 16-byte tag.
  const auto data = packet.payload;
  const size_t length = static_cast<size_t>(u16(body.data() + 4)) - 8;
  if (length >= 32 && data.size() >= 16 && data[0] == 4 && data[1] == 0 && data[2] == 0 &&
      data[3] == 0 && length % 16 == 0) {
    packet.wireguard = {u32(data.data() + 4), u64_little(data.data() + 8), length - 32};
  }
}

std::optional<PacketView> view(std::span<const uint8_t> bytes, size_t depth) {
  if (depth > kMaxDepth || bytes.size() < 20) return std::nullopt;
  PacketView packet;
  size_t header = 40;
  uint8_t protocol = 0;
  if (bytes[0] >> 4 == 4) {
    header = static_cast<size_t>(bytes[0] & 0x0f) * 4;
    if (header < 20 || bytes.size() < header) return std::nullopt;
    packet.source = net::IpAddr::from_bytes(bytes.data() + 12, 4);
    packet.destination = net::IpAddr::from_bytes(bytes.data() + 16, 4);
    packet.ttl = bytes[8];
    packet.size = u16(bytes.data() + 2);
    protocol = bytes[9];
    if ((u16(bytes.data() + 6) & 0x1fff) != 0) return std::nullopt;  // a later fragment
  } else if (bytes[0] >> 4 == 6 && bytes.size() >= 40) {
    packet.source = net::IpAddr::from_bytes(bytes.data() + 8, 16);
    packet.destination = net::IpAddr::from_bytes(bytes.data() + 24, 16);
    packet.ttl = bytes[7];
    packet.size = static_cast<size_t>(u16(bytes.data() + 4)) + 40;
    protocol = bytes[6];
  } else {
    return std::nullopt;
  }
  packet.protocol = net::Protocol{protocol};
  const auto body = bytes.subspan(header);
  if (protocol == kIpip || protocol == kIpv6In)
    return inner(packet, Encapsulation::Kind::kIpip, 0, body, depth);
  if (packet.protocol == net::kTcp && body.size() >= 14) {
    packet.source_port = u16(body.data());
    packet.destination_port = u16(body.data() + 2);
    packet.sequence = u32(body.data() + 4);
    packet.acknowledgment = u32(body.data() + 8);
    packet.tcp_flags = body[13];
  } else if (packet.protocol == net::kTcp && body.size() >= 8) {  // as an ICMP error may quote it
    packet.source_port = u16(body.data());
    packet.destination_port = u16(body.data() + 2);
    packet.sequence = u32(body.data() + 4);
    packet.tcp_flags = 0x02;
  } else if (packet.protocol == net::kUdp && body.size() >= 8) {
    view_udp(packet, body);
    if (is_vxlan(packet.payload)) {
      auto in = inner(packet, Encapsulation::Kind::kVxlan, u32(packet.payload.data() + 4) >> 8,
                      packet.payload.subspan(kVxlanHeader + kEthernet), depth);
      if (in) return in;
    }
  } else if ((packet.protocol == net::kIcmp || packet.protocol == net::kIcmpV6) &&
             body.size() >= 8) {
    packet.icmp_type = body[0];
    packet.icmp_code = body[1];
    packet.payload = body.subspan(8);
    if (is_icmp_error(packet)) {
      if (auto quoted = view(packet.payload, depth + 1))
        packet.quoted = std::make_shared<const PacketView>(std::move(*quoted));
    } else {
      packet.source_port = packet.destination_port = u16(body.data() + 4);
    }
  }
  return packet;
}

}  // namespace

std::string to_text(const Encapsulation& e) {
  const std::string ends = e.source.to_string() + " -> " + e.destination.to_string();
  switch (e.kind) {
    case Encapsulation::Kind::kVxlan:
      return fmt::format("vxlan {} {}", e.vni, ends);
    case Encapsulation::Kind::kIpip:
      return "ipip " + ends;
    case Encapsulation::Kind::kWireGuard:
      return "wireguard " + ends;
  }
  return ends;
}

std::optional<PacketView> view_packet(std::span<const uint8_t> bytes) { return view(bytes, 0); }

}  // namespace caracal::lab
