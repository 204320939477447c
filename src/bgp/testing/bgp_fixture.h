// The fixture of tests with real BIRDs: skipped without root or BIRD.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "bgp/testing/bird_network.h"
#include "bgp/testing/objects.h"

namespace caracal::bgp::testing {

class BgpRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    net = BirdNetwork::make(why);
    if (!net) GTEST_SKIP() << why;
  }
  // Nodes a, b, ... with 10.0.0.1 and fd00::1 on, blocks 192.168.1.0/26 and fd00:10::100/122 on.
  void add_nodes(int count) {
    std::vector<model::NetworkUpdate> updates = {update(pool("192.168.0.0/16")),
                                                 update(pool("fd00:10::/64"))};
    for (int i = 1; i <= count; ++i) {
      const std::string name(1, static_cast<char>('a' + i - 1));
      net->add_node(name, addresses(i));
      updates.push_back(update(node(name, addresses(i), {{"name", name}})));
      updates.push_back(block(fmt::format("192.168.{}.0/26", i), name));
      updates.push_back(block(fmt::format("fd00:10::{}00/122", i), name));
    }
    net->tell(updates);
  }
  static std::vector<std::string> addresses(int i) {
    return {fmt::format("10.0.0.{}/24", i), fmt::format("fd00::{}/64", i)};
  }
  bool up(const std::string& node, const std::string& address) {
    return net->eventually([&] { return net->established(node, address); });
  }
  bool routed(const std::string& host, const std::string& start) {
    return net->eventually([&] { return net->has_route(host, start); });
  }
  bool unrouted(const std::string& host, const std::string& start) {
    return net->eventually([&] { return !net->has_route(host, start); });
  }
  static model::BgpConfiguration no_mesh() {
    model::BgpConfiguration out;
    out.name = "default";
    out.node_mesh = false;
    return out;
  }
  // A session of one node with an address.
  static model::BgpPeer peer_of(const std::string& node, const std::string& ip, uint32_t as) {
    model::BgpPeer out = peer(node + "-" + ip);
    out.node = node;
    out.peer_ip = address(ip);
    out.as_number = as;
    return out;
  }

  std::unique_ptr<BirdNetwork> net;
};

}  // namespace caracal::bgp::testing
