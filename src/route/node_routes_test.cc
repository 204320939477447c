#include "route/node_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::route {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

net::Cidr cidr(std::string_view text) { return net::Cidr::parse(text).value(); }
net::IpAddr ip(std::string_view text) { return net::IpAddr::parse(text).value(); }

model::Node node(const std::string& name, std::vector<net::Cidr> cidrs,
                 std::vector<net::IpAddr> addresses) {
  model::Node out;
  out.name = name;
  out.pod_cidrs = std::move(cidrs);
  out.internal_addresses = std::move(addresses);
  return out;
}

TEST(NodeRoutes, GoViaTheNodesAddressOfTheSameFamily) {
  const std::map<std::string, model::Node> nodes = {
      {"a",
       node("a", {cidr("10.1.1.0/24"), cidr("fd00:1::/64")}, {ip("192.0.2.1"), ip("2001:db8::1")})},
      {"b", node("b", {cidr("10.1.2.0/24"), cidr("fd00:2::/64")},
                 {ip("192.0.2.2"), ip("2001:db8::2")})}};
  const NodeRoutes out = node_routes("a", nodes);
  EXPECT_TRUE(out.problems.empty());
  const std::map<net::Cidr, NextHop> expected = {{cidr("10.1.1.0/24"), {std::nullopt, "a"}},
                                                 {cidr("fd00:1::/64"), {std::nullopt, "a"}},
                                                 {cidr("10.1.2.0/24"), {ip("192.0.2.2"), "b"}},
                                                 {cidr("fd00:2::/64"), {ip("2001:db8::2"), "b"}}};
  EXPECT_EQ(out.routes, expected);
}

TEST(NodeRoutes, NameWhatCannotBe) {
  const std::map<std::string, model::Node> nodes = {
      {"b", node("b", {cidr("10.1.0.0/16")}, {ip("192.0.2.2")})},
      {"c", node("c", {cidr("10.1.9.0/24"), cidr("10.3.0.0/24")}, {ip("192.0.2.3")})},
      {"d", node("d", {cidr("10.4.0.0/24"), cidr("fd00:4::/64")}, {ip("192.0.2.4")})},
      {"z", node("z", {cidr("10.1.5.0/24")}, {ip("192.0.2.9")})}};
  const NodeRoutes out = node_routes("z", nodes);
  EXPECT_THAT(out.problems,
              ElementsAre(HasSubstr("10.1.0.0/16 of node b overlaps 10.1.5.0/24 of node z"),
                          HasSubstr("fd00:4::/64 of node d: the node has no IPv6 InternalIP")));
  EXPECT_EQ(out.routes.count(cidr("10.1.9.0/24")), 1u);
  EXPECT_EQ(out.routes.at(cidr("10.4.0.0/24")).via, ip("192.0.2.4"));
}

TEST(NodeRoutes, WithoutOurselvesTheOthersStillHaveRoutes) {
  EXPECT_EQ(
      node_routes("x", {{"b", node("b", {cidr("10.1.0.0/16")}, {ip("192.0.2.2")})}}).routes.size(),
      1u);
}

}  // namespace
}  // namespace caracal::route
