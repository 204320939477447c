#include "cli/node_status_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jsonio/yaml.h"

namespace caracal::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json::value yaml(std::string_view text) {
  auto all = jsonio::parse_yaml(text);
  EXPECT_TRUE(all) << all.error().message;
  return all->front();
}

constexpr std::string_view kStatus = R"(
node: node1
network:
  addresses: {v4: 10.0.0.1/24, v6Error: no interface has an address}
  mtu: 1450
  routes: 7
  ipam: {mode: pools, borrowed: 1, blocks: [{cidr: 192.168.0.0/26, used: 3}, 192.168.0.64/26]}
  tunnels:
  - {device: vxlan.calico, kind: vxlan, address: 192.168.0.1, peers: 2, state: up}
  - {device: tunl0, kind: ipip, peers: 2, state: not as it should be, problem: this kernel has no ipip}
  bgp:
    state: running
    version: BIRD 2.0.12
    routerId: 10.0.0.1
    peers:
    - {name: Mesh_10_0_0_2, peer: node2, address: 10.0.0.2, kind: node mesh, asNumber: 64512,
       state: Established, up: true, since: '2026-01-02T03:04:05Z', imported: 2, exported: 1}
    - {name: Mesh_10_0_0_3, peer: node3, address: 10.0.0.3, kind: node mesh, asNumber: 64512,
       state: Active, up: false, since: '12:00:00', whyNotUp: connection refused}
  problems: [pool a contains no block]
)";

TEST(NodeNetwork, CountsWhatIsUpAndSaysWhatIsNot) {
  const NetworkHealth health = network_health(yaml(kStatus));
  EXPECT_TRUE(health.known);
  EXPECT_FALSE(health.well());
  EXPECT_EQ(sessions_text(health), "1/2 up");
  EXPECT_EQ(health.tunnels_up, 1U);
  EXPECT_THAT(health.troubles, ElementsAre("tunnel tunl0: this kernel has no ipip",
                                           "BGP session with node3 (10.0.0.3): connection refused",
                                           "pool a contains no block"));
}

TEST(NodeNetwork, ShowsAddressesTunnelsAndPeers) {
  const std::string text = network_text(yaml(kStatus));
  EXPECT_THAT(text, HasSubstr("addresses  10.0.0.1/24, v6: no interface has an address\n"));
  EXPECT_THAT(text, HasSubstr("MTU        1450\n"));
  EXPECT_THAT(text, HasSubstr("pools: 192.168.0.0/26 (3 used), 192.168.0.64/26, 1 borrowed\n"));
  EXPECT_THAT(text, HasSubstr("vxlan.calico   vxlan   192.168.0.1   2 peers   up\n"));
  EXPECT_THAT(text, HasSubstr("running, BIRD 2.0.12, router id 10.0.0.1\n"));
  EXPECT_THAT(text, HasSubstr("node2   10.0.0.2   node mesh   64512   Established   "
                              "2026-01-02 03:04:05   2/1\n"));
  EXPECT_THAT(text, HasSubstr("node3   10.0.0.3   node mesh   64512   Active        12:00:00  "));
  EXPECT_THAT(text, HasSubstr("connection refused\n"));
}

TEST(NodeNetwork, WhatIsMissingIsPassedOver) {
  EXPECT_THAT(network_text(yaml("{node: n}")), IsEmpty());
  EXPECT_TRUE(network_health(yaml("{node: n}")).well());
  EXPECT_FALSE(network_health(yaml("{node: n}")).known);
  // An agent that is half ready, and names of fields as an older one has them.
  const json::value some = yaml(R"({network: {tunnels: [{device: d}], bgp: {state: running,
      router_id: 1.1.1.1, last_error: 'no bird', peers: [{address: 1.2.3.4, as: 65000,
      state: Idle, why: unreachable}]}}})");
  const std::string text = network_text(some);
  EXPECT_THAT(text, HasSubstr("router id 1.1.1.1"));
  EXPECT_THAT(text, HasSubstr("65000"));
  EXPECT_THAT(network_health(some).troubles,
              ElementsAre("BGP: no bird", "BGP session with - (1.2.3.4): unreachable"));
  EXPECT_EQ(sessions_text(network_health(yaml("{network: {bgp: {state: 'off'}}}"))), "-");
  EXPECT_TRUE(network_health(yaml("{network: {bgp: {state: not-needed}}}")).well());
}

}  // namespace
}  // namespace caracal::cli
