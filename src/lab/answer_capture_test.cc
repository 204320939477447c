#include "lab/answer_capture.h"

#include <gtest/gtest.h>

namespace caracal::lab {
namespace {

// 10.0.0.2:80 -> 10.0.0.1:1234, flags as given.
std::vector<uint8_t> tcp4(uint8_t flags) {
  std::vector<uint8_t> p(40, 0);
  p[0] = 0x45;
  p[9] = 6;
  const uint8_t addresses[8] = {10, 0, 0, 2, 10, 0, 0, 1};
  std::copy_n(addresses, 8, p.begin() + 12);
  p[21] = 80;
  p[22] = 0x04;
  p[23] = 0xd2;
  p[33] = flags;
  return p;
}

TEST(ParseRefusal, KnowsAReset) {
  const auto packet = tcp4(0x14);
  const auto refusal = parse_refusal(packet.data(), packet.size());
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->kind, Refusal::Kind::kReset);
  EXPECT_EQ(refusal->local_port, 1234);
  EXPECT_EQ(refusal->remote_port, 80);
  EXPECT_EQ(refusal->to_string(), "TCP reset from 10.0.0.2");
  const auto syn_ack = tcp4(0x12);
  EXPECT_FALSE(parse_refusal(syn_ack.data(), syn_ack.size()));
}

TEST(ParseRefusal, KnowsAnIcmpErrorByThePacketItQuotes) {
  std::vector<uint8_t> packet(28, 0);
  packet[0] = 0x45;
  packet[9] = 1;
  packet[12] = 10;
  packet[15] = 254;  // the router 10.0.0.254
  packet[20] = 3;
  packet[21] = 13;
  std::vector<uint8_t> quoted(28, 0);
  quoted[0] = 0x45;
  quoted[9] = 17;
  quoted[16] = 10;
  quoted[19] = 7;  // to 10.0.0.7
  quoted[20] = 0x04;
  quoted[21] = 0xd2;
  quoted[23] = 53;
  packet.insert(packet.end(), quoted.begin(), quoted.end());
  const auto refusal = parse_refusal(packet.data(), packet.size());
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->protocol, net::kUdp);
  EXPECT_EQ(refusal->remote.to_string(), "10.0.0.7");
  EXPECT_EQ(refusal->local_port, 1234);
  EXPECT_EQ(refusal->remote_port, 53);
  EXPECT_EQ(refusal->to_string(), "ICMP type 3 code 13 from 10.0.0.254");
}

TEST(ParseRefusal, ReadsNoFurtherThanThePacket) {
  const auto packet = tcp4(0x14);
  for (size_t size = 0; size < 34; ++size) EXPECT_FALSE(parse_refusal(packet.data(), size)) << size;
  std::vector<uint8_t> options(20, 0);
  options[0] = 0x4f;  // says its header has 60 bytes
  EXPECT_FALSE(parse_refusal(options.data(), options.size()));
}

}  // namespace
}  // namespace caracal::lab
