#include "flowlog/packet.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace caracal::flowlog {
namespace {

using Bytes = std::vector<uint8_t>;

std::optional<Packet> parse(const Bytes& bytes) {
  return parse_packet(std::as_bytes(std::span(bytes)));
}

Bytes v4(uint8_t protocol, const Bytes& payload, uint16_t fragment = 0, int options = 0) {
  Bytes out(20 + static_cast<size_t>(options), 0);
  out[0] = static_cast<uint8_t>(0x40 | (5 + options / 4));
  out[6] = static_cast<uint8_t>(fragment >> 8);
  out[7] = static_cast<uint8_t>(fragment & 0xff);
  out[9] = protocol;
  const uint8_t addresses[] = {10, 0, 0, 1, 10, 0, 0, 2};
  std::memcpy(out.data() + 12, addresses, sizeof addresses);
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

Bytes v6(uint8_t next, const Bytes& payload) {
  Bytes out(40, 0);
  out[0] = 0x60;
  out[6] = next;
  out[8] = out[24] = 0xfd;
  out[23] = 1;
  out[39] = 2;
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

const Bytes kPorts = {0x9c, 0x40, 0x00, 0x50, 0, 0, 0, 0};  // 40000 -> 80

TEST(ParsePacket, Ports) {
  for (const uint8_t protocol : Bytes{6, 17, 132, 136}) {
    const auto packet = parse(v4(protocol, kPorts));
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->source.to_string(), "10.0.0.1");
    EXPECT_EQ(packet->destination.to_string(), "10.0.0.2");
    EXPECT_EQ(packet->protocol.number, protocol);
    EXPECT_EQ(packet->source_port, 40000);
    EXPECT_EQ(packet->destination_port, 80);
    const auto six = parse(v6(protocol, kPorts));
    ASSERT_TRUE(six);
    EXPECT_EQ(six->source.to_string(), "fd00::1");
    EXPECT_EQ(six->destination.to_string(), "fd00::2");
    EXPECT_EQ(six->destination_port, 80);
  }
  EXPECT_EQ(parse(v4(6, kPorts, 0, 8))->destination_port, 80) << "behind options";
}

TEST(ParsePacket, MessagesAndOthers) {
  const auto ping = parse(v4(1, {8, 0, 0, 0}));
  EXPECT_EQ(ping->icmp_type, 8);
  EXPECT_EQ(ping->icmp_code, 0);
  EXPECT_FALSE(ping->destination_port);
  EXPECT_EQ(parse(v6(58, {135, 1}))->icmp_type, 135);
  const auto gre = parse(v4(47, kPorts));
  EXPECT_EQ(gre->protocol.number, 47);
  EXPECT_FALSE(gre->destination_port);
}

TEST(ParsePacket, FragmentsHaveNoPortsButTheFirst) {
  EXPECT_EQ(parse(v4(17, kPorts, 0x2000))->destination_port, 80);
  EXPECT_FALSE(parse(v4(17, kPorts, 0x2001))->destination_port);
  Bytes first = {17, 0, 0, 1, 0, 0, 0, 9};
  Bytes later = {17, 0, 0, 9, 0, 0, 0, 9};
  first.insert(first.end(), kPorts.begin(), kPorts.end());
  later.insert(later.end(), kPorts.begin(), kPorts.end());
  EXPECT_EQ(parse(v6(44, first))->destination_port, 80);
  EXPECT_EQ(parse(v6(44, later))->protocol.number, 17);
  EXPECT_FALSE(parse(v6(44, later))->destination_port);
}

TEST(ParsePacket, ExtensionHeaders) {
  // Hop by hop (16 bytes), destination options (8), authentication (4 * (4 + 2) = 24), then TCP.
  Bytes chain = {60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 51, 0, 0, 0, 0, 0, 0, 0, 6, 4};
  chain.resize(16 + 8 + 24, 0);
  chain.insert(chain.end(), kPorts.begin(), kPorts.end());
  const auto packet = parse(v6(0, chain));
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->protocol, net::kTcp);
  EXPECT_EQ(packet->destination_port, 80);
}

// Cut anywhere, a packet gives less, and never another truth.
TEST(ParsePacket, CutAnywhere) {
  Bytes chain = {43, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0};
  chain.insert(chain.end(), kPorts.begin(), kPorts.end());
  for (const Bytes& whole : {v4(6, kPorts), v4(1, {8, 0}), v6(60, chain), v6(58, {128, 0})}) {
    const auto full = parse(whole);
    ASSERT_TRUE(full);
    for (size_t size = 0; size < whole.size(); ++size) {
      const auto part = parse(Bytes(whole.begin(), whole.begin() + static_cast<long>(size)));
      if (!part) {
        EXPECT_LT(size, whole[0] >> 4 == 4 ? 20u : 40u);
        continue;
      }
      EXPECT_EQ(part->source, full->source);
      EXPECT_EQ(part->destination, full->destination);
      if (part->destination_port) {
        EXPECT_EQ(part->destination_port, full->destination_port);
      }
    }
  }
  for (const Bytes& none :
       {Bytes{}, Bytes{0x45}, Bytes(60, 0x00), Bytes(60, 0xff), Bytes(19, 0x45)})
    EXPECT_FALSE(parse(none));
  Bytes short_header = v4(6, kPorts);
  short_header[0] = 0x41;
  EXPECT_FALSE(parse(short_header)) << "a header of four bytes";
}

}  // namespace
}  // namespace caracal::flowlog
