// Packets against what plain policy does not use: message types, otherwise, wide rows, splits,
// connections in their middle, pods towards their node, and what is told by NFLOG.
#include <gmock/gmock.h>

#include "dataplane/nft/chains.h"
#include "dataplane/nft/log_groups.h"
#include "dataplane/nft/testing/nflog_reader.h"
#include "dataplane/nft/testing/policy_fixture.h"

namespace caracal::dataplane::nft {
namespace {

using desired::kAnyone;
using nft_testing::NflogMessage;
using nft_testing::NflogReader;

constexpr const char* kPods[2] = {"10.0.0.1", "fd00::1"};
constexpr const char* kPeers[2] = {"10.0.0.2", "fd00::2"};
constexpr const char* kOthers[2] = {"10.0.0.3", "fd00::3"};

class PolicyFeaturesRootTest : public PolicyPackets {
 protected:
  bool icmp(const char* from, const char* to, uint8_t type, uint8_t code) {
    const bool v4 = ip(from).is_v4();
    Packet p = packet(interface_of(ip(from)), ip(from), ip(to), v4 ? net::kIcmp : net::kIcmpV6);
    p.icmp_type = type;
    p.icmp_code = code;
    return passes(p);
  }
};

TEST_F(PolicyFeaturesRootTest, MessageTypesAndCodesOfIcmp) {
  PolicyTables t = isolated();
  // Echo requests of code 0, and all codes of type 13 (139).
  for (const auto& [space, echo, other] :
       {std::tuple{PortSpace::kIcmp, 8, 13}, std::tuple{PortSpace::kIcmpV6, 128, 139}}) {
    t.ports[{space, static_cast<uint16_t>(echo * 256)}] = 2;
    t.ports[{space, static_cast<uint16_t>(echo * 256 + 1)}] = 1;
    t.ports[{space, static_cast<uint16_t>(other * 256)}] = 2;
    t.ports[{space, static_cast<uint16_t>((other + 1) * 256)}] = 1;
  }
  t.peers = {{{1, kAnyone}, 1}};
  t.rows = {{1, 2}};
  sync(t);
  for (const int f : {0, 1}) {
    SCOPED_TRACE(kPods[f]);
    const auto echo = static_cast<uint8_t>(f == 0 ? 8 : 128);
    const auto other = static_cast<uint8_t>(f == 0 ? 13 : 139);
    EXPECT_TRUE(icmp(kPeers[f], kPods[f], echo, 0));
    EXPECT_FALSE(icmp(kPeers[f], kPods[f], echo, 1));
    EXPECT_TRUE(icmp(kPeers[f], kPods[f], other, 0));
    EXPECT_TRUE(icmp(kPeers[f], kPods[f], other, 255));
    EXPECT_FALSE(passes(kPeers[f], kPods[f], net::kUdp, 2048));
    EXPECT_FALSE(passes(kPeers[f], kPods[f], kOspf));
  }
}

TEST_F(PolicyFeaturesRootTest, OtherwiseHoldsForIdentitiesWithoutEntry) {
  PolicyTables t = isolated();
  t.addresses = {{ip("10.0.0.2"), 5}, {ip("fd00::2"), 5}, {ip("10.0.0.3"), 6}, {ip("fd00::3"), 6}};
  t.ranges[ip("203.0.113.0")] = 7;
  t.ranges[ip("203.0.114.0")] = 1;
  t.ranges[ip("2001:db8::")] = 7;
  t.ranges[ip("2001:db9::")] = 1;
  t.ports[{PortSpace::kTcp, 80}] = 2;
  t.ports[{PortSpace::kTcp, 81}] = 1;
  t.otherwise[1] = 1;                                 // everybody: everything of class 1 and 2
  t.peers = {{{1, 5}, 2}, {{1, 6}, 0}, {{1, 7}, 2}};  // but: 80 only, nothing, 80 only
  t.rows = {{1, 1}, {1, 2}, {2, 2}};
  sync(isolated());
  change_to(t);
  for (const auto& [pod, web, nobody, web_range, free] :
       {std::tuple{"10.0.0.1", "10.0.0.2", "10.0.0.3", "203.0.113.1", "192.0.2.1"},
        std::tuple{"fd00::1", "fd00::2", "fd00::3", "2001:db8::1", "2001:5::1"}}) {
    SCOPED_TRACE(pod);
    for (const uint16_t port : {uint16_t{80}, uint16_t{443}}) {
      EXPECT_EQ(passes(web, pod, net::kTcp, port), port == 80);
      EXPECT_FALSE(passes(nobody, pod, net::kTcp, port));
      EXPECT_EQ(passes(web_range, pod, net::kTcp, port), port == 80);
      EXPECT_TRUE(passes(free, pod, net::kTcp, port));
    }
  }
  // The exception goes, and with it the interface's detour.
  t.peers = {{{1, kAnyone}, 2}};
  t.otherwise.clear();
  change_to(t);
  EXPECT_TRUE(passes("10.0.0.3", "10.0.0.1", net::kTcp, 80));
  EXPECT_FALSE(passes("192.0.2.1", "10.0.0.1", net::kTcp, 443));
}

TEST_F(PolicyFeaturesRootTest, WideRowsAllowIntervalsOfPorts) {
  PolicyTables t = isolated();
  t.addresses = {{ip("10.0.0.2"), 5}, {ip("fd00::2"), 5}};
  t.peers = {{{1, 5}, 1}, {{1, 1}, 2}};
  t.wide_rows = {{1, PortSpace::kTcp, 100, 200},
                 {1, PortSpace::kTcp, 60000, 65535},
                 {1, PortSpace::kUdp, 0, 99},
                 {1, PortSpace::kOther, 80, 89},
                 {2, PortSpace::kTcp, 150, 150}};
  sync(t);
  for (const int f : {0, 1}) {
    SCOPED_TRACE(kPods[f]);
    for (const auto& [port, allowed] : {std::pair<uint16_t, bool>{99, false},
                                        {100, true},
                                        {200, true},
                                        {201, false},
                                        {59999, false},
                                        {60000, true},
                                        {65535, true}})
      EXPECT_EQ(passes(kPeers[f], kPods[f], net::kTcp, port), allowed) << port;
    EXPECT_TRUE(passes(kPeers[f], kPods[f], net::kUdp, 0));
    EXPECT_FALSE(passes(kPeers[f], kPods[f], net::kUdp, 100));
    EXPECT_FALSE(passes(kPeers[f], kPods[f], net::kSctp, 100));
    EXPECT_TRUE(passes(kPeers[f], kPods[f], kOspf));
    EXPECT_TRUE(passes(kOthers[f], kPods[f], net::kTcp, 150));
    EXPECT_FALSE(passes(kOthers[f], kPods[f], net::kTcp, 151));
  }
}

TEST_F(PolicyFeaturesRootTest, OwnAddressAndSourcePortChooseTheGroup) {
  PolicyTables t = isolated();
  // Group 3: all. cali1's IPv6 address is in it, its IPv4 address for source ports from 30000 on.
  t.peers = {{{3, kAnyone}, 1}};
  t.rows = {{1, 1}};
  t.addresses[ip("fd00::1")] = 5;
  t.own_splits[{1, 5}] = 3;
  for (const PortSpace space : {PortSpace::kTcp, PortSpace::kUdp, PortSpace::kSctp}) {
    t.port_splits[{1, space, 0}] = 4;
    t.port_splits[{1, space, 30'000}] = 3;
  }
  sync(isolated());
  change_to(t);
  EXPECT_TRUE(passes("fd00::2", "fd00::1", net::kTcp));
  EXPECT_TRUE(passes("fd00::2", "fd00::1", net::kIcmpV6));
  EXPECT_FALSE(passes("10.0.0.2", "10.0.0.1", net::kIcmp));
  for (const net::Protocol protocol : {net::kTcp, net::kUdp, net::kSctp}) {
    Packet p = packet("cali2", ip("10.0.0.2"), ip("10.0.0.1"), protocol);
    for (const uint16_t port : {uint16_t{29'999}, uint16_t{30'000}}) {
      p.source_port = port;
      EXPECT_EQ(passes(p), port == 30'000) << p.to_string();
    }
  }
}

TEST_F(PolicyFeaturesRootTest, ConnectionsDoNotComeBackFromTheirMiddle) {
  PolicyTables t = isolated();
  t.peers = {{{1, kAnyone}, 1}, {{2, kAnyone}, 1}};
  t.rows = {{1, 1}};
  sync(t);
  constexpr uint8_t kSyn = 0x02, kAck = 0x10, kRst = 0x04, kFin = 0x01, kEceCwr = 0xc0;
  for (const int f : {0, 1}) {
    for (const bool outwards : {false, true}) {
      Packet p = outwards ? packet("cali1", ip(kPods[f]), ip(kPeers[f]), net::kTcp)
                          : packet("cali2", ip(kPeers[f]), ip(kPods[f]), net::kTcp);
      const auto with = [&](int flags) {
        p.tcp_flags = static_cast<uint8_t>(flags);
        auto seen = lab_->send({&p, 1});
        return seen && seen->arrived[0];
      };
      EXPECT_TRUE(with(kSyn));
      EXPECT_TRUE(with(kSyn | kEceCwr));
      EXPECT_FALSE(with(kAck));
      EXPECT_FALSE(with(kSyn | kAck));
      EXPECT_FALSE(with(kAck | kFin));
      EXPECT_FALSE(with(kRst | kAck));
    }
    Packet p = packet("cali2", ip(kPeers[f]), ip(kOthers[f]), net::kTcp);
    p.tcp_flags = kAck;
    EXPECT_TRUE(passes(p));  // not between pods without policy
  }
}

TEST_F(PolicyFeaturesRootTest, PodsTowardsTheirNode) {
  PolicyTables t = isolated();
  sync(t);
  const auto reaches = [&](const char* pod) {
    const IpAddr node = PacketLab::node_address(ip(pod).family());
    return reaches_node(packet(interface_of(ip(pod)), ip(pod), node, net::kTcp, 81));
  };
  for (const auto& [value, open] : {std::pair{1U, true}, {0U, false}, {2U, true}}) {
    t.settings[desired::Setting::kToHost] = value;
    change_to(t);
    for (const int f : {0, 1}) {
      EXPECT_EQ(reaches(kPeers[f]), open) << value;
      EXPECT_FALSE(reaches(kPods[f])) << value;  // its egress policy comes first
    }
  }
}

TEST_F(PolicyFeaturesRootTest, DeniedAndLoggedPacketsAreTold) {
  auto denied = NflogReader::open_in(lab_->node(), kDeniedGroup);
  auto logged = NflogReader::open_in(lab_->node(), kLoggedGroup);
  ASSERT_TRUE(denied) << denied.error().message;
  ASSERT_TRUE(logged) << logged.error().message;
  PolicyTables t = isolated();
  t.ports[{PortSpace::kTcp, 80}] = 2;
  t.ports[{PortSpace::kTcp, 81}] = 1;
  t.otherwise[1] = 1;
  t.rows = {{1, 2}};
  t.logged = {{1, 1}, {1, 2}};
  t.settings[desired::Setting::kToHost] = 0;
  sync(t);
  const auto index = [&](const char* interface) {
    auto shown = run_checked(
        {.argv = {"ip", "-o", "link", "show", interface}, .netns = lab_->node().fd_path()});
    return shown ? static_cast<uint32_t>(std::atoi(shown->c_str())) : 0U;
  };
  const uint32_t cali1 = index("cali1"), cali2 = index("cali2");
  const auto expect = [&](NflogReader& reader, const LogMark& mark, uint32_t in, uint32_t out,
                          const Packet& p) {
    auto messages = reader.take();
    ASSERT_TRUE(messages) << messages.error().message;
    ASSERT_EQ(messages->size(), 1u) << p.to_string();
    const NflogMessage& m = messages->front();
    EXPECT_EQ(parse_prefix(m.prefix), mark) << m.prefix;
    EXPECT_EQ(m.in, in);
    EXPECT_EQ(m.out, out);
    const auto sent = nft_testing::serialize(p, 0);
    ASSERT_GE(m.packet.size(), 24u);
    const size_t addresses = p.source.is_v4() ? 12 : 8;  // the hop count has changed
    EXPECT_TRUE(std::equal(sent.begin() + static_cast<ptrdiff_t>(addresses), sent.begin() + 24,
                           m.packet.begin() + static_cast<ptrdiff_t>(addresses)));
  };
  for (const int f : {0, 1}) {
    SCOPED_TRACE(f);
    Packet p = packet("cali2", ip(kPeers[f]), ip(kPods[f]), net::kTcp, 80);
    EXPECT_TRUE(passes(p));  // allowed and told
    expect(*logged, {LogEvent::kLogged, LogPlace::kPodIngress, LogReason::kPolicy}, cali2, cali1,
           p);
    EXPECT_TRUE(denied->take()->empty());

    p = packet("cali2", ip(kPeers[f]), ip(kPods[f]), net::kTcp, 81);
    EXPECT_FALSE(passes(p));  // told, then denied and told
    expect(*logged, {LogEvent::kLogged, LogPlace::kPodIngress, LogReason::kPolicy}, cali2, cali1,
           p);
    expect(*denied, {LogEvent::kDenied, LogPlace::kPodIngress, LogReason::kPolicy}, cali2, cali1,
           p);

    p = packet("cali1", ip(kPods[f]), ip(kPeers[f]), net::kTcp, 81);
    EXPECT_FALSE(passes(p));
    expect(*denied, {LogEvent::kDenied, LogPlace::kPodEgress, LogReason::kPolicy}, cali1, cali2, p);
    EXPECT_TRUE(logged->take()->empty());

    p = packet("cali2", ip(kOthers[f]), ip(kPods[f]), net::kTcp, 80);
    EXPECT_FALSE(passes(p));
    expect(*denied, {LogEvent::kDenied, LogPlace::kPodEgress, LogReason::kSpoofed}, cali2, 0, p);

    p = packet("cali2", ip(kPeers[f]), PacketLab::node_address(p.source.family()), net::kTcp, 80);
    EXPECT_FALSE(reaches_node(p));
    expect(*denied, {LogEvent::kDenied, LogPlace::kPodEgress, LogReason::kToHost}, cali2, 0, p);
  }
  // A flood is told as far as the rate allows.
  std::vector<Packet> flood;
  for (uint32_t i = 0; i < 3000; ++i)
    flood.push_back(packet("cali2", ip("10.0.0.2"), ip("10.0.0.1"), net::kUdp, 9));
  ASSERT_TRUE(lab_->send(flood));
  const size_t told = denied->take()->size();
  EXPECT_GT(told, 0u);
  EXPECT_LT(told, 3000u);
}

TEST(LogGroups, PrefixesSayWhatHappened) {
  for (uint8_t place = 0; place < 9; ++place)
    for (uint8_t reason = 0; reason < 5; ++reason)
      for (const LogEvent event : {LogEvent::kDenied, LogEvent::kLogged}) {
        const LogMark mark{event, static_cast<LogPlace>(place), static_cast<LogReason>(reason)};
        EXPECT_EQ(parse_prefix(to_prefix(mark)), mark);
        EXPECT_LT(to_prefix(mark).size(), 128u);
      }
  EXPECT_EQ(to_prefix({}), "caracal:denied:pod-ingress:policy");
  for (const char* text : {"", "caracal", "calico:denied:pod-ingress:policy",
                           "caracal:denied:pod-ingress:policy:x", "caracal:denied:pod:policy"})
    EXPECT_FALSE(parse_prefix(text)) << text;
}

}  // namespace
}  // namespace caracal::dataplane::nft
