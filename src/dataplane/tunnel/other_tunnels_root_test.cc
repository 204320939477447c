// IPIP and WireGuard: packets between two nodes over devices that the driver made. Kernels without
// them get a clear problem and everything else; tests/qemu runs this with Debian's kernel, which
// has both.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "dataplane/tunnel/block_routes.h"
#include "dataplane/tunnel/testing/two_nodes.h"
#include "netlink/rtnetlink.h"

namespace caracal::dataplane::tunnel {
namespace {

using desired::Path;
using net::Family;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using tunnel_testing::ip;
using tunnel_testing::run_in;
using tunnel_testing::TwoNodes;

class OtherTunnelsRootTest : public testing::Test {
 protected:
  // Does this kernel make devices of the kind? Where the environment says it must, it must.
  bool kernel_has(const std::string& kind) {
    const TunnelReport report = *TunnelDriver::open_in(lab_[0].node)->sync(network(0, kind));
    const bool has = report.problems.empty();
    if (!has) {
      EXPECT_EQ(report.problems[0].error.code, Errc::kUnsupported);
      EXPECT_THAT(report.problems[0].error.message,
                  HasSubstr("this kernel has no devices of kind"));
      EXPECT_EQ(std::getenv("CARACAL_TEST_ALL_TUNNELS"), nullptr)
          << report.problems[0].error.message;
    }
    return has;
  }
  static desired::PodNetwork network(size_t i, const std::string& kind) {
    desired::PodNetwork out;
    TwoNodes::add_path(out, i, Family::kIPv4, kind == "ipip" ? Path::kIpip : Path::kWireguard);
    return out;
  }
  bool connected(Family family) { return lab_.reaches(0, 1, family) && lab_.reaches(1, 0, family); }
  std::string details(size_t i, const std::string& device) {
    return run_in(lab_[i].node, "ip -s -d addr show dev " + device);
  }

  TwoNodes lab_;
};

TEST_F(OtherTunnelsRootTest, AMissingKindDoesNotStopTheOthers) {
  desired::PodNetwork all = network(0, "ipip");
  TwoNodes::add_path(all, 0, Family::kIPv6, Path::kWireguard);
  TwoNodes::add_path(all, 0, Family::kIPv6, Path::kVxlan);
  const auto report = lab_[0].tunnels->sync(all);
  ASSERT_TRUE(report) << report.error().message;
  for (const TunnelProblem& problem : report->problems) {
    EXPECT_THAT(problem.object, testing::AnyOf("device tunl0", "device wg-v6.cali"));
    EXPECT_EQ(problem.error.code, Errc::kUnsupported);
  }
  EXPECT_THAT(run_in(lab_[0].node, "ip link"), HasSubstr("vxlan-v6.calico"));
  EXPECT_TRUE(lab_[0].tunnels->remove());
  EXPECT_THAT(run_in(lab_[0].node, "ip link"), Not(HasSubstr("cali:")));
}

TEST_F(OtherTunnelsRootTest, IpipCarriesPackets) {
  if (!kernel_has("ipip")) GTEST_SKIP() << "this kernel has no ipip";
  for (size_t i = 0; i < 2; ++i) lab_.program(i, network(i, "ipip"));
  EXPECT_TRUE(connected(Family::kIPv4));
  EXPECT_THAT(details(0, "tunl0"), HasSubstr("mtu 1480"));
  EXPECT_THAT(details(0, "tunl0"), HasSubstr("inet 10.245.0.1/32"));
  EXPECT_THAT(run_in(lab_[0].node, "ip -s -j link show tunl0"),
              Not(HasSubstr("\"tx\":{\"bytes\":0,")));

  // A restart touches nothing.
  lab_.restart(0);
  TunnelReport report = lab_.program(0, network(0, "ipip"));
  EXPECT_EQ(report.right, 1u);
  EXPECT_EQ(report.added + report.changed + report.removed, 0u);

  // Somebody's own address on it stays, whatever becomes of ours.
  run_in(lab_[0].node, "ip addr add 198.51.100.9/32 dev tunl0");
  run_in(lab_[0].node, "ip link set tunl0 mtu 1300");
  EXPECT_TRUE(*lab_[0].tunnels->changed());
  report = lab_.program(0, network(0, "ipip"));
  EXPECT_EQ(report.changed, 1u);
  desired::PodNetwork moved = network(0, "ipip");
  moved.v4.ipip->address = ip("10.245.0.77");
  lab_.restart(0);
  lab_.program(0, moved);
  EXPECT_THAT(details(0, "tunl0"), HasSubstr("inet 10.245.0.77/32"));
  EXPECT_THAT(details(0, "tunl0"), Not(HasSubstr("inet 10.245.0.1/32")));
  lab_.restart(0);
  lab_.program(0, {});
  EXPECT_THAT(details(0, "tunl0"), Not(HasSubstr("10.245.")));
  EXPECT_THAT(details(0, "tunl0"), HasSubstr("198.51.100.9"));
  EXPECT_THAT(details(0, "tunl0"), HasSubstr("UP"));
  // The other node has no stranger's address: down, as it was before.
  lab_.program(1, {});
  EXPECT_THAT(details(1, "tunl0"), HasSubstr("state DOWN"));
  EXPECT_THAT(details(1, "tunl0"), Not(HasSubstr("alias")));
}

TEST_F(OtherTunnelsRootTest, IpipTakesTheRouteFromDirectWithoutAHole) {
  if (!kernel_has("ipip")) GTEST_SKIP() << "this kernel has no ipip";
  desired::PodNetwork direct;
  for (size_t i = 0; i < 2; ++i) {
    direct = {};
    TwoNodes::add_path(direct, i, Family::kIPv4, Path::kDirect);
    lab_.program(i, direct);
    EXPECT_TRUE(lab_[i].tunnels->apply({.devices = true}, network(i, "ipip")));
  }
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(connected(Family::kIPv4));
    const auto report = lab_[i].routes->apply(
        fib::difference(lab_[i].routes->wanted(), block_routes(network(i, "ipip"))));
    ASSERT_TRUE(report);
    EXPECT_EQ(report->changed, 1u);
  }
  EXPECT_TRUE(connected(Family::kIPv4));
  EXPECT_THAT(run_in(lab_[0].node, "ip route show proto 202"), HasSubstr("dev tunl0 onlink"));
}

class WireguardRootTest : public OtherTunnelsRootTest {
 protected:
  // Devices first: they have the keys that the other side needs.
  bool connect(Family family) {
    for (size_t i = 0; i < 2; ++i) {
      networks_[i] = {};
      TwoNodes::add_path(networks_[i], i, family, Path::kWireguard);
      const auto report = lab_[i].tunnels->sync(networks_[i]);
      EXPECT_TRUE(report) << report.error().message;
      for (const TunnelProblem& problem : report->problems) ADD_FAILURE() << problem.error.message;
      keys_[i] = report->public_keys.at(tunnels(i, family).wireguard->name);
    }
    for (size_t i = 0; i < 2; ++i) {
      tunnels(i, family).wireguard_peers[keys_[1 - i]] = {
          .node = fmt::format("node{}", 1 - i),
          .node_address = TwoNodes::node_address(1 - i, family),
          .port = tunnels(1 - i, family).wireguard->port,
          .allowed = {TwoNodes::block(1 - i, family),
                      net::Cidr::host(TwoNodes::tunnel_address(1 - i, family))}};
      lab_.program(i, networks_[i]);
    }
    return connected(family);
  }
  desired::FamilyTunnels& tunnels(size_t i, Family family) {
    return family == Family::kIPv4 ? networks_[i].v4 : networks_[i].v6;
  }

  desired::PodNetwork networks_[2];
  std::string keys_[2];
};

TEST_F(WireguardRootTest, CarriesPacketsOfBothFamilies) {
  if (!kernel_has("wireguard")) GTEST_SKIP() << "this kernel has no wireguard";
  EXPECT_TRUE(connect(Family::kIPv4));
  EXPECT_THAT(run_in(lab_[0].node, "ip -s -j link show wireguard.cali"),
              Not(HasSubstr("\"tx\":{\"bytes\":0,")));
  for (size_t i = 0; i < 2; ++i) lab_.program(i, {});
  EXPECT_THAT(run_in(lab_[0].node, "ip link"), Not(HasSubstr("wireguard.cali")));
  EXPECT_TRUE(connect(Family::kIPv6));
}

TEST_F(WireguardRootTest, AnUnchangedPeerIsNotTouched) {
  if (!kernel_has("wireguard")) GTEST_SKIP() << "this kernel has no wireguard";
  ASSERT_TRUE(connect(Family::kIPv4));
  lab_.restart(0);
  TunnelReport report = lab_.program(0, networks_[0]);
  EXPECT_EQ(report.right, 2u);
  EXPECT_EQ(report.added + report.changed + report.removed, 0u);
  EXPECT_EQ(report.public_keys.at("wireguard.cali"), keys_[0]);  // it kept its key
  EXPECT_FALSE(*lab_[0].tunnels->look());
  EXPECT_TRUE(connected(Family::kIPv4));

  // Another peer comes, with a prefix that the first one loses, and goes again.
  desired::PodNetwork next = networks_[0];
  const std::string other = WireguardKey::generate()->to_string();
  desired::WireguardPeer& first = next.v4.wireguard_peers.at(keys_[1]);
  const net::Cidr moving = net::Cidr::host(TwoNodes::tunnel_address(1, Family::kIPv4));
  first.allowed.erase(moving);
  next.v4.wireguard_peers[other] = {
      .node = "node9", .node_address = ip("192.0.2.9"), .port = 51820, .allowed = {moving}};
  // A peer with more prefixes than one message holds.
  desired::WireguardPeer& wide = next.v4.wireguard_peers[WireguardKey::generate()->to_string()];
  wide = {.node = "node8", .node_address = ip("192.0.2.8"), .port = 51820};
  for (uint32_t n = 0; n < 4000; ++n)
    wide.allowed.insert(net::Cidr(net::IpAddr::v4(0x0b000000 + n * 64), 26));
  auto applied = lab_[0].tunnels->apply({.wireguard_peers = true}, next);
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_THAT(applied->problems, IsEmpty());
  EXPECT_EQ(applied->added, 2u);
  EXPECT_EQ(applied->changed, 1u);
  EXPECT_FALSE(*lab_[0].tunnels->look());
  EXPECT_TRUE(connected(Family::kIPv4));
  EXPECT_EQ(lab_[0].tunnels->sync(next)->right, 4u);
  applied = lab_[0].tunnels->apply({.wireguard_peers = true}, networks_[0]);
  ASSERT_TRUE(applied);
  EXPECT_EQ(applied->added, 0u);
  EXPECT_EQ(lab_[0].tunnels->drop_unneeded()->removed, 2u);
  EXPECT_TRUE(connected(Family::kIPv4));
  EXPECT_FALSE(*lab_[0].tunnels->look());

  // The device goes: it comes back, but its key is lost with it, so a new one is told.
  run_in(lab_[0].node, "ip link del wireguard.cali");
  EXPECT_TRUE(*lab_[0].tunnels->changed());
  report = lab_.program(0, networks_[0]);
  EXPECT_NE(report.public_keys.at("wireguard.cali"), keys_[0]);
}

TEST_F(WireguardRootTest, TheGivenKeyIsSetAndABadPeerIsReported) {
  if (!kernel_has("wireguard")) GTEST_SKIP() << "this kernel has no wireguard";
  const WireguardKey key = *WireguardKey::generate();
  lab_.restart(0,
               {.wireguard_key = [&](const std::string&) -> Result<WireguardKey> { return key; }});
  desired::PodNetwork network;
  TwoNodes::add_path(network, 0, Family::kIPv4, Path::kWireguard);
  network.v4.wireguard_peers["nonsense"] = {.node = "node7"};
  auto report = lab_[0].tunnels->sync(network);
  ASSERT_TRUE(report);
  ASSERT_THAT(report->problems, SizeIs(1));
  EXPECT_THAT(report->problems[0].error.message, HasSubstr("node7: WireGuard key \"nonsense\""));
  const std::string public_key = report->public_keys.at("wireguard.cali");
  // The device comes back with the same key.
  run_in(lab_[0].node, "ip link del wireguard.cali");
  report = lab_[0].tunnels->sync(network);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->public_keys.at("wireguard.cali"), public_key);
}

}  // namespace
}  // namespace caracal::dataplane::tunnel
