#include "route/path_choice.h"

#include <gtest/gtest.h>

#include "route/testing/network.h"
#include "route/tunnel_parts.h"

namespace caracal::route {
namespace {

using desired::Path;
using model::Encapsulation;

class PathChoice : public ::testing::Test {
 protected:
  PathChoice() { peer_.v4.vxlan_address = ip("10.1.0.1"); }

  Choice choose(Encapsulation encapsulation, bool cross_subnet, bool bgp = false) {
    const model::IpPool pool = make_pool("p", "10.0.0.0/8", encapsulation, cross_subnet);
    return choose_path(own_, {.node = &peer_.name, .peer = &peer_, .pool = &pool}, bgp);
  }
  static void expect(const Choice& choice, Path path, std::optional<net::IpAddr> via) {
    ASSERT_TRUE(choice.route);
    EXPECT_EQ(*choice.route, (desired::BlockRoute{path, via, "b"}));
    EXPECT_EQ(choice.trouble, Trouble::kNone);
  }
  static void expect(const Choice& choice, Trouble trouble) {
    EXPECT_FALSE(choice.route);
    EXPECT_EQ(choice.trouble, trouble);
  }

  OwnSide own_{.subnet = cidr("192.0.2.0/24"), .vxlan = true, .ipip = true, .wireguard = false};
  model::NodeNetwork peer_ = make_node("b", "198.51.100.2/24");
};

TEST_F(PathChoice, AlwaysIsTheTunnel) {
  expect(choose(Encapsulation::kVxlan, false), Path::kVxlan, ip("10.1.0.1"));
  expect(choose(Encapsulation::kIpip, false), Path::kIpip, ip("198.51.100.2"));
}

TEST_F(PathChoice, CrossSubnetIsDirectWithinTheSubnet) {
  expect(choose(Encapsulation::kVxlan, true), Path::kVxlan, ip("10.1.0.1"));
  peer_.v4.address = node_address("192.0.2.2/32");  // of the own subnet's length alone
  expect(choose(Encapsulation::kVxlan, true), Path::kDirect, ip("192.0.2.2"));
  expect(choose(Encapsulation::kIpip, true), Path::kDirect, ip("192.0.2.2"));
  expect(choose(Encapsulation::kIpip, false), Path::kIpip, ip("192.0.2.2"));
  own_.subnet.reset();
  expect(choose(Encapsulation::kIpip, true), Path::kIpip, ip("192.0.2.2"));
}

TEST_F(PathChoice, PlainIsForBgpOrTheSubnet) {
  expect(choose(Encapsulation::kNone, false, true), Trouble::kNone);
  expect(choose(Encapsulation::kNone, false), Trouble::kOtherSubnet);
  peer_.v4.address = node_address("192.0.2.2/24");
  expect(choose(Encapsulation::kNone, false), Path::kDirect, ip("192.0.2.2"));
}

TEST_F(PathChoice, WireguardGoesBeforeAll) {
  own_.wireguard = true;
  expect(choose(Encapsulation::kVxlan, false), Path::kVxlan, ip("10.1.0.1"));
  peer_.v4.wireguard_key = "key";
  expect(choose(Encapsulation::kVxlan, false), Path::kWireguard, std::nullopt);
  expect(choose(Encapsulation::kNone, false, true), Path::kWireguard, std::nullopt);
}

TEST_F(PathChoice, WhatIsMissingIsNamed) {
  own_.vxlan = own_.ipip = false;
  expect(choose(Encapsulation::kVxlan, false), Trouble::kNoOwnVxlan);
  expect(choose(Encapsulation::kIpip, false), Trouble::kNoOwnIpip);
  own_.vxlan = true;
  peer_.v4.vxlan_address.reset();
  expect(choose(Encapsulation::kVxlan, false), Trouble::kNoPeerTunnel);
  peer_.v4.address.reset();
  expect(choose(Encapsulation::kVxlan, false), Trouble::kNoAddress);
  const std::string name = "gone";
  expect(choose_path(own_, {.node = &name}, true), Trouble::kUnknownNode);
  peer_.v4.address = node_address("192.0.2.2/24");
  const Choice choice = choose_path(own_, {.node = &peer_.name, .peer = &peer_}, false);
  EXPECT_EQ(choice.trouble, Trouble::kNoPool);
  EXPECT_EQ(choice.route->path, Path::kDirect);
}

TEST(TunnelParts, MacOfAName) {
  // printf node-1 | sha1sum, and of node-1-v6.
  EXPECT_EQ(derived_vxlan_mac("node-1", net::Family::kIPv4).to_string(), "66:b3:68:28:39:8e");
  EXPECT_EQ(derived_vxlan_mac("node-1", net::Family::kIPv6).to_string(), "66:24:ac:63:df:6c");
  model::NodeNetwork node = make_node("node-1", "192.0.2.1/24");
  node.v4.vxlan_mac = net::MacAddr::parse("02:00:00:00:00:01").value();
  EXPECT_EQ(vxlan_mac(node, net::Family::kIPv4).to_string(), "02:00:00:00:00:01");
}

TEST(TunnelParts, MtusLeaveRoomForTheHeaders) {
  model::NetworkSettings settings;
  settings.vxlan_mtu_v6 = 1300;
  const TunnelMtus mtus = tunnel_mtus(settings, 1500);
  EXPECT_EQ(mtus.ipip, 1480U);
  EXPECT_EQ(mtus.vxlan, 1450U);
  EXPECT_EQ(mtus.vxlan_v6, 1300U);
  EXPECT_EQ(mtus.wireguard, 1440U);
  EXPECT_EQ(mtus.wireguard_v6, 1420U);
  EXPECT_EQ(tunnel_mtus(settings, 0).vxlan, 1410U);
  EXPECT_EQ(tunnel_mtus(settings, 70).vxlan, kLeastMtu);
}

}  // namespace
}  // namespace caracal::route
