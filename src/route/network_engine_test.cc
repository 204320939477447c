#include "route/network_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "route/testing/network.h"

namespace caracal::route {
namespace {

using desired::BlockRoute;
using desired::Path;
using desired::PodNetworkDelta;
using model::Encapsulation;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class NetworkEngineTest : public ::testing::Test {
 protected:
  void say(const std::vector<model::NetworkUpdate>& updates) {
    for (const auto& update : updates) engine_.apply(update);
  }
  std::optional<BlockRoute> route(std::string_view prefix) const {
    const auto& routes = engine_.network().routes;
    const auto found = routes.find(cidr(prefix));
    return found == routes.end() ? std::nullopt : std::optional(found->second);
  }
  // Nodes a (here) and b with VXLAN and IPIP ends, in one subnet; c in another.
  void three_nodes() {
    int last = 1;
    for (const auto& [name, address] :
         {std::pair{"a", "192.0.2.1/24"}, {"b", "192.0.2.2/24"}, {"c", "198.51.100.3/24"}}) {
      model::NodeNetwork node = make_node(name, address);
      node.v4.vxlan_address = ip("10.255.0." + std::to_string(last));
      node.ipip_address = ip("10.254.0." + std::to_string(last++));
      say({said(node)});
    }
  }

  NetworkEngine engine_{NetworkEngine::Options{.node = "a"}};
};

TEST_F(NetworkEngineTest, OneRouteABlockByThePathOfItsPool) {
  three_nodes();
  say({said(make_pool("vx", "10.0.0.0/16", Encapsulation::kVxlan, true)),
       said(make_pool("ip", "10.1.0.0/16", Encapsulation::kIpip)), block_of("10.0.0.0/26", "a"),
       block_of("10.0.1.0/26", "b"), block_of("10.0.2.0/26", "c"), block_of("10.1.2.0/26", "c"),
       block_of("10.1.3.0/32", "a")});
  const PodNetworkDelta delta = engine_.flush();
  EXPECT_EQ(delta.routes.size(), 4U);
  EXPECT_EQ(route("10.0.0.0/26"), (BlockRoute{Path::kBlackhole, std::nullopt, "a"}));
  EXPECT_EQ(route("10.0.1.0/26"), (BlockRoute{Path::kDirect, ip("192.0.2.2"), "b"}));
  EXPECT_EQ(route("10.0.2.0/26"), (BlockRoute{Path::kVxlan, ip("10.255.0.3"), "c"}));
  EXPECT_EQ(route("10.1.2.0/26"), (BlockRoute{Path::kIpip, ip("198.51.100.3"), "c"}));
  EXPECT_EQ(route("10.1.3.0"), std::nullopt) << "the pod's own route is the same";
  EXPECT_THAT(engine_.problems(), IsEmpty());

  const desired::FamilyTunnels& v4 = engine_.network().v4;
  ASSERT_TRUE(v4.vxlan && v4.ipip);
  EXPECT_EQ(v4.vxlan->name, "vxlan.calico");
  EXPECT_EQ(v4.vxlan->local, ip("192.0.2.1"));
  EXPECT_EQ(v4.vxlan->address, ip("10.255.0.1"));
  EXPECT_EQ(v4.vxlan_peers.size(), 2U);
  EXPECT_EQ(v4.vxlan_peers.at(ip("10.255.0.3")).node_address, ip("198.51.100.3"));
  EXPECT_EQ(v4.ipip->address, ip("10.254.0.1"));
  const desired::NetworkRules& rules = engine_.network().rules;
  EXPECT_THAT(rules.nodes,
              UnorderedElementsAre(ip("192.0.2.1"), ip("192.0.2.2"), ip("198.51.100.3")));
  EXPECT_EQ(rules.vxlan_port, 4789);
  EXPECT_EQ(rules.vxlan_vni, 4096U);
  EXPECT_TRUE(rules.ipip);
  EXPECT_TRUE(engine_.flush().empty());
}

TEST_F(NetworkEngineTest, AnEventSaysOnlyWhatItChanges) {
  three_nodes();
  say({said(make_pool("vx", "10.0.0.0/16", Encapsulation::kVxlan)), block_of("10.0.1.0/26", "b"),
       block_of("10.0.2.0/26", "c")});
  engine_.flush();

  say({block_of("10.0.1.0/26", "c")});
  PodNetworkDelta delta = engine_.flush();
  EXPECT_EQ(delta.routes.size(), 1U);
  EXPECT_TRUE(delta.vxlan_peers.empty() && !delta.rules && !delta.devices);

  // There and back is nothing.
  say({block_of("10.0.1.0/26", "b"), block_of("10.0.1.0/26", "c"),
       model::IpPoolUpdate{"vx", std::nullopt},
       said(make_pool("vx", "10.0.0.0/16", Encapsulation::kVxlan))});
  EXPECT_TRUE(engine_.flush().empty());

  model::NodeNetwork c = make_node("c", "198.51.100.4/24");
  c.v4.vxlan_address = ip("10.255.0.3");
  c.ipip_address = ip("10.254.0.3");
  say({said(c)});
  delta = engine_.flush();
  EXPECT_TRUE(delta.routes.empty()) << "VXLAN routes lead to the tunnel address";
  EXPECT_EQ(delta.vxlan_peers.size(), 1U);
  EXPECT_TRUE(delta.rules);
  EXPECT_FALSE(delta.devices);

  say({said(make_pool("vx", "10.0.0.0/16", Encapsulation::kIpip))});
  delta = engine_.flush();
  EXPECT_EQ(delta.routes.size(), 2U);
  EXPECT_TRUE(delta.vxlan_peers.empty() && !delta.devices)
      << "the old device takes what still comes by the old path";

  say({model::NodeNetworkUpdate{"c", std::nullopt}});
  delta = engine_.flush();
  EXPECT_EQ(delta.routes.size(), 2U);
  EXPECT_EQ(delta.routes.begin()->second, std::nullopt);
  EXPECT_THAT(engine_.problems(), ElementsAre(HasSubstr("node c does not exist")));
}

TEST_F(NetworkEngineTest, BorrowedAddressesHaveRoutesOfTheirOwn) {
  three_nodes();
  say({said(make_pool("p", "10.0.0.0/16", Encapsulation::kVxlan)),
       said(model::AddressBlock{
           cidr("10.0.1.0/26"), "b", {{ip("10.0.1.5"), "a"}, {ip("10.0.1.6"), "c"}}}),
       said(model::AddressBlock{cidr("10.0.9.0/26"), "", {{ip("10.0.9.1"), "b"}}}),
       said(model::AddressBlock{cidr("10.0.8.1/32"), "b", {{ip("10.0.8.1"), "c"}}})});
  engine_.flush();
  EXPECT_EQ(route("10.0.1.5"), std::nullopt);
  EXPECT_EQ(route("10.0.1.6")->node, "c");
  EXPECT_EQ(route("10.0.9.1")->node, "b");
  EXPECT_EQ(route("10.0.9.0/26"), std::nullopt);
  EXPECT_EQ(route("10.0.8.1")->node, "c") << "who uses it goes before whose block it is";
  EXPECT_THAT(engine_.problems(), IsEmpty());
  say({block_of("10.0.1.0/26", "b"), model::AddressBlockUpdate{cidr("10.0.9.0/26"), std::nullopt}});
  EXPECT_EQ(engine_.flush().routes.size(), 2U);
}

TEST_F(NetworkEngineTest, WithBgpPlainBlocksAreNotOurs) {
  three_nodes();
  engine_.set_bgp(true);
  say({said(make_pool("p", "10.0.0.0/16")), block_of("10.0.0.0/26", "a"),
       block_of("10.0.1.0/26", "b"), block_of("10.0.2.0/26", "c")});
  engine_.flush();
  EXPECT_EQ(engine_.network().routes.size(), 1U);
  EXPECT_THAT(engine_.problems(), IsEmpty());
  engine_.set_bgp(false);
  engine_.flush();
  EXPECT_EQ(route("10.0.1.0/26")->path, Path::kDirect);
  EXPECT_THAT(engine_.problems(),
              ElementsAre("node c (198.51.100.3) is outside of this node's subnet 192.0.2.0/24, "
                          "and IP pool p has no encapsulation and there is no BGP: no route to "
                          "1 block (10.0.2.0/26) of it"));
}

TEST_F(NetworkEngineTest, Wireguard) {
  const auto keyed = [](const char* name, const char* address, const char* key) {
    model::NodeNetwork node = make_node(name, address);
    node.v4.wireguard_key = key;
    return node;
  };
  model::NetworkSettings settings;
  settings.wireguard = true;
  model::NodeNetwork b = keyed("b", "192.0.2.2/24", "B");
  b.v4.wireguard_address = ip("10.253.0.2");
  say({said(keyed("a", "192.0.2.1/24", "A")), said(b), said(make_node("c", "192.0.2.3/24")),
       said(make_pool("p", "10.0.0.0/16")), block_of("10.0.1.0/26", "b"),
       block_of("10.0.2.0/26", "c"), model::NetworkSettingsUpdate{settings}});
  engine_.flush();
  EXPECT_EQ(route("10.0.1.0/26")->path, Path::kWireguard);
  EXPECT_EQ(route("10.0.2.0/26")->path, Path::kDirect);
  ASSERT_EQ(engine_.network().v4.wireguard_peers.size(), 1U);
  const desired::WireguardPeer& peer = engine_.network().v4.wireguard_peers.at("B");
  EXPECT_THAT(peer.allowed, ElementsAre(cidr("10.0.1.0/26"), cidr("10.253.0.2")));
  EXPECT_EQ(peer.port, 51820);
  EXPECT_TRUE(engine_.needs().wireguard_v4);

  say({block_of("10.0.3.0/26", "b")});
  EXPECT_TRUE(engine_.flush().wireguard_peers);
  EXPECT_EQ(engine_.network().v4.wireguard_peers.at("B").allowed.size(), 3U);
  say({model::NetworkSettingsUpdate{std::nullopt}});
  PodNetworkDelta delta = engine_.flush();
  EXPECT_EQ(route("10.0.1.0/26")->path, Path::kDirect);
  EXPECT_FALSE(delta.devices) << "it stands while the key is there";
  say({said(make_node("a", "192.0.2.1/24"))});
  delta = engine_.flush();
  EXPECT_TRUE(delta.devices && delta.wireguard_peers);
  EXPECT_FALSE(engine_.network().v4.wireguard);
}

TEST_F(NetworkEngineTest, AddressTranslation) {
  three_nodes();
  model::IpPool nat = make_pool("nat", "10.0.0.0/16");
  nat.nat_outgoing = true;
  say({said(nat), said(make_pool("plain", "10.1.0.0/16"))});
  engine_.flush();
  const desired::NetworkRules& rules = engine_.network().rules;
  EXPECT_THAT(rules.nat_sources, ElementsAre(cidr("10.0.0.0/16")));
  EXPECT_THAT(rules.no_nat, ElementsAre(cidr("10.0.0.0/16"), cidr("10.1.0.0/16")));
  model::NetworkSettings settings;
  settings.nat_excludes_hosts = true;
  settings.nat_address = ip("203.0.113.7");
  settings.nat_first_port = 32000;
  settings.nat_last_port = 40000;
  say({model::NetworkSettingsUpdate{settings}});
  EXPECT_TRUE(engine_.flush().rules);
  EXPECT_THAT(rules.no_nat, Contains(cidr("198.51.100.3")));
  EXPECT_EQ(rules.nat_address_v4, ip("203.0.113.7"));
  EXPECT_EQ(rules.nat_last_port, 40000);
  say({model::NodeNetworkUpdate{"c", std::nullopt}});
  EXPECT_TRUE(engine_.flush().rules);
  EXPECT_EQ(rules.no_nat.size(), 4U);
}

TEST_F(NetworkEngineTest, NeedsAndMtu) {
  EXPECT_EQ(engine_.needs(), TunnelNeeds());
  EXPECT_EQ(engine_.pod_mtu(), 1460U);
  engine_.set_host_mtu(9000);
  EXPECT_EQ(engine_.pod_mtu(), 9000U);
  say({said(make_pool("p", "10.0.0.0/16", Encapsulation::kIpip))});
  EXPECT_EQ(engine_.pod_mtu(), 8980U);
  say({said(make_pool("q", "fd00::/64", Encapsulation::kVxlan))});
  EXPECT_EQ(engine_.pod_mtu(), 8930U);
  EXPECT_EQ(engine_.needs(), (TunnelNeeds{.vxlan_v6 = true, .ipip = true}));
  model::NetworkSettings settings;
  settings.ipip_mtu = 1400;
  say({model::NetworkSettingsUpdate{settings}});
  EXPECT_EQ(engine_.pod_mtu(), 1400U);
}

TEST_F(NetworkEngineTest, ProblemsAreNamed) {
  say({said(make_node("a", "192.0.2.1")), said(make_node("b", "")),
       said(make_pool("p", "10.0.0.0/16", Encapsulation::kVxlan, true)),
       block_of("10.0.1.0/26", "b"), block_of("10.0.2.0/26", "gone"),
       block_of("10.9.0.0/26", "b")});
  model::NodeNetwork c = make_node("c", "192.0.2.3");
  say({said(c), block_of("10.0.3.0/26", "c"), said(make_node("d", "192.0.2.3"))});
  engine_.flush();
  EXPECT_THAT(
      engine_.problems(),
      UnorderedElementsAre(
          HasSubstr("(this one): the prefix length of its address 192.0.2.1 is not known"),
          HasSubstr("node gone does not exist: no route to 1 block (10.0.2.0/26)"),
          HasSubstr("node b has no IPv4 address: no route to 2 blocks (10.0.1.0/26, 10.9.0.0/26)"),
          HasSubstr("(this one) has no IPv4 VXLAN tunnel address yet: no route to 1 block"),
          HasSubstr("nodes c, d have the same address 192.0.2.3")));
}

TEST(NetworkEnginePodCidrs, AreTheBlocks) {
  NetworkEngine engine({.node = "b", .pod_cidrs = true});
  const auto node = [](const std::string& name, const char* address, const char* range) {
    model::NodeNetwork one = make_node(name, address);
    one.pod_cidrs = {cidr(range)};
    return said(one);
  };
  engine.apply(node("a", "192.0.2.1/24", "10.1.0.0/24"));
  engine.apply(node("b", "192.0.2.2/24", "10.1.1.0/24"));
  engine.apply(node("c", "192.0.2.3", "10.1.1.0/24"));
  engine.apply(node("d", "192.0.2.4", "10.1.0.128/25"));
  engine.apply(block_of("10.9.0.0/26", "a"));
  engine.flush();
  const auto& routes = engine.network().routes;
  EXPECT_EQ(routes.size(), 3U);
  EXPECT_EQ(routes.at(cidr("10.1.0.0/24")), (BlockRoute{Path::kDirect, ip("192.0.2.1"), "a"}));
  EXPECT_EQ(routes.at(cidr("10.1.1.0/24")).path, Path::kBlackhole);
  EXPECT_THAT(
      engine.problems(),
      ElementsAre("10.1.1.0/24 is claimed by nodes b and c: it counts as b's",
                  "pod CIDR 10.1.0.128/25 of node d overlaps 10.1.0.0/24 of node a: the smaller "
                  "one counts where both do"));
  engine.apply(model::NodeNetworkUpdate{"b", std::nullopt});
  engine.flush();
  EXPECT_EQ(routes.at(cidr("10.1.1.0/24")).via, ip("192.0.2.3"));
  // As other agents without annotations have it: a node without a prefix length tries directly.
  engine.apply(node("b", "192.0.2.2", "10.1.2.0/24"));
  engine.flush();
  EXPECT_EQ(routes.at(cidr("10.1.0.0/24")).path, Path::kDirect);
}

}  // namespace
}  // namespace caracal::route
