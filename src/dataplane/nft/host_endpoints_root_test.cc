// Packets against host endpoints: each hook, failsafes, what an earlier hook allows to later ones.
#include "dataplane/nft/testing/policy_fixture.h"

namespace caracal::dataplane::nft {
namespace {

using desired::HostHook;

constexpr const char* kUplink = "up0";
// Of the tables below: rows, port classes.
constexpr uint32_t kAll = 1, kNone = 2, kWeb = 3, kRefusal = 4;
constexpr uint32_t kPlainClass = 1, kWebClass = 2;

class HostEndpointsRootTest : public PolicyPackets {
 protected:
  // Groups: 11 allows nothing, 12 allows all, 13 allows port 80 from 203.0.113.0/24 and
  // 2001:db8::/32, 14 refuses port 80 from there. Pods are open.
  static PolicyTables tables() {
    PolicyTables t = isolated();
    for (auto& [key, policy] : t.interfaces) policy = {Disposition::kOpen, 0};
    t.ranges[ip("203.0.113.0")] = 2;
    t.ranges[ip("203.0.114.0")] = 1;
    t.ranges[ip("2001:db8::")] = 2;
    t.ranges[ip("2001:db9::")] = 1;
    for (const PortSpace space : {PortSpace::kTcp, PortSpace::kUdp}) {
      t.ports[{space, 80}] = kWebClass;
      t.ports[{space, 81}] = kPlainClass;
    }
    t.rows = {{kAll, kPlainClass}, {kAll, kWebClass}, {kWeb, kWebClass}};
    t.refused = {{kRefusal, kWebClass}};
    t.peers = {
        {{11, 2}, kNone}, {{12, desired::kAnyone}, kAll}, {{13, 2}, kWeb}, {{14, 2}, kRefusal}};
    return t;
  }
  static desired::InterfacePolicy group(uint32_t number) { return {Disposition::kPoliced, number}; }
  static void failsafe(PolicyTables& t, Direction d, PortSpace space, uint16_t port,
                       const char* v4 = "0.0.0.0/0", const char* v6 = "::/0") {
    for (const char* net : {v4, v6}) t.failsafes.insert({d, space, port, *net::Cidr::parse(net)});
  }
  struct Ends {
    const char *friendly, *stranger, *node, *pod;
  };
  static constexpr Ends kBoth[] = {{"203.0.113.7", "192.0.2.7", "198.18.0.1", "10.0.0.2"},
                                   {"2001:db8::7", "2001:5::7", "2001:2::1", "fd00::2"}};
  // Does the node's stack see a TCP packet from outside?
  bool in(const char* from, const char* node, uint16_t port) {
    return reaches_node(packet("outside", ip(from), ip(node), net::kTcp, port));
  }
  bool out(const char* node, const char* to, net::Protocol protocol, uint16_t port) {
    return passes(packet("node", ip(node), ip(to), protocol, port));
  }
  bool forwarded(const char* from, const char* to, uint16_t port) {
    return passes(packet(interface_of(ip(from)), ip(from), ip(to), net::kTcp, port));
  }
};

TEST_F(HostEndpointsRootTest, IngressOfNamedInterfaceAndItsFailsafes) {
  PolicyTables t = tables();
  sync(t);
  for (const Ends& e : kBoth) EXPECT_TRUE(in(e.stranger, e.node, 81)) << e.node;
  t.hosts[{HostHook::kIngress, kUplink}] = group(13);
  failsafe(t, Direction::kIngress, PortSpace::kTcp, 22);
  failsafe(t, Direction::kIngress, PortSpace::kTcp, 23, "203.0.113.0/25", "2001:db8::/64");
  change_to(t);
  for (const Ends& e : kBoth) {
    SCOPED_TRACE(e.node);
    EXPECT_TRUE(in(e.friendly, e.node, 80));  // the answer passes as well
    EXPECT_FALSE(in(e.friendly, e.node, 81));
    EXPECT_FALSE(in(e.stranger, e.node, 80));
    EXPECT_TRUE(in(e.stranger, e.node, 22));
    EXPECT_TRUE(in(e.friendly, e.node, 23));
    EXPECT_FALSE(in(e.stranger, e.node, 23));
    // Others are not concerned: forwarded packets, pods to their node, the node to the world.
    EXPECT_TRUE(forwarded(e.stranger, e.pod, 81));
    EXPECT_TRUE(reaches_node(packet("cali2", ip(e.pod), ip(e.node), net::kTcp, 81)));
    EXPECT_TRUE(out(e.node, e.stranger, net::kTcp, 81));
  }
  t.hosts[{HostHook::kIngress, kUplink}] = {Disposition::kClosed, 0};
  change_to(t);
  for (const Ends& e : kBoth) {
    EXPECT_FALSE(in(e.friendly, e.node, 80));
    EXPECT_TRUE(in(e.friendly, e.node, 22));
  }
  t.hosts.clear();
  change_to(t);
  for (const Ends& e : kBoth) EXPECT_TRUE(in(e.stranger, e.node, 81)) << e.node;
}

TEST_F(HostEndpointsRootTest, EveryInterfaceUnlessItHasAnEntryOfItsOwn) {
  PolicyTables t = tables();
  t.hosts[{HostHook::kIngress, "*"}] = group(13);
  t.hosts[{HostHook::kIngress, "eth7"}] = group(12);
  sync(t);
  for (const Ends& e : kBoth) {
    SCOPED_TRACE(e.node);
    EXPECT_TRUE(in(e.friendly, e.node, 80));
    EXPECT_FALSE(in(e.stranger, e.node, 80));
    // Pods' interfaces and the node's own talk are not among them.
    EXPECT_TRUE(reaches_node(packet("cali2", ip(e.pod), ip(e.node), net::kTcp, 81)));
  }
  auto self = run_checked(
      {.argv = {"bash", "-c", "ip link set lo up; exec 3<>/dev/tcp/127.0.0.1/9 || echo no"},
       .netns = lab_->node().fd_path()});
  ASSERT_TRUE(self);
  EXPECT_EQ(*self, "no\n");  // refused by the stack, not lost
  t.hosts[{HostHook::kIngress, kUplink}] = group(12);
  change_to(t);
  for (const Ends& e : kBoth) EXPECT_TRUE(in(e.stranger, e.node, 81)) << e.node;
}

TEST_F(HostEndpointsRootTest, EgressIsJudgedByTheDestinationAfterNat) {
  PolicyTables t = tables();
  t.hosts[{HostHook::kEgress, kUplink}] = group(13);
  failsafe(t, Direction::kEgress, PortSpace::kUdp, 53);
  failsafe(t, Direction::kEgress, PortSpace::kOther, kOspf.number, "192.0.2.0/24", "2001:5::/32");
  sync(t);
  for (const Ends& e : kBoth) {
    SCOPED_TRACE(e.node);
    EXPECT_TRUE(out(e.node, e.friendly, net::kTcp, 80));
    EXPECT_FALSE(out(e.node, e.friendly, net::kTcp, 81));
    EXPECT_FALSE(out(e.node, e.stranger, net::kUdp, 80));
    EXPECT_TRUE(out(e.node, e.stranger, net::kUdp, 53));
    EXPECT_TRUE(out(e.node, e.stranger, kOspf, 0));
    EXPECT_FALSE(out(e.node, e.friendly, kOspf, 0));
    EXPECT_TRUE(out(e.node, e.pod, net::kTcp, 81));  // the node reaches its pods
    EXPECT_TRUE(forwarded(e.pod, e.stranger, 81));
    EXPECT_TRUE(in(e.stranger, e.node, 81));  // the answer belongs to a connection
  }
  nft("table ip service { chain out { type nat hook output priority -100;"
      "ip daddr 10.96.0.1 dnat to 203.0.113.7; ip daddr 10.96.0.2 dnat to 192.0.2.7; }; }\n"
      "table ip6 service { chain out { type nat hook output priority -100;"
      "ip6 daddr fd96::1 dnat to 2001:db8::7; ip6 daddr fd96::2 dnat to 2001:5::7; }; }");
  for (const auto& [node, good, bad] : {std::tuple{"198.18.0.1", "10.96.0.1", "10.96.0.2"},
                                        std::tuple{"2001:2::1", "fd96::1", "fd96::2"}}) {
    EXPECT_TRUE(out(node, good, net::kTcp, 80));
    EXPECT_FALSE(out(node, bad, net::kTcp, 80));
    EXPECT_FALSE(out(node, good, net::kTcp, 81));
  }
}

TEST_F(HostEndpointsRootTest, ForwardedTrafficHasHooksOfItsOwnAndNoFailsafes) {
  PolicyTables t = tables();
  failsafe(t, Direction::kIngress, PortSpace::kTcp, 22);
  t.hosts[{HostHook::kForwardIngress, kUplink}] = group(13);
  sync(t);
  for (const Ends& e : kBoth) {
    SCOPED_TRACE(e.node);
    EXPECT_TRUE(forwarded(e.friendly, e.pod, 80));
    EXPECT_FALSE(forwarded(e.friendly, e.pod, 22));
    EXPECT_FALSE(forwarded(e.stranger, e.pod, 80));
    EXPECT_TRUE(forwarded(e.pod, e.stranger, 80));
    EXPECT_TRUE(in(e.stranger, e.node, 81));
  }
  t.hosts = {{{HostHook::kForwardEgress, "*"}, group(13)}};
  // Pods' rules hold behind it.
  t.interfaces[{Direction::kIngress, "cali2"}] = group(13);
  change_to(t);
  for (const Ends& e : kBoth) {
    SCOPED_TRACE(e.node);
    EXPECT_TRUE(forwarded(e.pod, e.friendly, 80));
    EXPECT_FALSE(forwarded(e.pod, e.stranger, 80));
    EXPECT_TRUE(forwarded(e.friendly, e.pod, 80));
    EXPECT_FALSE(forwarded(e.stranger, e.pod, 80));
    EXPECT_TRUE(out(e.node, e.stranger, net::kTcp, 81));
  }
}

TEST_F(HostEndpointsRootTest, PreDnatSeesTheFirstDestinationAndSpeaksForLaterHooks) {
  PolicyTables t = tables();
  t.ports[{PortSpace::kTcp, 30080}] = kWebClass;
  t.ports[{PortSpace::kTcp, 30081}] = kPlainClass;
  for (const HostHook hook : {HostHook::kIngress, HostHook::kForwardIngress})
    t.hosts[{hook, kUplink}] = group(11);
  failsafe(t, Direction::kIngress, PortSpace::kTcp, 22);
  sync(t);
  nft("table ip service { chain pre { type nat hook prerouting priority -100;"
      "ip daddr 198.18.0.1 tcp dport {30080, 30081} dnat to 10.0.0.2:8080; }; }\n"
      "table ip6 service { chain pre { type nat hook prerouting priority -100;"
      "ip6 daddr 2001:2::1 tcp dport {30080, 30081} dnat to [fd00::2]:8080; }; }");
  const auto through = [&](const char* from, const Ends& e, uint16_t port) {
    const Packet p = packet("outside", ip(from), ip(e.node), net::kTcp, port);
    auto seen = lab_->send({&p, 1});
    EXPECT_TRUE(seen);
    return seen && seen->elsewhere[0];
  };
  for (const Ends& e : kBoth) EXPECT_FALSE(through(e.friendly, e, 30080)) << e.node;
  t.hosts[{HostHook::kPreDnat, kUplink}] = group(13);
  change_to(t);
  for (const Ends& e : kBoth) {
    SCOPED_TRACE(e.node);
    EXPECT_TRUE(through(e.friendly, e, 30080));
    EXPECT_FALSE(through(e.friendly, e, 30081));  // undecided there, denied by forward
    EXPECT_FALSE(through(e.stranger, e, 30080));
    EXPECT_TRUE(in(e.friendly, e.node, 80));  // also what stays on the host
    EXPECT_TRUE(in(e.stranger, e.node, 22));
  }
  t.hosts[{HostHook::kPreDnat, kUplink}] = group(14);
  t.hosts.erase({HostHook::kIngress, kUplink});
  t.hosts.erase({HostHook::kForwardIngress, kUplink});
  change_to(t);
  for (const Ends& e : kBoth) {
    SCOPED_TRACE(e.node);
    EXPECT_FALSE(through(e.friendly, e, 30080));  // refused
    EXPECT_TRUE(through(e.friendly, e, 30081));   // undecided goes on, and nobody denies
    EXPECT_TRUE(through(e.stranger, e, 30080));
  }
}

TEST_F(HostEndpointsRootTest, UntrackedIsDecidedBeforeTrackingAndAcceptedLater) {
  PolicyTables t = tables();
  t.hosts[{HostHook::kUntrackedIngress, kUplink}] = group(13);
  t.hosts[{HostHook::kUntrackedEgress, kUplink}] = group(12);
  t.hosts[{HostHook::kIngress, kUplink}] = group(11);
  t.hosts[{HostHook::kEgress, kUplink}] = group(11);
  t.hosts[{HostHook::kPreDnat, kUplink}] = group(14);
  failsafe(t, Direction::kIngress, PortSpace::kTcp, 22);
  sync(t);
  for (const Ends& e : kBoth) {
    SCOPED_TRACE(e.node);
    EXPECT_TRUE(in(e.friendly, e.node, 80));
    EXPECT_FALSE(in(e.friendly, e.node, 81));
    EXPECT_FALSE(in(e.stranger, e.node, 80));
    EXPECT_TRUE(out(e.node, e.stranger, net::kTcp, 81));
    EXPECT_TRUE(in(e.stranger, e.node, 22));
  }
  // What somebody else leaves untracked gets no further by that.
  nft("table inet others { chain raw { type filter hook prerouting priority -310; notrack; }; }");
  for (const Ends& e : kBoth) {
    EXPECT_FALSE(in(e.stranger, e.node, 80)) << e.node;
    EXPECT_TRUE(in(e.friendly, e.node, 80)) << e.node;
  }
  nft("delete table inet others");
  // Refused in raw: nothing later is asked. Answers of failsafes are not meant.
  t.hosts = {{{HostHook::kUntrackedIngress, kUplink}, group(14)},
             {{HostHook::kUntrackedEgress, kUplink}, {Disposition::kClosed, 0}}};
  change_to(t);
  for (const Ends& e : kBoth) {
    SCOPED_TRACE(e.node);
    EXPECT_FALSE(in(e.friendly, e.node, 80));
    EXPECT_FALSE(in(e.friendly, e.node, 81));  // gets in, but the answer does not get out
    EXPECT_TRUE(in(e.friendly, e.node, 22));
    EXPECT_FALSE(out(e.node, e.friendly, net::kTcp, 81));
  }
}

}  // namespace
}  // namespace caracal::dataplane::nft
