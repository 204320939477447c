// A pool's mode changes on living nodes, under a stream of datagrams: how many are lost?
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "dataplane/tunnel/block_routes.h"
#include "dataplane/tunnel/testing/two_nodes.h"

namespace caracal::dataplane::tunnel {
namespace {

using desired::Path;
using net::Family;
using tunnel_testing::receive_datagram;
using tunnel_testing::send_datagram;
using tunnel_testing::TwoNodes;
using tunnel_testing::udp_socket;

class SwitchRootTest : public testing::TestWithParam<Family> {
 protected:
  // The node to `next`, as the agent does it: a delta, in the three steps.
  void change(size_t i, const desired::PodNetwork& next) {
    desired::PodNetworkDelta delta;
    delta.devices = true;
    for (const auto& [block, route] : next.routes) delta.routes[block] = route;
    for (const auto* peers : {&networks_[i].v4.vxlan_peers, &networks_[i].v6.vxlan_peers})
      for (const auto& [address, peer] : *peers) delta.vxlan_peers[address] = std::nullopt;
    for (const auto* peers : {&next.v4.vxlan_peers, &next.v6.vxlan_peers})
      for (const auto& [address, peer] : *peers) delta.vxlan_peers[address] = peer;
    const auto tunnels = lab_[i].tunnels->apply(delta, next);
    ASSERT_TRUE(tunnels) << tunnels.error().message;
    EXPECT_TRUE(tunnels->problems.empty());
    const auto routes = lab_[i].routes->apply(block_route_delta(delta, next));
    ASSERT_TRUE(routes) << routes.error().message;
    EXPECT_TRUE(routes->problems.empty());
    EXPECT_EQ(routes->changed, 1u);
    const auto dropped = lab_[i].tunnels->drop_unneeded();
    ASSERT_TRUE(dropped) << dropped.error().message;
    networks_[i] = next;
  }
  static desired::PodNetwork network(size_t i, Path path) {
    desired::PodNetwork out;
    TwoNodes::add_path(out, i, GetParam(), path);
    return out;
  }

  TwoNodes lab_;
  desired::PodNetwork networks_[2];
};

INSTANTIATE_TEST_SUITE_P(Families, SwitchRootTest, testing::Values(Family::kIPv4, Family::kIPv6),
                         [](const auto& family) {
                           return std::string(net::to_string(family.param));
                         });

TEST_P(SwitchRootTest, DirectToVxlanAndBackLosesNothing) {
  constexpr uint16_t kPort = 7002;
  constexpr int kSwitches = 10;
  for (size_t i = 0; i < 2; ++i) lab_.program(i, networks_[i] = network(i, Path::kDirect));
  ASSERT_TRUE(lab_.reaches(0, 1, GetParam()) && lab_.reaches(1, 0, GetParam()));

  const UniqueFd server = udp_socket(lab_[1].pod, TwoNodes::pod_address(1, GetParam()), kPort);
  const UniqueFd client = udp_socket(lab_[0].pod, TwoNodes::pod_address(0, GetParam()), 0);
  // What a slow receiver has not read yet must not count as lost.
  const int buffer = 32 * 1024 * 1024;
  ASSERT_EQ(::setsockopt(server.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer), 0);
  std::atomic<bool> stop = false;
  std::atomic<int> sent = 0;
  std::set<std::string> arrived;
  std::thread receiver([&] {
    for (;;) {
      std::string text = receive_datagram(server.get(), 200);
      if (text.empty() && stop) return;
      if (!text.empty()) arrived.insert(std::move(text));
    }
  });
  std::thread sender([&] {
    while (!stop) {
      // A refusal of the first hop counts as lost, too: it is not sent again.
      (void)send_datagram(client.get(), TwoNodes::pod_address(1, GetParam()), kPort,
                          std::to_string(sent));
      ++sent;
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  });
  // Packets go on all the time; each turn waits for some of them, so that every state carries some.
  const auto let_pass = [&](int datagrams) {
    const int from = sent;
    while (sent < from + datagrams) std::this_thread::yield();
  };
  let_pass(200);
  for (int turn = 0; turn < kSwitches; ++turn) {
    const Path path = turn % 2 == 0 ? Path::kVxlan : Path::kDirect;
    // Nodes follow one after another: the device of the receiving one stands until the sending one
    // does not need it, as the agents' own order has it.
    const std::array<size_t, 2> order =
        path == Path::kVxlan ? std::array<size_t, 2>{1, 0} : std::array<size_t, 2>{0, 1};
    for (const size_t i : order) {
      change(i, network(i, path));
      let_pass(100);
    }
  }
  stop = true;
  sender.join();
  receiver.join();
  const size_t lost = static_cast<size_t>(sent) - arrived.size();
  RecordProperty("sent", sent);
  RecordProperty("lost", static_cast<int>(lost));
  std::printf("%d switches of both nodes: %d datagrams sent, %zu lost\n", kSwitches, sent.load(),
              lost);
  EXPECT_EQ(lost, 0u);
}

}  // namespace
}  // namespace caracal::dataplane::tunnel
