// Packets against the driver's ruleset in the real kernel: who gets through, and what the others
// notice.
#include "dataplane/nft/testing/policy_fixture.h"

namespace caracal::dataplane::nft {
namespace {

using PolicyPacketsRootTest = PolicyPackets;

TEST_F(PolicyPacketsRootTest, EverythingPassesWithoutTheTable) {
  for (const net::Protocol p : {net::kTcp, net::kUdp, net::kSctp, net::kIcmp, kOspf}) {
    EXPECT_TRUE(passes("10.0.0.2", "10.0.0.1", p)) << p.to_string();
    EXPECT_TRUE(passes("203.0.113.9", "10.0.0.1", p)) << p.to_string();
    EXPECT_TRUE(passes("10.0.0.1", "203.0.113.9", p)) << p.to_string();
  }
  for (const net::Protocol p : {net::kTcp, net::kUdp, net::kSctp, net::kIcmpV6, kOspf}) {
    EXPECT_TRUE(passes("fd00::2", "fd00::1", p)) << p.to_string();
    EXPECT_TRUE(passes("2001:db8::9", "fd00::1", p)) << p.to_string();
    EXPECT_TRUE(passes("fd00::1", "2001:db8::9", p)) << p.to_string();
  }
}

TEST_F(PolicyPacketsRootTest, IsolatedPodIsSilentAndItsNeighboursAreNot) {
  sync(isolated());
  for (const net::Protocol p : {net::kTcp, net::kUdp, net::kSctp, net::kIcmp, kOspf}) {
    SCOPED_TRACE(p.to_string());
    EXPECT_FALSE(passes("10.0.0.2", "10.0.0.1", p));
    EXPECT_FALSE(passes("10.0.0.1", "10.0.0.2", p));
    EXPECT_FALSE(passes("203.0.113.9", "10.0.0.1", p));
    EXPECT_TRUE(passes("10.0.0.2", "10.0.0.3", p));
    EXPECT_TRUE(passes("203.0.113.9", "10.0.0.2", p));
  }
  for (const net::Protocol p : {net::kTcp, net::kUdp, net::kSctp, net::kIcmpV6, kOspf}) {
    SCOPED_TRACE(p.to_string());
    EXPECT_FALSE(passes("fd00::2", "fd00::1", p));
    EXPECT_FALSE(passes("fd00::1", "fd00::2", p));
    EXPECT_FALSE(passes("2001:db8::9", "fd00::1", p));
    EXPECT_TRUE(passes("fd00::2", "fd00::3", p));
    EXPECT_TRUE(passes("2001:db8::9", "fd00::2", p));
  }
}

TEST_F(PolicyPacketsRootTest, IdentityRangeAndPortDecide) {
  PolicyTables t = isolated();
  // Ingress of cali1: identity 5 (cali2) may TCP 80 and UDP 8000-8010; 172.16.0.0/16 without
  // 172.16.5.0/24, and fd10::/16 without fd10:5::/32, may everything.
  for (const char* a : {"10.0.0.2", "fd00::2"}) t.addresses[ip(a)] = 5;
  for (const char* a : {"10.0.0.3", "fd00::3"}) t.addresses[ip(a)] = 6;
  for (const auto& [start, identity] :
       std::initializer_list<std::pair<const char*, uint32_t>>{{"172.16.0.0", 7},
                                                               {"172.16.5.0", 1},
                                                               {"172.16.6.0", 7},
                                                               {"172.17.0.0", 1},
                                                               {"fd10::", 7},
                                                               {"fd10:5::", 1},
                                                               {"fd10:6::", 7},
                                                               {"fd11::", 1}})
    t.ranges[ip(start)] = identity;
  t.ports[{PortSpace::kTcp, 80}] = 2;
  t.ports[{PortSpace::kTcp, 81}] = 1;
  t.ports[{PortSpace::kUdp, 8000}] = 3;
  t.ports[{PortSpace::kUdp, 8011}] = 1;
  t.ports[{PortSpace::kIcmp, 0}] = 4;
  t.ports[{PortSpace::kIcmpV6, 0}] = 4;
  t.peers = {{{1, 5}, 1}, {{1, 7}, 2}};
  t.rows = {{1, 2}, {1, 3}, {2, 1}, {2, 2}, {2, 3}, {2, 4}};
  sync(t);

  struct Ends {
    const char *friendly, *stranger, *inside, *excepted, *edge_below, *edge_after, *pod;
  };
  for (const Ends& e : {Ends{"10.0.0.2", "10.0.0.3", "172.16.4.255", "172.16.5.7", "172.15.255.255",
                             "172.17.0.0", "10.0.0.1"},
                        Ends{"fd00::2", "fd00::3", "fd10:4:ffff::1", "fd10:5::7", "fd0f:ffff::1",
                             "fd11::", "fd00::1"}}) {
    SCOPED_TRACE(e.friendly);
    EXPECT_TRUE(passes(e.friendly, e.pod, net::kTcp, 80));
    EXPECT_FALSE(passes(e.friendly, e.pod, net::kTcp, 81));
    EXPECT_FALSE(passes(e.friendly, e.pod, net::kTcp, 79));
    EXPECT_FALSE(passes(e.friendly, e.pod, net::kUdp, 80));
    EXPECT_FALSE(passes(e.friendly, e.pod, net::kSctp, 80));
    EXPECT_TRUE(passes(e.friendly, e.pod, net::kUdp, 8000));
    EXPECT_TRUE(passes(e.friendly, e.pod, net::kUdp, 8010));
    EXPECT_FALSE(passes(e.friendly, e.pod, net::kUdp, 7999));
    EXPECT_FALSE(passes(e.friendly, e.pod, net::kUdp, 8011));
    EXPECT_FALSE(passes(e.stranger, e.pod, net::kTcp, 80));
    const bool v4 = ip(e.pod).is_v4();
    for (const net::Protocol p :
         {net::kTcp, net::kUdp, net::kSctp, v4 ? net::kIcmp : net::kIcmpV6, kOspf}) {
      SCOPED_TRACE(p.to_string());
      EXPECT_TRUE(passes(e.inside, e.pod, p, 1234));
      EXPECT_FALSE(passes(e.excepted, e.pod, p, 1234));
      EXPECT_FALSE(passes(e.edge_below, e.pod, p, 1234));
      EXPECT_FALSE(passes(e.edge_after, e.pod, p, 1234));
    }
  }
}

TEST_F(PolicyPacketsRootTest, EgressIsDecidedByDestinationAndAnyoneHoldsForAll) {
  PolicyTables t = isolated();
  t.ports[{PortSpace::kSctp, 9999}] = 2;
  t.ports[{PortSpace::kSctp, 10000}] = 1;
  t.addresses[ip("10.0.0.2")] = 5;
  t.addresses[ip("fd00::2")] = 5;
  t.peers = {{{2, desired::kAnyone}, 1}, {{2, 5}, 2}};
  t.rows = {{1, 2}, {2, 1}, {2, 2}};
  sync(t);
  for (const char* to : {"10.0.0.2", "10.0.0.3", "203.0.113.1"}) {
    EXPECT_TRUE(passes("10.0.0.1", to, net::kSctp, 9999)) << to;
    EXPECT_EQ(passes("10.0.0.1", to, net::kTcp, 80), std::string(to) == "10.0.0.2") << to;
  }
  for (const char* to : {"fd00::2", "fd00::3", "2001:db8::1"}) {
    EXPECT_TRUE(passes("fd00::1", to, net::kSctp, 9999)) << to;
    EXPECT_EQ(passes("fd00::1", to, net::kTcp, 80), std::string(to) == "fd00::2") << to;
  }
}

TEST_F(PolicyPacketsRootTest, BothEndsOnOneNodeMustAgree) {
  PolicyTables t = isolated();
  t.interfaces[{Direction::kIngress, "cali2"}] = {Disposition::kPoliced, 3};
  t.peers = {{{2, desired::kAnyone}, 1}};
  t.rows = {{1, 1}};
  sync(t);
  EXPECT_FALSE(passes("10.0.0.1", "10.0.0.2", net::kTcp));  // out of 1, not into 2
  EXPECT_TRUE(passes("10.0.0.1", "10.0.0.3", net::kTcp));
  PolicyDelta allow;
  allow.peers.set[{3, desired::kAnyone}] = 1;
  ASSERT_TRUE(driver_->apply(allow));
  EXPECT_TRUE(passes("10.0.0.1", "10.0.0.2", net::kTcp));
  allow = {};
  allow.peers.erase.insert({2, desired::kAnyone});
  ASSERT_TRUE(driver_->apply(allow));
  EXPECT_FALSE(passes("10.0.0.1", "10.0.0.2", net::kTcp));
}

TEST_F(PolicyPacketsRootTest, SpoofedSourcesAreDropped) {
  sync(isolated());
  EXPECT_TRUE(passes(packet("cali2", ip("10.0.0.2"), ip("10.0.0.3"), net::kUdp)));
  EXPECT_FALSE(passes(packet("cali2", ip("10.0.0.3"), ip("203.0.113.1"), net::kUdp)));
  EXPECT_FALSE(passes(packet("cali2", ip("8.8.8.8"), ip("10.0.0.3"), net::kUdp)));
  EXPECT_TRUE(passes(packet("cali2", ip("fd00::2"), ip("fd00::3"), net::kUdp)));
  EXPECT_FALSE(passes(packet("cali2", ip("fd00::3"), ip("2001:db8::1"), net::kUdp)));
  EXPECT_FALSE(passes(packet("cali2", ip("fe80::2"), ip("fd00::3"), net::kUdp)));
  EXPECT_FALSE(passes(packet("cali2", ip("fe80::2"), ip("fd00::3"), net::kIcmpV6)));
  // Also on a connection that is known: the answer of cali3, sent by cali2 in its name.
  const std::vector<Packet> first = {
      {"outside", ip("203.0.113.1"), ip("10.0.0.3"), net::kUdp, 30000, 53}};
  ASSERT_TRUE((*lab_->send(first)).arrived[0]);
  const std::vector<Packet> answers = {
      {"cali2", ip("10.0.0.3"), ip("203.0.113.1"), net::kUdp, 53, 30000},
      {"cali3", ip("10.0.0.3"), ip("203.0.113.1"), net::kUdp, 53, 30000}};
  EXPECT_EQ((*lab_->send_more(answers)).arrived, (std::vector<bool>{false, true}));
}

TEST_F(PolicyPacketsRootTest, UnknownAndClosedInterfacesPassNothing) {
  PolicyTables t = isolated();
  for (const Direction d : {Direction::kIngress, Direction::kEgress}) {
    t.interfaces.erase({d, "cali1"});  // unknown, its addresses too
    t.interfaces[{d, "cali2"}] = {Disposition::kClosed, 0};
  }
  sync(t);
  for (const char* other : {"10.0.0.3", "203.0.113.1"}) {
    for (const char* cut : {"10.0.0.1", "10.0.0.2"}) {
      EXPECT_FALSE(passes(cut, other, net::kTcp)) << cut << other;
      EXPECT_FALSE(passes(other, cut, net::kTcp)) << cut << other;
    }
  }
  EXPECT_FALSE(passes("fd00::1", "fd00::3", net::kTcp));
  EXPECT_FALSE(passes("fd00::3", "fd00::2", net::kTcp));
  EXPECT_TRUE(passes("fd00::3", "2001:db8::1", net::kTcp));
  // A closed endpoint, by the driver's emergency brake.
  ASSERT_TRUE(driver_->close_interface("cali3"));
  EXPECT_FALSE(passes("fd00::3", "2001:db8::1", net::kTcp));
}

TEST_F(PolicyPacketsRootTest, EstablishedConnectionsGoOnWhenPolicyAllowsNoNewOnes) {
  PolicyTables t = isolated();
  t.peers = {{{1, desired::kAnyone}, 1}};
  t.rows = {{1, 1}};
  sync(t);
  // UDP: a packet in, one out (not allowed by itself), and the connection is known.
  const Packet in{"outside", ip("203.0.113.1"), ip("10.0.0.1"), net::kUdp, 30000, 53};
  const Packet out{"cali1", ip("10.0.0.1"), ip("203.0.113.1"), net::kUdp, 53, 30000};
  const Packet other{"outside", ip("203.0.113.1"), ip("10.0.0.1"), net::kUdp, 30001, 53};
  EXPECT_EQ((*lab_->send({{in}})).arrived[0], true);
  EXPECT_EQ((*lab_->send_more({{out}})).arrived[0], true);
  // The same tables again by a new driver: nothing changes, nothing breaks.
  auto restarted = NftDriver::open_in(lab_->node());
  ASSERT_TRUE(restarted);
  EXPECT_EQ(restarted->sync(t)->messages, 0u);
  EXPECT_EQ((*lab_->send_more({{in, out, other}})).arrived, (std::vector<bool>{true, true, true}));
  // Policy forbids it from now on: what is known goes on, what is new does not start.
  sync(isolated());
  const Packet fresh{"outside", ip("203.0.113.1"), ip("10.0.0.1"), net::kUdp, 30002, 53};
  EXPECT_EQ((*lab_->send_more({{in, out, fresh}})).arrived, (std::vector<bool>{true, true, false}));
  // Even a table that has to be rebuilt keeps connections: tracking is not ours.
  ASSERT_TRUE(driver_->remove());
  sync(isolated());
  EXPECT_EQ((*lab_->send_more({{in, out, fresh}})).arrived, (std::vector<bool>{true, true, false}));
}

TEST_F(PolicyPacketsRootTest, NodeIsReachedByEgressPolicyAndReachesItsPods) {
  PolicyTables t = isolated();
  sync(t);
  // The node answers an echo request that gets to it.
  const auto answered = [&](const char* pod, net::Family family) -> bool {
    const net::Protocol icmp = family == net::Family::kIPv4 ? net::kIcmp : net::kIcmpV6;
    const Packet question{
        interface_of(ip(pod)), ip(pod), PacketLab::node_address(family), icmp, 0, 0};
    // The answer ends like the question, so its cookie tells; it arrives at the pod.
    auto seen = lab_->send({&question, 1});
    EXPECT_TRUE(seen);
    return seen && seen->answered[0];
  };
  EXPECT_FALSE(answered("10.0.0.1", net::Family::kIPv4));
  EXPECT_FALSE(answered("fd00::1", net::Family::kIPv6));
  EXPECT_TRUE(answered("10.0.0.2", net::Family::kIPv4));
  EXPECT_TRUE(answered("fd00::2", net::Family::kIPv6));
  // From the node to its pods nothing is policed.
  EXPECT_TRUE(passes(packet("node", ip("198.18.0.1"), ip("10.0.0.1"), net::kUdp)));
  EXPECT_TRUE(passes(packet("node", ip("2001:2::1"), ip("fd00::1"), net::kTcp)));
}

TEST_F(PolicyPacketsRootTest, PodReachesItselfThroughAServiceAddress) {
  // A packet of cali1 whose destination was rewritten to cali1's own address comes back to it,
  // though neither direction allows anybody. Another pod's does not.
  sync(isolated());
  auto nat = run_checked(
      {.argv = {"nft", "-f", "-"},
       .input =
           "table inet service { chain pre { type nat hook prerouting priority -100;"
           "ip daddr 10.96.0.1 dnat ip to 10.0.0.1; ip6 daddr fd96::1 dnat ip6 to fd00::1; }; }",
       .netns = lab_->node().fd_path()});
  ASSERT_TRUE(nat) << nat.error().message;
  for (const auto& [own, other, service] : {std::tuple{"10.0.0.1", "10.0.0.2", "10.96.0.1"},
                                            std::tuple{"fd00::1", "fd00::2", "fd96::1"}}) {
    std::vector<Packet> packets = {packet("cali1", ip(own), ip(service), net::kTcp),
                                   packet("cali2", ip(other), ip(service), net::kTcp)};
    auto seen = lab_->send(packets);
    ASSERT_TRUE(seen) << seen.error().message;
    EXPECT_TRUE(seen->answered[0]) << own;  // seen again by its sender
    EXPECT_FALSE(seen->arrived[1] || seen->answered[1]) << other;
  }
}

}  // namespace
}  // namespace caracal::dataplane::nft
