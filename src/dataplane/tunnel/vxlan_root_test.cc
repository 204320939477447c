// Packets over VXLAN devices that the driver made, between namespaces, in both families; and their
// return when somebody takes something away.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>

#include "dataplane/tunnel/block_routes.h"
#include "dataplane/tunnel/testing/two_nodes.h"

namespace caracal::dataplane::tunnel {
namespace {

using desired::Path;
using net::Family;
using testing::HasSubstr;
using testing::Not;
using tunnel_testing::run_in;
using tunnel_testing::TwoNodes;
using Clock = std::chrono::steady_clock;

class VxlanRootTest : public testing::TestWithParam<Family> {
 protected:
  void SetUp() override {
    for (size_t i = 0; i < 2; ++i) {
      TwoNodes::add_path(networks_[i], i, family(), Path::kVxlan);
      lab_.program(i, networks_[i]);
    }
  }
  static Family family() { return GetParam(); }
  static std::string device() { return family() == Family::kIPv4 ? kVxlanV4 : kVxlanV6; }
  std::string settings() {
    return run_in(lab_[0].node, "ip addr show scope global " + device()) +
           run_in(lab_[0].node, "bridge fdb show dev " + device());
  }
  bool connected() { return lab_.reaches(0, 1, family()) && lab_.reaches(1, 0, family()); }

  // As the agent's loop does: waits for drift on either driver and repairs it, until all is quiet
  // or the time is over. How long until the pods were connected again.
  std::chrono::milliseconds repair_until_connected(size_t i) {
    const auto start = Clock::now();
    const auto end = start + std::chrono::seconds(60);
    while (Clock::now() < end) {
      pollfd fds[] = {{lab_[i].tunnels->watch_fd(), POLLIN, 0},
                      {lab_[i].routes->watch_fd(), POLLIN, 0}};
      ::poll(fds, 2, 100);
      const bool tunnels = *lab_[i].tunnels->changed();
      bool fine = !tunnels || lab_[i].tunnels->sync(networks_[i]).has_value();
      const bool routes = *lab_[i].routes->changed();
      fine &= !routes || lab_[i].routes->sync(block_routes(networks_[i])).has_value();
      fine &= !tunnels || lab_[i].tunnels->drop_unneeded().has_value();
      EXPECT_TRUE(fine);
      if (!tunnels && !routes && connected())
        return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
    }
    ADD_FAILURE() << "not connected again";
    return std::chrono::seconds(60);
  }

  TwoNodes lab_;
  desired::PodNetwork networks_[2];
};

INSTANTIATE_TEST_SUITE_P(Families, VxlanRootTest, testing::Values(Family::kIPv4, Family::kIPv6),
                         [](const auto& family) {
                           return std::string(net::to_string(family.param));
                         });

TEST_P(VxlanRootTest, PodsReachEachOther) {
  EXPECT_TRUE(connected());
  // Through the tunnel, not around it.
  EXPECT_THAT(run_in(lab_[0].node, "ip -s -j link show " + device()),
              Not(HasSubstr("\"tx\":{\"bytes\":0,")));
  const std::string details = run_in(lab_[0].node, "ip -d link show " + device());
  EXPECT_THAT(details, HasSubstr("vxlan id 4096"));
  EXPECT_THAT(details, HasSubstr("dstport 4789 nolearning"));
  EXPECT_THAT(details, HasSubstr(TwoNodes::tunnel_mac(0, family()).to_string()));
}

TEST_P(VxlanRootTest, ARestartTouchesNothing) {
  const std::string before = run_in(lab_[0].node, "ip -d addr show scope global " + device());
  lab_.restart(0);
  const TunnelReport report = lab_.program(0, networks_[0]);
  EXPECT_EQ(report.added + report.changed + report.removed, 0u);
  EXPECT_EQ(report.right, 3u);  // device, forwarding, neighbour
  EXPECT_TRUE(report.notes.empty());
  EXPECT_EQ(run_in(lab_[0].node, "ip -d addr show scope global " + device()), before);
  EXPECT_TRUE(connected());
}

TEST_P(VxlanRootTest, WhatSomebodyTakesComesBackAtOnce) {
  const std::string peer = TwoNodes::tunnel_address(1, family()).to_string();
  const std::string peer_mac = TwoNodes::tunnel_mac(1, family()).to_string();
  const std::string address = TwoNodes::tunnel_address(0, family()).to_string();
  for (const std::string& command : {
           "ip link del " + device(),
           "ip link set " + device() + " down",
           fmt::format("bridge fdb del {} dev {}", peer_mac, device()),
           fmt::format("ip neigh del {} dev {}", peer, device()),
           fmt::format("ip route del {}", TwoNodes::block(1, family()).to_string()),
           fmt::format("ip link set {} address 02:00:00:00:00:01", device()),
           fmt::format("ip link set {} name strange", device()),
       }) {
    ASSERT_TRUE(connected());
    lab_[0].tunnels->changed();
    lab_[0].routes->changed();
    if (command.ends_with("strange")) run_in(lab_[0].node, "ip link set " + device() + " down");
    run_in(lab_[0].node, command);
    // Its name is not ours any more, but it still has our VNI: the new one could not come up.
    if (command.ends_with("strange")) run_in(lab_[0].node, "ip link del strange");
    // A second on an idle machine; what is shown here is that it does not wait for a clock of ours.
    EXPECT_LT(repair_until_connected(0).count(), 10'000) << command;
  }
  // And what does no harm to packets but is not as wanted.
  for (const std::string& command : {
           fmt::format("ip link set {} mtu 1400", device()),
           fmt::format("ip addr del {} dev {}", address, device()),
           fmt::format("ip addr add {} dev {}",
                       family() == Family::kIPv4 ? "10.99.0.1/32" : "fd99::1/128", device()),
           fmt::format("bridge fdb add 66:00:00:00:99:99 dst {} dev {} permanent",
                       TwoNodes::node_address(1, family()).to_string(), device()),
       }) {
    const std::string before = settings();
    EXPECT_FALSE(*lab_[0].tunnels->changed());
    run_in(lab_[0].node, command);
    repair_until_connected(0);
    EXPECT_EQ(settings(), before) << command;
    EXPECT_FALSE(*lab_[0].tunnels->changed());
  }
}

}  // namespace
}  // namespace caracal::dataplane::tunnel
