#include "dataplane/conntrack/judge.h"

#include <gtest/gtest.h>

#include <random>

namespace caracal::dataplane::conntrack {
namespace {

using desired::Direction;
using desired::Disposition;
using desired::PolicyDelta;
using desired::PolicyTables;
using desired::PortSpace;
using net::IpAddr;

IpAddr ip(const char* text) { return *IpAddr::parse(text); }

constexpr const char* kA = "cali0";
constexpr const char* kB = "cali1";

// Two pods of this node, 10.0.0.1 on cali0 and 10.0.0.2 (and fd00::2) on cali1. cali1's ingress is
// policed by group 1; identity 2 is cali0's address. Port class 2 is TCP 80.
PolicyTables two_pods() {
  PolicyTables t;
  for (const auto direction : {Direction::kIngress, Direction::kEgress}) {
    t.interfaces[{direction, kA}] = {Disposition::kOpen, 0};
    t.interfaces[{direction, kB}] = {Disposition::kOpen, 0};
  }
  t.interfaces[{Direction::kIngress, kB}] = {Disposition::kPoliced, 1};
  t.sources = {{kA, ip("10.0.0.1")}, {kB, ip("10.0.0.2")}, {kB, ip("fd00::2")}};
  t.addresses = {{ip("10.0.0.1"), 2}};
  t.ranges = {{ip("0.0.0.0"), 1}, {ip("::"), 1}};
  for (const PortSpace space : desired::kPortSpaces) t.ports[{space, 0}] = 1;
  t.ports[{PortSpace::kTcp, 80}] = 2;
  t.ports[{PortSpace::kTcp, 81}] = 1;
  t.peers[{1, 2}] = 5;
  t.rows = {{5, 2}};
  return t;
}

Connection tcp(const char* source, const char* destination, uint16_t port,
               const char* backend = nullptr) {
  Connection out;
  out.original = {ip(source), ip(destination), net::kTcp, 40000, port, 0, 0, 0};
  out.reply = {
      ip(backend == nullptr ? destination : backend), ip(source), net::kTcp, port, 40000, 0, 0, 0};
  return out;
}

Judgement judge(const PolicyTables& tables, const Connection& connection) {
  return conntrack::judge(tables, ends_of(tables), connection);
}

TEST(Judge, EachPodEndByItsOwnPolicy) {
  PolicyTables t = two_pods();
  EXPECT_EQ(judge(t, tcp("10.0.0.1", "10.0.0.2", 80)), Judgement::kStays);
  EXPECT_EQ(judge(t, tcp("10.0.0.1", "10.0.0.2", 81)), Judgement::kIngress);
  EXPECT_EQ(judge(t, tcp("10.9.9.9", "10.0.0.2", 80)), Judgement::kIngress) << "another peer";
  EXPECT_EQ(judge(t, tcp("10.0.0.2", "10.9.9.9", 1)), Judgement::kStays) << "its egress is open";
  t.interfaces[{Direction::kEgress, kA}] = {Disposition::kClosed, 0};
  EXPECT_EQ(judge(t, tcp("10.0.0.1", "10.0.0.2", 80)), Judgement::kEgress);
  EXPECT_EQ(judge(t, tcp("10.9.9.9", "10.0.0.1", 80)), Judgement::kStays);
}

TEST(Judge, BehindDestinationNatAndBeforeSourceNat) {
  const PolicyTables t = two_pods();
  EXPECT_EQ(judge(t, tcp("10.0.0.1", "10.96.0.1", 80, "10.0.0.2")), Judgement::kStays);
  Connection service = tcp("10.0.0.1", "10.96.0.1", 80, "10.0.0.2");
  service.reply.source_port = 8080;  // the service's port 80 leads to 8080
  EXPECT_EQ(judge(t, service), Judgement::kIngress);
  Connection masqueraded = tcp("10.0.0.1", "10.0.0.2", 80);
  masqueraded.reply.destination = ip("192.0.2.1");
  EXPECT_EQ(judge(t, masqueraded), Judgement::kStays);
}

TEST(Judge, WhatNobodyHereMayJudgeStays) {
  PolicyTables t = two_pods();
  t.interfaces[{Direction::kIngress, kB}] = {Disposition::kClosed, 0};
  t.interfaces[{Direction::kEgress, kB}] = {Disposition::kClosed, 0};
  EXPECT_EQ(judge(t, tcp("10.0.0.2", "10.0.0.2", 80)), Judgement::kStays) << "a pod to itself";
  EXPECT_EQ(judge(t, tcp("10.0.0.2", "10.96.0.1", 80, "10.0.0.2")), Judgement::kStays);
  EXPECT_EQ(judge(t, tcp("10.8.0.1", "10.9.9.9", 80)), Judgement::kStays) << "no pod of this node";
  EXPECT_FALSE(ends_of(t).concern(tcp("10.8.0.1", "10.9.9.9", 80)));
  Connection data = tcp("10.0.0.1", "10.0.0.2", 20);
  data.expected = true;
  EXPECT_EQ(judge(t, data), Judgement::kStays);

  Ends ends = ends_of(t);
  ends.host.insert(ip("192.0.2.1"));
  EXPECT_EQ(conntrack::judge(t, ends, tcp("192.0.2.1", "10.0.0.2", 80)), Judgement::kStays)
      << "the node to its own pod";
  EXPECT_EQ(conntrack::judge(t, ends, tcp("10.0.0.2", "192.0.2.1", 80)), Judgement::kEgress);
  EXPECT_EQ(conntrack::judge(t, ends, tcp("10.0.0.1", "192.0.2.1", 80)), Judgement::kStays);
  t.settings[desired::Setting::kToHost] = 0;
  EXPECT_EQ(conntrack::judge(t, ends, tcp("10.0.0.1", "192.0.2.1", 80)), Judgement::kEgress);
}

TEST(Judge, AnAddressWhosePodHasGone) {
  PolicyTables t = two_pods();
  Ends ends = ends_of(t);
  ends.released.insert(ip("10.0.0.7"));
  EXPECT_TRUE(ends.concern(tcp("10.0.0.7", "10.9.9.9", 80)));
  EXPECT_EQ(conntrack::judge(t, ends, tcp("10.0.0.7", "10.9.9.9", 80)), Judgement::kReleased);
  EXPECT_EQ(conntrack::judge(t, ends, tcp("10.0.0.1", "10.0.0.7", 80)), Judgement::kReleased);
  ends.pods[ip("10.0.0.7")] = kA;  // given to a new pod meanwhile: its policy decides
  EXPECT_EQ(conntrack::judge(t, ends, tcp("10.0.0.7", "10.9.9.9", 80)), Judgement::kStays);
}

TEST(Judge, MessagesOfIcmpAndSourcePorts) {
  PolicyTables t = two_pods();
  t.ports[{PortSpace::kIcmp, 8 * 256}] = 3;
  t.ports[{PortSpace::kIcmp, 8 * 256 + 1}] = 1;
  Connection ping = tcp("10.0.0.1", "10.0.0.2", 0);
  ping.original.protocol = ping.reply.protocol = net::kIcmp;
  ping.original.source_port = ping.reply.destination_port = 0;
  ping.original.icmp_type = 8;
  EXPECT_EQ(judge(t, ping), Judgement::kIngress);
  t.rows.insert({5, 3});
  EXPECT_EQ(judge(t, ping), Judgement::kStays);
  // Only source ports from 50000 on lead to a group that allows.
  t.peers = {{{2, 2}, 5}};
  for (const auto space : {PortSpace::kTcp, PortSpace::kUdp, PortSpace::kSctp}) {
    t.port_splits[{1, space, 0}] = 1;
    t.port_splits[{1, space, 50000}] = 2;
  }
  Connection one = tcp("10.0.0.1", "10.0.0.2", 80);
  EXPECT_EQ(judge(t, one), Judgement::kIngress);
  one.original.source_port = one.reply.destination_port = 50001;
  EXPECT_EQ(judge(t, one), Judgement::kStays);
}

TEST(TakesAway, WhatOnlyAddsNeedsNoLook) {
  const PolicyTables t = two_pods();
  PolicyDelta pod;  // a pod comes to this node
  pod.interfaces.set[{Direction::kIngress, "cali2"}] = {Disposition::kPoliced, 1};
  pod.sources.add.insert({"cali2", ip("10.0.0.3")});
  pod.addresses.set[ip("10.0.0.3")] = 2;
  EXPECT_FALSE(takes_away(t, pod));
  PolicyDelta rule;  // a policy allows another port class, and another peer
  rule.rows.add = {{5, 1}, {6, 2}};
  rule.peers.set[{1, 3}] = 6;
  rule.addresses.set[ip("10.0.0.9")] = 3;
  EXPECT_FALSE(takes_away(t, rule));
  PolicyDelta open;
  open.interfaces.set[{Direction::kIngress, kB}] = {Disposition::kOpen, 0};
  EXPECT_FALSE(takes_away(t, open));
}

TEST(TakesAway, WhatMayForbid) {
  PolicyTables t = two_pods();
  PolicyDelta relabelled;  // the peer's address gets an identity that may do nothing here
  relabelled.addresses.set[ip("10.0.0.1")] = 3;
  EXPECT_TRUE(takes_away(t, relabelled));
  PolicyDelta gone;
  gone.addresses.erase.insert(ip("10.0.0.1"));
  EXPECT_TRUE(takes_away(t, gone));
  PolicyDelta isolated;
  isolated.interfaces.set[{Direction::kEgress, kA}] = {Disposition::kPoliced, 7};
  EXPECT_TRUE(takes_away(t, isolated));
  PolicyDelta row;
  row.rows.erase.insert({5, 2});
  EXPECT_TRUE(takes_away(t, row));
  PolicyDelta left;
  left.sources.erase.insert({kA, ip("10.0.0.1")});
  EXPECT_TRUE(takes_away(t, left));
  t.otherwise[1] = 5;
  PolicyDelta excepted;  // one identity may less than all others
  excepted.peers.set[{1, 4}] = 0;
  EXPECT_TRUE(takes_away(t, excepted));
}

// Random changes of small random tables: whenever something allowed is allowed no more, the test
// says so.
TEST(TakesAway, NeverMissesALoss) {
  std::mt19937 random(20240229);
  const auto number = [&](uint32_t limit) {
    return std::uniform_int_distribution<uint32_t>(0, limit - 1)(random);
  };
  const std::vector<IpAddr> addresses = {ip("10.0.0.1"), ip("10.0.0.2"), ip("10.1.0.1"),
                                         ip("fd00::1")};
  const std::vector<uint16_t> ports = {1, 80, 443};
  const auto mutate = [&](PolicyTables& t) {
    const auto interface = "cali" + std::to_string(number(2));
    switch (number(8)) {
      case 0:
        t.interfaces[{Direction::kIngress, interface}] = {
            number(4) == 0 ? Disposition::kOpen : Disposition::kPoliced, 1 + number(2)};
        break;
      case 1:
        t.addresses[addresses[number(4)]] = 1 + number(3);
        break;
      case 2:
        t.addresses.erase(addresses[number(4)]);
        break;
      case 3:
        t.peers[{1 + number(2), number(4)}] = number(4);
        break;
      case 4:
        t.peers.erase({1 + number(2), number(4)});
        break;
      case 5:
        t.rows.insert({1 + number(3), 1 + number(3)});
        break;
      case 6:
        t.rows.erase({1 + number(3), 1 + number(3)});
        break;
      default:
        if (number(2) == 0) {
          t.otherwise[1 + number(2)] = 1 + number(3);
        } else {
          t.otherwise.erase(1 + number(2));
        }
    }
  };
  int losses = 0;
  int quiet = 0;
  for (int round = 0; round < 20'000; ++round) {
    PolicyTables before;
    before.ranges = {{ip("0.0.0.0"), 1}, {ip("10.0.0.0"), 2}, {ip("10.1.0.0"), 1}, {ip("::"), 1}};
    for (const PortSpace space : desired::kPortSpaces) before.ports[{space, 0}] = 1;
    before.ports[{PortSpace::kTcp, 80}] = 2;
    before.ports[{PortSpace::kTcp, 443}] = 3;
    for (int i = 0; i < 12; ++i) mutate(before);
    PolicyTables after = before;
    for (uint32_t i = 0; i <= number(3); ++i) mutate(after);
    bool lost = false;
    for (const char* interface : {kA, kB}) {
      if (!before.interfaces.contains({Direction::kIngress, interface})) continue;
      for (const IpAddr& peer : addresses) {
        for (const uint16_t port : ports) {
          lost = lost ||
                 (allows(before, Direction::kIngress, interface, peer, PortSpace::kTcp, port) &&
                  !allows(after, Direction::kIngress, interface, peer, PortSpace::kTcp, port));
        }
      }
    }
    const bool told = takes_away(before, desired::difference(before, after));
    ASSERT_TRUE(told || !lost) << "round " << round;
    losses += lost ? 1 : 0;
    quiet += told ? 0 : 1;
  }
  EXPECT_GT(losses, 500);
  EXPECT_GT(quiet, 2000) << "a test that always says yes is none";
}

}  // namespace
}  // namespace caracal::dataplane::conntrack
