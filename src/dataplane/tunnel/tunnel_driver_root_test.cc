// TunnelDriver against the real kernel, in one namespace: what it makes, takes over, leaves alone
// and takes away.
#include "dataplane/tunnel/tunnel_driver.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/tunnel/block_routes.h"
#include "dataplane/tunnel/testing/two_nodes.h"

namespace caracal::dataplane::tunnel {
namespace {

using netlink::NetworkNamespace;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using tunnel_testing::ip;
using tunnel_testing::mac;

desired::VxlanPeer peer(int n) {
  return {fmt::format("node{}", n), ip(fmt::format("192.0.2.{}", n)),
          mac(fmt::format("66:00:00:00:00:{:02x}", n))};
}
net::IpAddr tunnel_of(int n) { return ip(fmt::format("10.245.0.{}", n)); }

class TunnelDriverRootTest : public testing::Test {
 protected:
  TunnelDriverRootTest() : ns_(*NetworkNamespace::create_anonymous()) {
    run("ip link add eth0 type veth peer name eth1");
    run("ip addr add 192.0.2.1/24 dev eth0");
    run("ip link set eth0 up");
    restart();
  }
  std::string run(const std::string& command) { return tunnel_testing::run_in(ns_, command); }
  void restart() {
    auto driver = TunnelDriver::open_in(ns_);
    ASSERT_TRUE(driver) << driver.error().message;
    driver_ = std::make_unique<TunnelDriver>(std::move(*driver));
  }
  TunnelReport sync(const desired::PodNetwork& network) {
    auto report = driver_->sync(network);
    EXPECT_TRUE(report) << report.error().message;
    return report.value_or(TunnelReport{});
  }
  TunnelReport drop() {
    auto report = driver_->drop_unneeded();
    EXPECT_TRUE(report) << report.error().message;
    return report.value_or(TunnelReport{});
  }
  // This node's device, and nodes 2 to 4 as peers.
  static desired::PodNetwork sample() {
    desired::PodNetwork network;
    network.v4.vxlan = desired::VxlanDevice{.name = kVxlanV4,
                                            .mac = mac("66:00:00:00:00:01"),
                                            .local = ip("192.0.2.1"),
                                            .address = ip("10.245.0.1"),
                                            .mtu = 1450};
    for (int n = 2; n <= 4; ++n) network.v4.vxlan_peers[tunnel_of(n)] = peer(n);
    return network;
  }
  std::string forwarding() { return run("bridge fdb show dev vxlan.calico"); }
  std::string neighbours() { return run("ip neigh show dev vxlan.calico nud permanent"); }

  NetworkNamespace ns_;
  std::unique_ptr<TunnelDriver> driver_;
};

TEST_F(TunnelDriverRootTest, ACalicosDeviceIsTakenOver) {
  run("ip link add vxlan.calico address 66:00:00:00:00:01 mtu 1450 type vxlan id 4096 dev eth0 "
      "local 192.0.2.1 dstport 4789 nolearning");
  run("ip addr add 10.245.0.1/32 dev vxlan.calico");
  run("ip link set vxlan.calico up");
  run("bridge fdb add 66:00:00:00:00:02 dst 192.0.2.2 dev vxlan.calico permanent");
  run("ip neigh add 10.245.0.2 lladdr 66:00:00:00:00:02 dev vxlan.calico nud permanent");
  run("bridge fdb add 66:00:00:00:00:03 dst 192.0.2.99 dev vxlan.calico permanent");       // stale
  run("ip neigh add 10.245.0.9 lladdr 66:00:00:00:00:09 dev vxlan.calico nud permanent");  // gone
  const std::string device = run("ip -d -4 addr show dev vxlan.calico");
  const TunnelReport report = sync(sample());
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.notes, IsEmpty());
  EXPECT_EQ(report.right, 3u);    // the device, and both entries of node 2
  EXPECT_EQ(report.changed, 1u);  // node 3 has moved
  EXPECT_EQ(report.added, 3u);
  EXPECT_EQ(run("ip -d -4 addr show dev vxlan.calico"), device);
  EXPECT_EQ(drop().removed, 1u);
  EXPECT_THAT(neighbours(), Not(HasSubstr("10.245.0.9")));
  EXPECT_THAT(forwarding(), Not(HasSubstr("192.0.2.99")));
  EXPECT_EQ(sync(sample()).right, 7u);
}

TEST_F(TunnelDriverRootTest, WhatCannotBeChangedIsMadeAnew) {
  run("ip link add vxlan.calico type vxlan id 7 local 192.0.2.1 dstport 4789");
  const TunnelReport report = sync(sample());
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.notes, testing::ElementsAre("vxlan.calico: made anew: VNI 7 instead of 4096"));
  EXPECT_THAT(run("ip -d link show vxlan.calico"), HasSubstr("vxlan id 4096 local 192.0.2.1"));
  // Another address of the node: by a delta.
  desired::PodNetwork next = sample();
  next.v4.vxlan->local = ip("192.0.2.77");
  const auto applied = driver_->apply({.devices = true}, next);
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_THAT(applied->problems, IsEmpty());
  EXPECT_THAT(run("ip -d link show vxlan.calico"), HasSubstr("local 192.0.2.77"));
  EXPECT_THAT(forwarding(), HasSubstr("66:00:00:00:00:04 dst 192.0.2.4"));
  EXPECT_FALSE(*driver_->changed());
  EXPECT_EQ(sync(next).right, 7u);
}

TEST_F(TunnelDriverRootTest, AStrangersDeviceIsLeftAlone) {
  run("ip link add vxlan.calico type veth peer name other");
  run("ip link add flannel.1 type vxlan id 1 local 192.0.2.1 dstport 8472 nolearning");
  run("bridge fdb add 66:00:00:00:00:02 dst 192.0.2.2 dev flannel.1 permanent");
  const std::string links = run("ip -d link") + run("bridge fdb show dev flannel.1");
  const TunnelReport report = sync(sample());
  ASSERT_THAT(report.problems, SizeIs(1));
  EXPECT_EQ(report.problems[0].object, "device vxlan.calico");
  EXPECT_EQ(report.problems[0].error.code, Errc::kConflict);
  EXPECT_THAT(report.problems[0].error.message, HasSubstr("of kind \"veth\""));
  EXPECT_EQ(drop().removed, 0u);
  ASSERT_TRUE(driver_->remove());
  EXPECT_EQ(run("ip -d link") + run("bridge fdb show dev flannel.1"), links);
  // When it has gone, the driver is told.
  sync(sample());
  EXPECT_FALSE(*driver_->changed());
  run("ip link del vxlan.calico");
  EXPECT_TRUE(*driver_->changed());
  EXPECT_THAT(sync(sample()).problems, IsEmpty());
  ASSERT_TRUE(driver_->remove());
  EXPECT_THAT(run("ip link"), Not(HasSubstr("calico")));
  EXPECT_THAT(run("ip link"), HasSubstr("flannel.1"));
}

TEST_F(TunnelDriverRootTest, PeersComeAndGoByDeltas) {
  EXPECT_EQ(driver_->apply({}, {}).error().code, Errc::kConflict);
  desired::PodNetwork network = sample();
  sync(network);
  const auto apply = [&](const desired::PodNetworkDelta& delta) {
    auto report = driver_->apply(delta, network);
    EXPECT_TRUE(report) << report.error().message;
    return report.value_or(TunnelReport{});
  };
  // Node 5 joins, node 2 leaves, node 3 has another address.
  desired::PodNetworkDelta delta;
  delta.vxlan_peers[tunnel_of(5)] = network.v4.vxlan_peers[tunnel_of(5)] = peer(5);
  delta.vxlan_peers[tunnel_of(2)] = std::nullopt;
  network.v4.vxlan_peers.erase(tunnel_of(2));
  network.v4.vxlan_peers[tunnel_of(3)].node_address = ip("192.0.2.33");
  delta.vxlan_peers[tunnel_of(3)] = network.v4.vxlan_peers[tunnel_of(3)];
  TunnelReport report = apply(delta);
  EXPECT_EQ(report.added, 2u);
  EXPECT_EQ(report.changed, 1u);
  EXPECT_THAT(forwarding(), HasSubstr("66:00:00:00:00:03 dst 192.0.2.33 self permanent"));
  EXPECT_THAT(forwarding(), Not(HasSubstr("dst 192.0.2.3 ")));
  // What leaves stays until the routes are gone.
  EXPECT_THAT(neighbours(), HasSubstr("10.245.0.2 "));
  EXPECT_EQ(drop().removed, 2u);
  EXPECT_THAT(neighbours(), Not(HasSubstr("10.245.0.2 ")));
  EXPECT_THAT(forwarding(), Not(HasSubstr("192.0.2.2 ")));

  // Node 4's tunnel gets another address, its MAC stays; first the new one comes, then the old one
  // goes.
  network.v4.vxlan_peers[tunnel_of(44)] = peer(4);
  apply({.vxlan_peers = {{tunnel_of(44), peer(4)}}});
  network.v4.vxlan_peers.erase(tunnel_of(4));
  apply({.vxlan_peers = {{tunnel_of(4), std::nullopt}}});
  drop();
  EXPECT_THAT(neighbours(), HasSubstr("10.245.0.44 lladdr 66:00:00:00:00:04"));
  EXPECT_THAT(neighbours(), Not(HasSubstr("10.245.0.4 ")));
  EXPECT_THAT(forwarding(), HasSubstr("66:00:00:00:00:04 dst 192.0.2.4"));

  // A peer that leaves and comes back before the leftovers were taken.
  network.v4.vxlan_peers.erase(tunnel_of(5));
  apply({.vxlan_peers = {{tunnel_of(5), std::nullopt}}});
  network.v4.vxlan_peers[tunnel_of(5)] = peer(5);
  apply({.vxlan_peers = {{tunnel_of(5), peer(5)}}});
  EXPECT_EQ(drop().removed, 0u);
  EXPECT_FALSE(*driver_->changed());
  report = sync(network);
  EXPECT_EQ(report.added + report.changed, 0u);
  EXPECT_EQ(drop().removed, 0u);
}

TEST_F(TunnelDriverRootTest, TwoNodesWithOneMacAreReported) {
  desired::PodNetwork network = sample();
  sync(network);
  network.v4.vxlan_peers[tunnel_of(5)] = peer(5);
  network.v4.vxlan_peers[tunnel_of(5)].mac = peer(3).mac;
  auto report = driver_->apply(
      {.vxlan_peers = {{tunnel_of(5), network.v4.vxlan_peers[tunnel_of(5)]}}}, network);
  ASSERT_TRUE(report);
  ASSERT_THAT(report->problems, SizeIs(1));
  EXPECT_THAT(report->problems[0].error.message, HasSubstr("node5: tunnel MAC 66:00:00:00:00:03"));
  EXPECT_THAT(report->problems[0].error.message, HasSubstr("node3"));
  EXPECT_THAT(forwarding(), HasSubstr("66:00:00:00:00:03 dst 192.0.2.3 "));
  // The first leaves: the second has it.
  network.v4.vxlan_peers.erase(tunnel_of(3));
  report = driver_->apply({.vxlan_peers = {{tunnel_of(3), std::nullopt}}}, network);
  ASSERT_TRUE(report);
  EXPECT_THAT(report->problems, IsEmpty());
  drop();
  EXPECT_THAT(forwarding(), HasSubstr("66:00:00:00:00:03 dst 192.0.2.5 "));
  EXPECT_THAT(neighbours(), HasSubstr("10.245.0.5 lladdr 66:00:00:00:00:03"));
}

TEST_F(TunnelDriverRootTest, WithoutNeedItGoesAndLeavesNothing) {
  // The kernel notices a moment later that the other end is down, and then says so with the route.
  const auto network = [&] {
    std::string text = run("ip -4 -o addr show dev eth0") + run("ip route");
    for (size_t at; (at = text.find(" linkdown")) != std::string::npos;) text.erase(at, 9);
    return text;
  };
  const std::string before = network();
  sync(sample());
  drop();
  EXPECT_THAT(run("ip link"), HasSubstr("vxlan.calico"));
  const auto report = driver_->apply({.devices = true}, {});
  ASSERT_TRUE(report);
  EXPECT_THAT(run("ip link"), HasSubstr("vxlan.calico"));  // routes may still lead there
  EXPECT_EQ(drop().removed, 1u);
  EXPECT_THAT(run("ip link"), Not(HasSubstr("vxlan.calico")));
  EXPECT_FALSE(*driver_->changed());
  EXPECT_EQ(network(), before);
  // One that a former process left.
  sync(sample());
  restart();
  sync({});
  EXPECT_EQ(drop().removed, 1u);
  EXPECT_THAT(run("ip link"), Not(HasSubstr("vxlan.calico")));
}

TEST_F(TunnelDriverRootTest, OneBadEntryDoesNotStopTheOthers) {
  desired::PodNetwork network = sample();
  network.v4.vxlan_peers[tunnel_of(3)].mac = mac("01:00:5e:00:00:01");  // a group's: no neighbour's
  network.v4.vxlan->mtu = 9;                                            // too small for IPv4
  network.v6.vxlan = network.v4.vxlan;
  network.v6.vxlan->name = kVxlanV6;
  network.v6.vxlan->local = ip("2001:db8::1");
  network.v6.vxlan->address = ip("fd11::1");
  network.v6.vxlan->mtu = 1430;
  const TunnelReport report = sync(network);
  EXPECT_THAT(report.problems, Not(IsEmpty()));
  for (const TunnelProblem& problem : report.problems)
    EXPECT_THAT(problem.object + problem.error.message, HasSubstr("vxlan.calico"));
  EXPECT_THAT(run("ip -d link show vxlan-v6.calico"), HasSubstr("mtu 1430"));
}

}  // namespace
}  // namespace caracal::dataplane::tunnel
