#include "dataplane/tunnel/block_routes.h"

#include <gtest/gtest.h>

namespace caracal::dataplane::tunnel {
namespace {

using desired::Path;

net::Cidr cidr(std::string_view text) { return *net::Cidr::parse(text); }
net::IpAddr ip(std::string_view text) { return *net::IpAddr::parse(text); }

std::string route_text(const desired::PodNetwork& network, std::string_view block,
                       const BlockRouteOptions& options = {}) {
  const auto routes = block_routes(network, options);
  const auto found =
      routes.find(fib::RouteKey{.destination = cidr(block), .metric = options.metric});
  return found == routes.end() ? "none" : found->second.to_string();
}

desired::PodNetwork sample() {
  desired::PodNetwork n;
  n.routes[cidr("10.1.0.0/26")] = {Path::kBlackhole, {}, "me"};
  n.routes[cidr("10.1.1.0/26")] = {Path::kDirect, ip("192.0.2.1"), "a"};
  n.routes[cidr("10.1.2.0/26")] = {Path::kVxlan, ip("10.1.2.1"), "b"};
  n.routes[cidr("10.1.3.0/26")] = {Path::kIpip, ip("192.0.2.3"), "c"};
  n.routes[cidr("10.1.4.0/26")] = {Path::kWireguard, {}, "d"};
  n.routes[cidr("fd00:2::/122")] = {Path::kVxlan, ip("fd00:2::1"), "b"};
  n.routes[cidr("fd00:4::/122")] = {Path::kWireguard, {}, "d"};
  return n;
}

TEST(BlockRoutesTest, EachPathHasItsForm) {
  const desired::PodNetwork n = sample();
  EXPECT_EQ(block_routes(n).size(), n.routes.size());
  EXPECT_EQ(route_text(n, "10.1.0.0/26"), "blackhole");
  EXPECT_EQ(route_text(n, "10.1.1.0/26"), "via 192.0.2.1");
  EXPECT_EQ(route_text(n, "10.1.2.0/26"), "via 10.1.2.1 dev vxlan.calico onlink");
  EXPECT_EQ(route_text(n, "10.1.3.0/26"), "via 192.0.2.3 dev tunl0 onlink");
  EXPECT_EQ(route_text(n, "10.1.4.0/26"), "dev wireguard.cali scope link");
  EXPECT_EQ(route_text(n, "fd00:2::/122"), "via fd00:2::1 dev vxlan-v6.calico onlink");
  EXPECT_EQ(route_text(n, "fd00:4::/122"), "dev wg-v6.cali");
}

TEST(BlockRoutesTest, DevicesNameThemselvesAndTheMetricIsTaken) {
  desired::PodNetwork n = sample();
  n.v4.vxlan.emplace().name = "other";
  EXPECT_EQ(route_text(n, "10.1.2.0/26", {.metric = 77}), "via 10.1.2.1 dev other onlink");
  EXPECT_EQ(block_routes(n, {.metric = 77}).begin()->first.metric, 77u);
}

TEST(BlockRoutesTest, ADeltaLeadsToTheSameAsTheWhole) {
  const desired::PodNetwork before = sample();
  desired::PodNetwork after = before;
  desired::PodNetworkDelta delta;
  delta.routes[cidr("10.1.1.0/26")] =
      after.routes[cidr("10.1.1.0/26")] = {Path::kVxlan, ip("10.1.1.1"), "a"};
  after.routes.erase(cidr("10.1.3.0/26"));
  delta.routes[cidr("10.1.3.0/26")] = std::nullopt;
  EXPECT_EQ(block_route_delta(delta, after),
            fib::difference(block_routes(before), block_routes(after)));
}

}  // namespace
}  // namespace caracal::dataplane::tunnel
