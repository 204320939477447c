#include "lab/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jsonio/json.h"
#include "lab/plan.h"

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
