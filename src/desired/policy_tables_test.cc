#include "desired/policy_tables.h"

#include <gtest/gtest.h>

#include <random>

namespace caracal::desired {
namespace {

net::IpAddr address(const char* text) { return *net::IpAddr::parse(text); }

// Small key spaces, so that two random tables share keys and differ in values.
class RandomTables {
 public:
  explicit RandomTables(uint32_t seed) : random_(seed) {}
  PolicyTables make() {
    PolicyTables t;
    for (uint32_t i = 0; i < 6; ++i) {
      const auto direction = i % 2 ? Direction::kIngress : Direction::kEgress;
      const std::string name = "if" + std::to_string(i);
      if (coin()) t.interfaces[{direction, name}] = {Disposition::kPoliced, number()};
      if (coin()) t.sources.insert({name, net::IpAddr::v4(number())});
      if (coin()) t.addresses[net::IpAddr::v4(i)] = number();
      if (coin()) t.ranges[net::IpAddr::v4(i)] = number();
      if (coin()) t.ports[{PortSpace::kUdp, static_cast<uint16_t>(i)}] = number();
      if (coin()) t.peers[{i, number()}] = number();
      if (coin()) t.rows.insert({i, number()});
      if (coin()) t.otherwise[i] = number();
      if (coin()) t.wide_rows.insert({i, PortSpace::kTcp, 1, static_cast<uint16_t>(number())});
      if (coin()) t.logged.insert({i, number()});
      if (coin()) t.refused.insert({i, number()});
      if (coin()) t.own_splits[{i, number()}] = number();
      if (coin()) t.port_splits[{i, PortSpace::kUdp, 0}] = number();
      if (coin()) t.hosts[{HostHook::kIngress, name}] = {Disposition::kPoliced, number()};
      if (coin())
        t.failsafes.insert({direction, PortSpace::kTcp, static_cast<uint16_t>(i), net::Cidr()});
      if (coin()) t.settings[Setting::kToHost] = number();
    }
    return t;
  }

 private:
  bool coin() { return random_() % 2 == 0; }
  uint32_t number() { return static_cast<uint32_t>(1 + random_() % 3); }
  std::mt19937 random_;
};

TEST(PolicyDelta, ApplyingTheDifferenceGivesTheTarget) {
  RandomTables random(1);
  for (int i = 0; i < 300; ++i) {
    const PolicyTables a = random.make();
    const PolicyTables b = random.make();
    PolicyTables c = a;
    apply(c, difference(a, b));
    EXPECT_EQ(c, b);
    EXPECT_TRUE(difference(a, a).empty());
    // Minimal: no erase and set of one key, nothing set that is there already.
    const PolicyDelta delta = difference(a, b);
    for (const auto& [key, value] : delta.addresses.set) {
      EXPECT_FALSE(delta.addresses.erase.contains(key));
      EXPECT_TRUE(!a.addresses.contains(key) || a.addresses.at(key) != value);
    }
  }
}

TEST(PolicyDelta, MergeEqualsApplyingOneAfterTheOther) {
  RandomTables random(2);
  for (int i = 0; i < 300; ++i) {
    const PolicyTables a = random.make();
    const PolicyTables b = random.make();
    const PolicyTables c = random.make();
    PolicyDelta merged = difference(a, b);
    merged.merge(difference(b, c));
    PolicyTables end = a;
    apply(end, merged);
    EXPECT_EQ(end, c);
    for (const auto& key : merged.rows.add) EXPECT_FALSE(merged.rows.erase.contains(key));
    for (const auto& [key, value] : merged.peers.set)
      EXPECT_FALSE(merged.peers.erase.contains(key));
  }
}

TEST(PolicyDelta, MergeIsAssociative) {
  RandomTables random(3);
  for (int i = 0; i < 300; ++i) {
    const PolicyTables t[] = {random.make(), random.make(), random.make(), random.make()};
    const PolicyDelta x = difference(t[0], t[1]), y = difference(t[1], t[2]),
                      z = difference(t[2], t[3]);
    PolicyDelta left = x;
    left.merge(y);
    left.merge(z);
    PolicyDelta yz = y;
    yz.merge(z);
    PolicyDelta right = x;
    right.merge(yz);
    EXPECT_EQ(left, right);
  }
}

TEST(PolicyDelta, SizeCountsEveryEntry) {
  PolicyTables a, b;
  EXPECT_EQ(difference(a, b).size(), 0u);
  EXPECT_TRUE(difference(a, b).empty());
  a.rows = {{1, 1}, {1, 2}};
  a.addresses = {{address("10.0.0.1"), 2}};
  b.rows = {{1, 2}, {1, 3}};
  b.addresses = {{address("10.0.0.1"), 3}};
  b.interfaces = {{{Direction::kIngress, "x"}, {}}};
  const PolicyDelta delta = difference(a, b);
  EXPECT_EQ(delta.size(), 4u);  // row 1,1 out; row 1,3 in; one address changed; one interface in
  EXPECT_FALSE(delta.empty());
}

class Allows : public testing::Test {
 protected:
  Allows() {
    t.interfaces[{Direction::kIngress, "p"}] = {Disposition::kPoliced, 7};
    t.interfaces[{Direction::kEgress, "p"}] = {Disposition::kOpen, 0};
    t.interfaces[{Direction::kIngress, "c"}] = {Disposition::kClosed, 0};
    t.ranges = {{address("0.0.0.0"), 1}, {address("10.0.0.0"), 2},   {address("10.0.1.0"), 1},
                {address("::"), 1},      {address("2001:db8::"), 2}, {address("2001:db9::"), 1}};
    t.addresses[address("10.0.0.9")] = 3;
    for (const PortSpace space : {PortSpace::kTcp, PortSpace::kUdp, PortSpace::kSctp}) {
      t.ports[{space, 0}] = 1;
    }
    t.ports[{PortSpace::kOther, 0}] = 9;
    t.ports[{PortSpace::kTcp, 80}] = 2;
    t.ports[{PortSpace::kTcp, 81}] = 1;
    t.peers = {{{7, kAnyone}, 1}, {{7, 2}, 2}, {{7, 3}, 3}};
    t.rows = {{1, 2}, {2, 1}, {2, 2}, {3, 2}, {3, 9}};
  }
  bool ask(const char* peer, uint16_t port, PortSpace space = PortSpace::kTcp) {
    return allows(t, Direction::kIngress, "p", address(peer), space, port);
  }
  PolicyTables t;
};

TEST_F(Allows, Disposition) {
  EXPECT_TRUE(allows(t, Direction::kEgress, "p", address("1.1.1.1"), PortSpace::kTcp, 1));
  EXPECT_FALSE(allows(t, Direction::kIngress, "c", address("1.1.1.1"), PortSpace::kTcp, 80));
  EXPECT_FALSE(allows(t, Direction::kIngress, "unknown", address("1.1.1.1"), PortSpace::kTcp, 80));
}
TEST_F(Allows, AnyoneOrTheIdentity) {
  EXPECT_TRUE(ask("1.1.1.1", 80));
  EXPECT_FALSE(ask("1.1.1.1", 79));
  EXPECT_FALSE(ask("1.1.1.1", 81));
  EXPECT_TRUE(ask("10.0.0.0", 79));
  EXPECT_TRUE(ask("10.0.0.255", 81));
  EXPECT_FALSE(ask("10.0.1.0", 81));
  EXPECT_FALSE(ask("9.255.255.255", 81));
}
TEST_F(Allows, ExactAddressGoesBeforeItsRange) {
  EXPECT_FALSE(ask("10.0.0.9", 81));
  EXPECT_TRUE(ask("10.0.0.9", 1, PortSpace::kOther));
  EXPECT_FALSE(ask("10.0.0.8", 1, PortSpace::kOther));
}
TEST_F(Allows, BothFamilies) {
  EXPECT_TRUE(ask("2001:db8::1", 81));
  EXPECT_FALSE(ask("2001:db9::", 81));
  EXPECT_FALSE(ask("::", 81));
}
// Group 7 as above, by everything a pod's tables have.
class Decide : public Allows {
 protected:
  Decision pod(const char* peer, uint16_t port, uint16_t source_port = 999,
               PortSpace space = PortSpace::kTcp, const char* own = "10.0.9.9") {
    return decide(t, Direction::kIngress, "p",
                  {address(peer), address(own), space, port, source_port});
  }
  static constexpr TableVerdict kYes = TableVerdict::kAllowed, kNo = TableVerdict::kDenied,
                                kOpen = TableVerdict::kUndecided;
};
TEST_F(Decide, OtherwiseAndRowZero) {
  t.peers = {{{7, 2}, 0}, {{7, 3}, 3}};
  t.otherwise[7] = 1;
  EXPECT_EQ(pod("1.1.1.1", 80).verdict, kYes);  // by otherwise
  EXPECT_EQ(pod("1.1.1.1", 81).verdict, kNo);
  EXPECT_EQ(pod("10.0.0.1", 80).verdict, kNo);   // row 0
  EXPECT_EQ(pod("10.0.0.9", 80).verdict, kYes);  // a row of its own
}
TEST_F(Decide, WideRowsHoldWhatTheirIntervalsHold) {
  t.wide_rows = {{2, PortSpace::kUdp, 100, 200},
                 {2, PortSpace::kUdp, 300, 300},
                 {2, PortSpace::kSctp, 0, 65535},
                 {1, PortSpace::kUdp, 5, 5}};
  for (const uint16_t port : {uint16_t{5}, uint16_t{100}})  // identity 1: the row of anyone only
    EXPECT_EQ(pod("10.0.1.0", port, 1, PortSpace::kUdp).verdict, port == 5 ? kYes : kNo) << port;
  t.rows.erase({2, 1});
  for (const auto& [port, yes] : {std::pair<uint16_t, bool>{99, false},
                                  {100, true},
                                  {200, true},
                                  {201, false},
                                  {300, true},
                                  {301, false}})
    EXPECT_EQ(pod("10.0.0.1", port, 1, PortSpace::kUdp).verdict, yes ? kYes : kNo) << port;
  EXPECT_EQ(pod("10.0.0.1", 65535, 1, PortSpace::kSctp).verdict, kYes);
}
TEST_F(Decide, LoggedIsToldWhateverTheVerdict) {
  t.logged = {{2, 1}, {3, 1}};
  const Decision yes = pod("10.0.0.1", 79), no = pod("10.0.0.9", 79), quiet = pod("10.0.0.9", 80);
  EXPECT_TRUE(yes.logged && yes.verdict == kYes);
  EXPECT_TRUE(no.logged && no.verdict == kNo);
  EXPECT_TRUE(!quiet.logged && quiet.verdict == kYes);
}
TEST_F(Decide, OwnAddressThenSourcePortChooseTheGroup) {
  t.addresses[address("10.0.9.9")] = 9;
  t.own_splits[{7, 9}] = 8;
  t.port_splits = {{{8, PortSpace::kTcp, 0}, 9},
                   {{8, PortSpace::kTcp, 1000}, 10},
                   {{7, PortSpace::kTcp, 0}, 10}};
  t.peers[{10, kAnyone}] = 2;
  EXPECT_EQ(pod("1.1.1.1", 5, 999).verdict, kNo);
  EXPECT_EQ(pod("1.1.1.1", 5, 1000).verdict, kYes);
  EXPECT_EQ(pod("1.1.1.1", 5, 1, PortSpace::kTcp, "10.0.9.8").verdict, kYes);  // 7 -> 10
  EXPECT_EQ(pod("1.1.1.1", 80, 1000, PortSpace::kUdp).verdict, kNo);           // 8: no UDP split
}
TEST_F(Decide, HostHooksGoOnOrDeny) {
  t.hosts = {{{HostHook::kIngress, "eth0"}, {Disposition::kPoliced, 7}},
             {{HostHook::kIngress, "*"}, {Disposition::kClosed, 0}},
             {{HostHook::kPreDnat, "*"}, {Disposition::kPoliced, 7}}};
  const auto host = [&](HostHook hook, const char* interface, const char* peer, uint16_t port) {
    return decide(t, hook, interface, {address(peer), {}, PortSpace::kTcp, port, uint16_t{22}})
        .verdict;
  };
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 80), kYes);
  EXPECT_EQ(host(HostHook::kIngress, "eth0", "1.1.1.1", 81), kNo);
  EXPECT_EQ(host(HostHook::kIngress, "eth1", "1.1.1.1", 80), kNo);
  EXPECT_EQ(host(HostHook::kIngress, "lo", "1.1.1.1", 80), kOpen);
  EXPECT_EQ(host(HostHook::kEgress, "eth0", "1.1.1.1", 80), kOpen);
  EXPECT_EQ(host(HostHook::kPreDnat, "eth0", "1.1.1.1", 80), kYes);
  EXPECT_EQ(host(HostHook::kPreDnat, "eth0", "10.0.0.9", 81), kOpen);
  t.refused.insert({3, 1});
  EXPECT_EQ(host(HostHook::kPreDnat, "eth0", "10.0.0.9", 81), kNo);
}
TEST_F(Decide, FailsafesHoldForTheirNetsAndForAnswersWhereNothingTracks) {
  for (const HostHook hook : {HostHook::kIngress, HostHook::kForwardIngress,
                              HostHook::kUntrackedIngress, HostHook::kUntrackedEgress})
    t.hosts[{hook, "eth0"}] = {Disposition::kClosed, 0};
  t.failsafes = {{Direction::kIngress, PortSpace::kTcp, 22, *net::Cidr::parse("10.0.0.0/8")}};
  const auto host = [&](HostHook hook, const char* peer, uint16_t port, uint16_t source_port) {
    return decide(t, hook, "eth0", {address(peer), {}, PortSpace::kTcp, port, source_port}).verdict;
  };
  EXPECT_EQ(host(HostHook::kIngress, "10.1.1.1", 22, 1), kYes);
  EXPECT_EQ(host(HostHook::kIngress, "11.1.1.1", 22, 1), kNo);
  EXPECT_EQ(host(HostHook::kIngress, "10.1.1.1", 23, 1), kNo);
  EXPECT_EQ(host(HostHook::kForwardIngress, "10.1.1.1", 22, 1), kNo);
  EXPECT_EQ(host(HostHook::kUntrackedIngress, "10.1.1.1", 22, 1), kYes);
  EXPECT_EQ(host(HostHook::kUntrackedEgress, "10.1.1.1", 1, 22), kYes);
  EXPECT_EQ(host(HostHook::kUntrackedEgress, "10.1.1.1", 22, 1), kNo);
  EXPECT_EQ(host(HostHook::kUntrackedIngress, "10.1.1.1", 1, 22), kNo);
}

TEST_F(Allows, NothingFallsThroughHolesOfBrokenTables) {
  t.ranges.erase(address("::"));
  t.ranges.erase(address("2001:db8::"));
  t.ports.erase({PortSpace::kUdp, 0});
  EXPECT_FALSE(ask("2001:db8::1", 81));  // no IPv6 interval before it: not the last IPv4 one
  EXPECT_FALSE(ask("10.0.0.1", 5, PortSpace::kUdp));  // not the last TCP class
}

}  // namespace
}  // namespace caracal::desired
