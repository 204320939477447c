#include "lab/packet_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lab/journey.h"

namespace caracal::lab {
namespace {

using Bytes = std::vector<uint8_t>;

void put16(Bytes& out, size_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
void put32(Bytes& out, uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}
void append(Bytes& out, const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); }

Bytes ip4(const char* from, const char* to, uint8_t protocol, const Bytes& body) {
  Bytes out = {0x45, 0};
  put16(out, 20 + body.size());
  append(out, {0, 0, 0, 0, 63, protocol, 0, 0});
  for (const char* text : {from, to}) {
    const net::IpAddr address = *net::IpAddr::parse(text);
    out.insert(out.end(), address.data(), address.data() + 4);
  }
  append(out, body);
  return out;
}
Bytes udp(uint16_t from, uint16_t to, const Bytes& payload) {
  Bytes out;
  put16(out, from);
  put16(out, to);
  put16(out, 8 + payload.size());
  put16(out, 0);
  append(out, payload);
  return out;
}
Bytes tcp(uint16_t from, uint16_t to, uint32_t sequence, uint32_t acknowledgment, uint8_t flags) {
  Bytes out;
  put16(out, from);
  put16(out, to);
  put32(out, sequence);
  put32(out, acknowledgment);
  append(out, {0x50, flags, 0, 0, 0, 0, 0, 0});
  return out;
}
Bytes vxlan(const Bytes& inner) {
  Bytes out = {0x08, 0, 0, 0, 0, 0x10, 0, 0};  // VNI 4096
  out.resize(8 + 12);                          // an Ethernet header
  put16(out, 0x0800);
  append(out, inner);
  return out;
}
Bytes wireguard(uint32_t receiver, uint8_t counter, size_t sealed) {
  Bytes out = {4, 0, 0, 0};
  put32(out, receiver);
  append(out, {counter, 0, 0, 0, 0, 0, 0, 0});
  out.resize(32 + sealed);
  return out;
}

TEST(ViewPacket, TakesTunnelsOff) {
  const Bytes inner = ip4("192.168.1.2", "192.168.2.3", 6, tcp(4000, 80, 77, 0, 0x02));
  const Bytes outer = ip4("10.0.0.1", "10.0.0.2", 17, udp(50000, 4789, vxlan(inner)));
  const auto view = view_packet(outer);
  ASSERT_TRUE(view);
  ASSERT_EQ(view->around.size(), 1U);
  EXPECT_EQ(to_text(view->around[0]), "vxlan 4096 10.0.0.1 -> 10.0.0.2");
  EXPECT_EQ(view->destination.to_string(), "192.168.2.3");
  EXPECT_EQ(view->sequence, 77U);
  EXPECT_TRUE(view->is_syn());

  const auto ipip = view_packet(ip4("10.0.0.1", "10.0.0.2", 4, inner));
  ASSERT_TRUE(ipip);
  EXPECT_EQ(to_text(ipip->around.at(0)), "ipip 10.0.0.1 -> 10.0.0.2");
  EXPECT_EQ(ipip->destination_port, 80);
}

TEST(ViewPacket, ReadsWhatAnErrorQuotesAndSealedData) {
  const Bytes probe = ip4("192.168.1.2", "10.9.9.9", 6, tcp(4000, 80, 77, 0, 0x02));
  Bytes error = {3, 0, 0, 0, 0, 0, 0, 0};
  append(error, probe);
  const auto view = view_packet(ip4("10.0.0.9", "192.168.1.2", 1, error));
  ASSERT_TRUE(view);
  ASSERT_TRUE(view->quoted);
  EXPECT_EQ(view->quoted->destination.to_string(), "10.9.9.9");
  EXPECT_EQ(view->quoted->sequence, 77U);

  const auto sealed =
      view_packet(ip4("10.0.0.1", "10.0.0.2", 17, udp(51820, 51820, wireguard(9, 3, 64))));
  ASSERT_TRUE(sealed);
  ASSERT_TRUE(sealed->wireguard);
  EXPECT_EQ(sealed->wireguard->receiver, 9U);
  EXPECT_EQ(sealed->wireguard->counter, 3U);
  EXPECT_EQ(sealed->wireguard->sealed, 64U);
}

TEST(ViewPacket, NeverReadsPastTheBytes) {
  const Bytes whole = ip4("10.0.0.1", "10.0.0.2", 17,
                          udp(1, 4789, vxlan(ip4("1.1.1.1", "2.2.2.2", 6, tcp(1, 2, 3, 4, 2)))));
  for (size_t size = 0; size <= whole.size(); ++size) {
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const auto view = view_packet(part);  // the sanitizer watches
    if (size < 20) {
      EXPECT_FALSE(view);
    }
  }
}

CapturedPacket seen(int64_t time, size_t place, const char* device, bool outgoing, Bytes bytes,
                    bool bare = false) {
  return {time, place, device, outgoing, bare, std::move(bytes)};
}

TEST(Follow, FindsASynThroughTranslationAndItsAnswer) {
  const auto syn = [](const char* from, const char* to, uint16_t port) {
    return ip4(from, to, 6, tcp(4000, port, 1000, 0, 0x02));
  };
  const Bytes other = ip4("192.168.1.2", "192.168.2.3", 6, tcp(4001, 80, 5, 0, 0x02));
  const Bytes answer = ip4("192.168.2.3", "192.168.1.2", 6, tcp(8080, 4000, 9, 1001, 0x12));
  const Journey journey =
      follow({seen(30, 1, "eth0", true, syn("192.168.1.2", "192.168.2.3", 8080)),
              seen(10, 0, "eth0", true, syn("192.168.1.2", "10.96.0.1", 80)),
              seen(11, 0, "eth0", true, other),
              seen(20, 1, "cali1", false, syn("192.168.1.2", "10.96.0.1", 80)),
              seen(1020, 1, "cali1", false, syn("192.168.1.2", "10.96.0.1", 80)),  // sent again
              seen(40, 1, "eth0", false, answer)},
             {.protocol = net::kTcp, .place = 0, .local_port = 4000, .port = 80, .mark = {}});
  ASSERT_EQ(journey.probe.size(), 3U);
  EXPECT_EQ(journey.probe[1].device, "cali1");
  EXPECT_EQ(journey.probe[2].destination.to_string(), "192.168.2.3");
  ASSERT_EQ(journey.answer.size(), 1U);
  EXPECT_EQ(journey.answer[0].source_port, 8080);
}

TEST(Follow, KnowsASealedPacketByWhatLeftTheTunnelNext) {
  const Bytes mark = {'m', 'a', 'r', 'k', '1', '2', '3', '4'};
  const Bytes probe = ip4("192.168.1.2", "192.168.2.3", 17, udp(4000, 7, mark));  // 36 bytes
  const auto sealed = [](uint8_t counter, size_t size) {
    return ip4("10.0.0.1", "10.0.0.2", 17, udp(51820, 51820, wireguard(9, counter, size)));
  };
  const Journey journey = follow(
      {seen(1'000, 0, "wireguard.cali", true, probe, true),
       seen(2'000, 0, "eth0", true, sealed(1, 80)),  // somebody else's, by its size
       seen(3'000, 0, "eth0", true, sealed(2, 48)), seen(4'000, 1, "eth0", false, sealed(2, 48)),
       seen(5'000, 1, "wireguard.cali", false, probe, true)},
      {.protocol = net::kUdp, .place = 0, .local_port = 4000, .port = 7, .mark = mark});
  ASSERT_EQ(journey.probe.size(), 4U);
  EXPECT_EQ(to_text(journey.probe[1].around.at(0)), "wireguard 10.0.0.1 -> 10.0.0.2");
  EXPECT_EQ(journey.probe[2].place, 1U);
  EXPECT_EQ(journey.probe[2].destination.to_string(), "192.168.2.3");
}

TEST(Follow, TellsAnswersAndErrorsOfADatagramApart) {
  const Bytes mark = {'m', 'a', 'r', 'k', '1', '2', '3', '4'};
  const Bytes probe = ip4("192.168.1.2", "192.168.2.3", 17, udp(4000, 7, mark));
  Bytes error = {3, 1, 0, 0, 0, 0, 0, 0};
  append(error, probe);
  const Journey journey =
      follow({seen(10, 0, "eth0", true, probe),
              seen(20, 1, "eth0", true, ip4("10.0.0.9", "192.168.1.2", 1, error)),
              seen(30, 0, "eth0", false, ip4("192.168.2.3", "192.168.1.2", 17, udp(7, 4000, {})))},
             {.protocol = net::kUdp, .place = 0, .local_port = 4000, .port = 7, .mark = mark});
  EXPECT_EQ(journey.probe.size(), 1U);
  EXPECT_EQ(journey.answer.size(), 1U);
  ASSERT_EQ(journey.errors.size(), 1U);
  EXPECT_EQ(journey.errors[0].icmp_code, 1);
}

}  // namespace
}  // namespace caracal::lab
