#include "lab/picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jsonio/json.h"
#include "lab/block_routes.h"

namespace caracal::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Picture two_nodes() {
  Picture picture;
  picture.name = "two";
  picture.api = "https://172.31.255.1:6443";
  picture.segments = {{"management", {"172.31.255.0/24"}}, {"a<b", {"10.64.1.0/24"}}};
  picture.routers = {{"r1", 65001, {{"a<b", "eth0", {"10.64.1.1"}}}, 2}};
  for (const char* name : {"node1", "node2"}) {
    PictureNode node;
    node.name = name;
    node.segment = "a<b";
    node.addresses = {"10.64.1.11"};
    node.mtu = 1500;
    node.state = "ready";
    node.blocks = {"192.168.0.0/26"};
    node.pods = {"dev/pod1"};
    node.tunnels = {{"vxlan", "vxlan.calico", {"192.168.0.1"}, 1450}};
    picture.nodes.push_back(node);
  }
  picture.nodes[0].routes = {{*net::Cidr::parse("192.168.0.64/26"), "node2", "vxlan.calico",
                              "192.168.0.65", "vxlan", false}};
  picture.nodes[1].state = "the agent is away";
  picture.sessions = {{"node1", "r1", "10.64.1.1", true, "Established"},
                      {"node2", "r1", "10.64.1.1", false, "Active"}};
  picture.faults = {"link node2 is cut"};
  return picture;
}

TEST(Picture, TextNamesEverything) {
  const std::string text = picture_text(two_nodes(), {});
  EXPECT_THAT(text, HasSubstr("a<b   10.64.1.0/24\n├─ r1   10.64.1.1 on eth0   AS 65001\n"));
  EXPECT_THAT(text, HasSubstr("route   192.168.0.64/26 to node2: vxlan by vxlan.calico via "
                              "192.168.0.65\n"));
  EXPECT_THAT(text, HasSubstr("the agent is away"));
  EXPECT_THAT(text, HasSubstr("bgp     r1 Active"));
  EXPECT_THAT(text, HasSubstr("fault: link node2 is cut"));
}

// What a node's agent tells of its own sessions goes before what others see of them.
TEST(Picture, SessionsOfANode) {
  const auto status = jsonio::parse(R"({"network": {"bgp": {"peers": [
      {"name": "Mesh_10_64_1_12", "peer": "node2", "address": "10.64.1.12", "up": true,
       "kind": "node-to-node mesh", "state": "Established", "since": "2026-01-02 03:04:05.678"},
      {"name": "Global_10_64_1_1", "peer": "", "address": "10.64.1.1", "up": false,
       "kind": "global", "state": "Active", "since": "2026-01-02 03:04:06.789",
       "whyNotUp": "10.64.1.1 does not answer"},
      {"name": "Global_9_9_9_9", "peer": "", "address": "9.9.9.9", "up": false,
       "kind": "global", "state": "Connect"}]}}})");
  ASSERT_TRUE(status);
  Picture picture = two_nodes();
  picture.nodes[0].sessions = read_sessions("node1", *status, {{"10.64.1.1", "r1"}});
  ASSERT_EQ(picture.nodes[0].sessions.size(), 3U);
  const std::string text = picture_text(picture, {});
  EXPECT_THAT(text, HasSubstr("bgp     node2 10.64.1.12 (node-to-node mesh): Established since "
                              "2026-01-02 03:04:05\n"));
  EXPECT_THAT(text, HasSubstr("bgp     r1 10.64.1.1 (global): Active since 2026-01-02 03:04:06; "
                              "10.64.1.1 does not answer\n"));
  EXPECT_THAT(text, HasSubstr("bgp     9.9.9.9 (global): Connect\n"));
  const std::string svg = picture_svg(picture);
  EXPECT_THAT(svg, HasSubstr("bgp    node2 up since 03:04:05"));
  EXPECT_THAT(svg, HasSubstr("       r1 Active since 03:04:06"));
  const json::value drawn = to_json(picture);
  EXPECT_EQ(drawn.at("nodes").at(0).at("sessions").at(1).at("whyNotUp").as_string(),
            "10.64.1.1 does not answer");
}

TEST(Picture, SvgIsWellFormedAndHoldsTheSame) {
  const std::string svg = picture_svg(two_nodes());
  EXPECT_THAT(svg, HasSubstr("a&lt;b"));
  EXPECT_THAT(svg, Not(HasSubstr("a<b")));
  EXPECT_THAT(svg, HasSubstr("192.168.0.64/26 &gt; node2"));
  EXPECT_THAT(svg, HasSubstr("BGP: 1 sessions, 1 not up"));
  EXPECT_THAT(svg, HasSubstr("link node2 is cut"));
  // Each element is closed: <svg> and <text> by an end, the others at once.
  size_t open = 0;
  for (size_t at = svg.find('<'); at != std::string::npos; at = svg.find('<', at + 1)) {
    const size_t end = svg.find('>', at);
    ASSERT_NE(end, std::string::npos);
    if (svg[at + 1] == '/') {
      ASSERT_GT(open, 0U);
      --open;
    } else if (svg[end - 1] != '/') {
      ++open;
    }
  }
  EXPECT_EQ(open, 0U);
}

TEST(Picture, SocketsAreReadFromTheKernelsTable) {
  const auto sockets = parse_tcp_table(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
      "   0: 0B01400A:00B3 0101400A:D431 01 00000000:00000000 00:00000000 00000000     0\n"
      "   1: 00000000:00B3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
      "   2: 000000FD00000000000000000B000000:00B3 000000FD000000000000000001000000:8000 01 0:0 "
      "0\n");
  ASSERT_EQ(sockets.size(), 3U);
  EXPECT_EQ(sockets[0].local.to_string(), "10.64.1.11");
  EXPECT_EQ(sockets[0].remote.to_string(), "10.64.1.1");
  EXPECT_EQ(sockets[0].local_port, 179);
  EXPECT_TRUE(sockets[0].established);
  EXPECT_FALSE(sockets[1].established);
  EXPECT_EQ(sockets[2].remote_port, 0x8000);
  EXPECT_TRUE(sockets[2].local.is_v6());
}

TEST(BlockOwner, IsReadFromTheBlocksAffinity) {
  const auto block = read_block_owner(
      {{"spec", json::object{{"cidr", "10.0.0.0/26"}, {"affinity", "host:node1"}}}});
  ASSERT_TRUE(block);
  EXPECT_EQ(block->node, "node1");
  EXPECT_EQ(read_block_owner({{"spec", json::object{{"cidr", "10.0.0.0/26"}}}})->node, "");
  EXPECT_FALSE(read_block_owner({{"spec", json::object{{"cidr", "x"}}}}));
}

}  // namespace
}  // namespace caracal::lab
