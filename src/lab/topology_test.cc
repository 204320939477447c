#include "lab/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jsonio/json.h"
#include "lab/embedded_examples.h"
#include "lab/faults.h"
#include "lab/network.h"
#include "lab/plan.h"
#include "lab/routing.h"

namespace caracal::lab {
namespace {

using ::testing::HasSubstr;

std::string error_of(std::string_view yaml) {
  const auto result = parse_topology(yaml, "t.yaml");
  return result ? "no error" : result.error().message;
}

TEST(ParseTopology, EmptyTextIsThreeDualStackNodes) {
  const auto topology = parse_topology("", "t.yaml");
  ASSERT_TRUE(topology) << topology.error().message;
  ASSERT_EQ(topology->nodes.size(), 3U);
  EXPECT_EQ(topology->nodes[2].name, "node3");
  ASSERT_EQ(topology->nodes[2].pod_cidrs.size(), 2U);
  EXPECT_EQ(topology->nodes[2].pod_cidrs[0].to_string(), "192.168.3.0/24");
  EXPECT_EQ(topology->nodes[2].pod_cidrs[1].to_string(), "fd00:ca2a:ca1:3::/64");
  EXPECT_EQ(topology->outside.size(), 4U);
}

TEST(ParseTopology, KeepsWhatIsGivenAndSharesOutTheRest) {
  const auto topology = parse_topology(R"(
name: two
families: [IPv6]
nodes:
- name: edge
  labels: {zone: a}
- podCIDRs: ["fd00:9::/64", 10.0.0.0/24]
)",
                                       "t.yaml");
  ASSERT_TRUE(topology) << topology.error().message;
  EXPECT_EQ(topology->nodes[0].labels.at("zone"), "a");
  EXPECT_EQ(topology->nodes[0].pod_cidrs[0].to_string(), "fd00:ca2a:ca1:1::/64");
  EXPECT_EQ(topology->nodes[1].name, "node2");
  ASSERT_EQ(topology->nodes[1].pod_cidrs.size(), 1U);  // the IPv4 one is of no use in this lab
  EXPECT_EQ(topology->nodes[1].pod_cidrs[0].to_string(), "fd00:9::/64");
  for (const net::IpAddr& address : topology->outside) EXPECT_TRUE(address.is_v6());
}

TEST(ParseTopology, ErrorsNameFileFieldValueAndWhatIsValid) {
  EXPECT_THAT(error_of("nods: []"), HasSubstr("t.yaml: nods: unknown field; known are name"));
  EXPECT_THAT(error_of("name: My-Lab"), HasSubstr("lab name \"My-Lab\": must be 1 to 8"));
  EXPECT_THAT(error_of("families: [IPv5]"),
              HasSubstr("families[0]: \"IPv5\" is none of IPv4, IPv6"));
  EXPECT_THAT(error_of("nodes: 3"), HasSubstr("nodes: 3 is not a list"));
  EXPECT_THAT(error_of("nodes: [{name: a}, {name: a}]"),
              HasSubstr("nodes[1].name: \"a\" is there twice"));
  EXPECT_THAT(error_of("nodes: [{name: Node}]"), HasSubstr("nodes[0].name: \"Node\": must be"));
  EXPECT_THAT(error_of("nodes: [{name: fabric}]"), HasSubstr("another part of the lab"));
  EXPECT_THAT(error_of("nodes: [{labels: {n: 1}}]"),
              HasSubstr("nodes[0].labels.n: 1 is not a text"));
  EXPECT_THAT(error_of("nodes: [{podCIDRs: [10.0.0/24]}]"),
              HasSubstr("nodes[0].podCIDRs[0]: \"10.0.0/24\" is not an address prefix; valid are"));
  EXPECT_THAT(error_of("nodes: [{podCIDRs: [10.0.0.0/24]}, {podCIDRs: [10.0.0.0/25]}]"),
              HasSubstr("10.0.0.0/25 overlaps 10.0.0.0/24 of node node1"));
  EXPECT_THAT(error_of("podNetworks: [10.0.0.0/24]"), HasSubstr("it must be a /16 or larger"));
  EXPECT_THAT(error_of("outside: [host]"),
              HasSubstr("outside[0]: \"host\" is not an IPv4 or IPv6"));
  EXPECT_THAT(error_of("a: [\n"), HasSubstr("t.yaml: invalid YAML at line"));
  EXPECT_THAT(error_of("name: a\n---\nname: b\n"), HasSubstr("holds 2 documents"));
}

TEST(ParseTopology, RacksAreSubnetsRoutersAndNodes) {
  const auto topology = parse_topology(R"(
families: [IPv4]
racks:
- {name: a, as: 65001, nodes: 2, cidrs: [10.64.1.0/24]}
- {name: b, as: 65002, nodeAS: 65002}
spine: {mtu: 9000}
network: {ipam: pools, bgp: auto, defaultPool: {ipv4: 10.0.0.0/16, encapsulation: vxlan}}
agentArguments: [--log-level, debug]
objects:
- {apiVersion: crd.projectcalico.org/v1, kind: IPPool, metadata: {name: p}, spec: {cidr: 10.0.0.0/16}}
)",
                                       "t.yaml");
  ASSERT_TRUE(topology) << topology.error().message;
  ASSERT_EQ(topology->subnets.size(), 3U);
  EXPECT_EQ(topology->subnets[0].name, "spine");
  EXPECT_EQ(topology->subnets[0].mtu, 9000);
  ASSERT_EQ(topology->nodes.size(), 3U);
  EXPECT_EQ(topology->nodes[1].name, "a-2");
  EXPECT_EQ(topology->nodes[1].labels.at("rack"), "a");
  EXPECT_EQ(topology->nodes[2].subnet, "b");
  ASSERT_EQ(topology->routers.size(), 2U);
  EXPECT_EQ(topology->routers[1].name, "tor-b");
  EXPECT_EQ(topology->routers[1].bgp->node_as, 65002U);
  EXPECT_THAT(topology->routers[1].subnets, ::testing::ElementsAre("b", "spine"));
  EXPECT_THAT(topology->network.agent_arguments(),
              ::testing::ElementsAre("--ipam", "pools", "--bgp", "auto", "--default-pool-ipv4",
                                     "10.0.0.0/16", "--default-pool-encapsulation", "vxlan"));
  const auto again = parse_topology(jsonio::to_string(to_json(*topology)), "again");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, *topology);
}

TEST(ParseTopology, NodeCountIsSharedOutAmongTheSubnets) {
  const auto topology = parse_topology(
      "nodeCount: 5\nsubnets: [{name: a}, {name: b}]\nrouters: [{name: r, subnets: [a, b]}]\n",
      "t.yaml");
  ASSERT_TRUE(topology) << topology.error().message;
  std::string subnets;
  for (const NodeSpec& node : topology->nodes) subnets += node.subnet;
  EXPECT_EQ(subnets, "aaabb");
}

TEST(ParseTopology, ErrorsAboutTheNetworkNameTheField) {
  const std::string two = "subnets: [{name: a}, {name: b}]\n";
  EXPECT_THAT(error_of(two), HasSubstr("routers: 2 subnets and no router that joins them"));
  EXPECT_THAT(error_of(two + "routers: [{name: r, subnets: [a]}]"),
              HasSubstr("subnets[1]: no router joins b"));
  EXPECT_THAT(error_of(two + "routers: [{name: r, subnets: [a, c]}]"),
              HasSubstr("routers[0].subnets[1]: there is no subnet \"c\""));
  EXPECT_THAT(error_of(two + "routers: [{name: node1, subnets: [a, b]}]"),
              HasSubstr("routers[0].name: \"node1\" is there twice"));
  EXPECT_THAT(error_of(two + "routers: [{name: r, subnets: [a, b], bgp: {as: 0}}]"),
              HasSubstr("routers[0].bgp.as: 0: must be a number from 1 to 4294967295"));
  EXPECT_THAT(error_of("nodes: [{subnet: x}]\nsubnets: [{name: a}]"),
              HasSubstr("nodes[0].subnet: there is no subnet \"x\""));
  EXPECT_THAT(error_of("subnets: [{name: a, mtu: 100}]"),
              HasSubstr("subnets[0].mtu: 100: must be a number from 1280 to 65535"));
  EXPECT_THAT(error_of("subnets: [{name: a, cidrs: [10.0.0.0/28]}]"),
              HasSubstr("subnets[0].cidrs: 10.0.0.0/28 must have a length of 8 to 24 bits"));
  EXPECT_THAT(error_of("network: {ipam: hosts}"),
              HasSubstr("network.ipam: \"hosts\" is none of pools, pod-cidr"));
  EXPECT_THAT(error_of("network: {defaultPool: {ipv6: 10.0.0.0/8}}"),
              HasSubstr("network.defaultPool.ipv6: \"10.0.0.0/8\" is neither"));
  EXPECT_THAT(error_of("racks: [{name: a}]"), HasSubstr("racks[0].as: must be there"));
  EXPECT_THAT(error_of("nodeCount: 3\nnodes: []"), HasSubstr("nodeCount: excludes nodes"));
  EXPECT_THAT(error_of("objects: [{kind: IPPool}]"),
              HasSubstr("objects[0].apiVersion: must be a text"));
}

TEST(ParseTopology, EveryExampleIsValid) {
  size_t count = 0;
  for (const EmbeddedExample& example : embedded_examples()) {
    if (!example.path.starts_with("topologies/")) continue;
    ++count;
    const auto topology = parse_topology(example.text, example.path);
    EXPECT_TRUE(topology) << topology.error().message;
  }
  EXPECT_GE(count, 9U);
}

TEST(Plan, SubnetsHavePrefixesLinksAndRoutes) {
  const auto topology = parse_topology(R"(
families: [IPv4]
subnets: [{name: a, cidrs: [10.64.1.0/24]}, {name: b, mtu: 1400}, {name: c}]
routers: [{name: r, subnets: [a, b]}, {name: s, subnets: [b, c]}]
nodes: [{subnet: a}, {subnet: c}, {subnet: c, mtu: 9000}]
network: {ipam: pod-cidr}
)",
                                       "t.yaml");
  ASSERT_TRUE(topology) << topology.error().message;
  auto plan = make_plan(*topology, {});
  ASSERT_TRUE(plan) << plan.error().message;
  plan->api_port = 6443;
  EXPECT_EQ(plan->node_addresses(0)[0].to_string(), "10.64.1.11");
  EXPECT_EQ(plan->node_addresses(2)[0].to_string(), "172.31.253.12");
  EXPECT_EQ(plan->gateway(2)[0].to_string(), "172.31.253.1");
  EXPECT_EQ(plan->router_addresses(plan->topology.routers[1], 1)[0].to_string(), "172.31.254.2");
  const auto link = plan->find_link("r:b");
  ASSERT_TRUE(link);
  EXPECT_EQ(link->device, "eth1");
  EXPECT_EQ(link->mtu, 1400);
  EXPECT_EQ(plan->find_link("node3")->mtu, 9000);
  EXPECT_FALSE(plan->find_link("r:c"));

  std::vector<std::string> router, host;
  for (const IpBatch& batch : network_commands(*plan)) {
    if (batch.netns == plan->router_netns("r")) router = batch.lines;
    if (batch.netns.empty()) host = batch.lines;
  }
  using ::testing::Contains;
  EXPECT_THAT(router, Contains("route add 172.31.253.0/24 via 172.31.254.2"));  // c, by way of s
  EXPECT_THAT(router, Contains("route add 192.168.1.0/24 via 10.64.1.11"));     // pods of node1
  EXPECT_THAT(router, Contains("route add 192.168.3.0/24 via 172.31.254.2"));   // pods of node3
  EXPECT_THAT(host, Contains("route add 172.31.253.0/24 via 172.31.255.102"));

  const auto again = parse_plan(jsonio::to_string(to_json(*plan)), "lab.json");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->subnet_cidrs, plan->subnet_cidrs);
  const auto clash = make_plan(*topology, {*net::Cidr::parse("10.64.0.0/16")});
  ASSERT_FALSE(clash);
  EXPECT_THAT(clash.error().message, HasSubstr("subnets[0].cidrs: 10.64.1.0/24 overlaps"));
}

TEST(Routing, ConfigurationNamesNodesAndRouters) {
  const auto topology = parse_topology(
      "families: [IPv4]\nracks: [{name: a, as: 65001, cidrs: [10.64.1.0/24]}, {name: b, as: 65002, "
      "nodeAS: 65002}]\nspine: {cidrs: [10.64.0.0/24]}\n",
      "t.yaml");
  ASSERT_TRUE(topology) << topology.error().message;
  const Plan plan = *make_plan(*topology, {});
  const std::string a = make_bgpd_config(plan, 0);
  EXPECT_THAT(a, HasSubstr("router bgp 65001\n"));
  EXPECT_THAT(a, HasSubstr(" neighbor NODES4 remote-as 64512\n"));
  EXPECT_THAT(a, HasSubstr(" bgp listen range 10.64.1.0/24 peer-group NODES4\n"));
  EXPECT_THAT(a, ::testing::Not(HasSubstr("10.64.0.0/24 peer-group")));
  EXPECT_THAT(a, HasSubstr(" neighbor 10.64.0.2 remote-as 65002\n"));
  EXPECT_THAT(a, HasSubstr("neighbor NODES4 as-override"));
  EXPECT_THAT(make_bgpd_config(plan, 1), HasSubstr("neighbor NODES4 route-reflector-client"));
}

TEST(Faults, RulesetDropsWhatIsAsked) {
  Plan plan;
  plan.topology = *default_topology("lab", 2, {net::Family::kIPv4});
  plan.fabric = *choose_fabric(plan.topology.families, {});
  plan.api_port = 6443;
  EXPECT_THAT(faults_ruleset(plan, {}), ::testing::Not(HasSubstr("chain")));
  const std::string rules =
      faults_ruleset(plan, {{Fault::Kind::kApi, "node2", 0}, {Fault::Kind::kLoss, "node1", 20}});
  EXPECT_THAT(rules, HasSubstr("iifname \"node2\" ip daddr 172.31.255.1 tcp dport 6443 drop"));
  EXPECT_THAT(rules, HasSubstr("oifname \"node1\" numgen random mod 100 < 20 drop"));
}

TEST(Plan, RoundTripsThroughItsFile) {
  Plan plan;
  plan.topology = *default_topology("demo", 2, {net::Family::kIPv6, net::Family::kIPv4});
  plan.fabric = *choose_fabric(plan.topology.families, {});
  plan.api_port = 6443;
  const auto again = parse_plan(jsonio::to_string(to_json(plan)), "lab.json");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->topology, plan.topology);
  EXPECT_EQ(again->fabric, plan.fabric);
  EXPECT_EQ(again->api_url(), "https://[fd00:ca2a:fab:ff::1]:6443");
  EXPECT_EQ(again->node_addresses(1)[1].to_string(), "172.31.255.12");
}

TEST(Plan, FabricAvoidsWhatTheHostHas) {
  const std::vector<net::Cidr> taken = {*net::Cidr::parse("0.0.0.0/0"),
                                        *net::Cidr::parse("172.31.255.9/32"),
                                        *net::Cidr::parse("172.31.254.0/23")};
  const auto fabric = choose_fabric({net::Family::kIPv4}, taken);
  ASSERT_TRUE(fabric);
  EXPECT_EQ((*fabric)[0].to_string(), "172.31.253.0/24");
  const auto none = choose_fabric({net::Family::kIPv4}, {*net::Cidr::parse("172.16.0.0/12")});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::kExhausted);
}

TEST(Plan, PodNamespacesAreNeverNodesAndFitAFileName) {
  Plan plan;
  plan.topology.name = "lab";
  EXPECT_EQ(plan.pod_netns({"dev", "pod1"}), "crl-lab-dev.pod1");
  const std::string a = plan.pod_netns({std::string(63, 'n'), std::string(253, 'a')});
  const std::string b = plan.pod_netns({std::string(63, 'n'), std::string(252, 'a') + "b"});
  EXPECT_LT(a.size(), 255U);
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace caracal::lab
