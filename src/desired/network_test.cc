#include "desired/network.h"

#include <gtest/gtest.h>

namespace caracal::desired {
namespace {

net::IpAddr ip(const char* text) { return net::IpAddr::parse(text).value(); }
net::Cidr cidr(const char* text) { return net::Cidr::parse(text).value(); }

PodNetwork network() {
  PodNetwork out;
  out.routes[cidr("10.0.0.0/26")] = {Path::kBlackhole, std::nullopt, "a"};
  out.routes[cidr("10.0.1.0/26")] = {Path::kVxlan, ip("10.0.1.0"), "b"};
  out.v4.vxlan =
      VxlanDevice{"vxlan.calico", 4096, 4789, {}, ip("172.16.0.1"), ip("10.0.0.0"), 1450};
  out.v4.vxlan_peers[ip("10.0.1.0")] = {"b", ip("172.16.0.2"), {}};
  out.v6.wireguard_peers["key"] = {"b", ip("fd00::2"), 51821, {cidr("fd01::/122")}};
  out.rules.nodes = {ip("172.16.0.1"), ip("172.16.0.2")};
  return out;
}

TEST(PodNetworkDelta, BringsOneStateToTheOther) {
  const PodNetwork before = network();
  PodNetwork after = before;
  after.routes.erase(cidr("10.0.1.0/26"));
  after.routes[cidr("10.0.2.0/26")] = {Path::kDirect, ip("172.16.0.3"), "c"};
  after.v4.vxlan_peers.clear();
  after.v6.vxlan_peers[ip("fd01::")] = {"b", ip("fd00::2"), {}};
  after.v4.vxlan.reset();
  after.v6.wireguard_peers.clear();
  after.rules.nodes.insert(ip("172.16.0.3"));
  PodNetworkDelta delta;
  delta.routes[cidr("10.0.1.0/26")] = std::nullopt;
  delta.routes[cidr("10.0.2.0/26")] = after.routes[cidr("10.0.2.0/26")];
  delta.vxlan_peers[ip("10.0.1.0")] = std::nullopt;
  delta.vxlan_peers[ip("fd01::")] = after.v6.vxlan_peers[ip("fd01::")];
  delta.devices = delta.wireguard_peers = delta.rules = true;
  PodNetwork held = before;
  apply(held, delta, after);
  EXPECT_EQ(held, after);
}

TEST(PodNetworkDelta, WhatIsNotNamedStays) {
  PodNetwork held = network();
  apply(held, {}, {});
  EXPECT_EQ(held, network());
}

TEST(PodNetworkDelta, TheLaterChangeHolds) {
  PodNetworkDelta first;
  first.routes[cidr("10.0.1.0/26")] = BlockRoute{Path::kDirect, ip("172.16.0.2"), "b"};
  first.rules = true;
  PodNetworkDelta second;
  second.routes[cidr("10.0.1.0/26")] = std::nullopt;
  second.devices = true;
  merge(first, second);
  EXPECT_EQ(first.routes.at(cidr("10.0.1.0/26")), std::nullopt);
  EXPECT_TRUE(first.rules && first.devices);
  EXPECT_FALSE(first.wireguard_peers);
}

}  // namespace
}  // namespace caracal::desired
