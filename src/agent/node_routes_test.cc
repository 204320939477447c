#include "agent/node_routes.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include "base/strings.h"
#include "base/subprocess.h"
#include "netlink/network_namespace.h"

namespace caracal::agent {
namespace {

using ::testing::HasSubstr;

net::Cidr cidr(std::string_view text) { return *net::Cidr::parse(text); }

// What BIRD 2.0.12 has sent, and a session's second best.
bgp::Reply show_route() {
  bgp::ReplyReader reader;
  EXPECT_TRUE(
      reader.feed("1007-Table master4:\n"
                  " 10.244.1.0/26        unicast [Mesh_10_0_0_2 2026-11-23 06:44:55.205] * (100) "
                  "[i]\n"
                  " \tvia 10.0.0.2 on v0\n"
                  "                      unicast [Global_10_0_0_3 2026-11-23 06:44:56.205 from "
                  "10.0.0.9] (100) [AS65000i]\n"
                  " \tvia 10.0.0.3 on v0 weight 1\n"
                  " \tvia 10.0.0.4 on v1 onlink weight 1\n"
                  " 10.244.0.0/26        blackhole [blocks_v4 2026-11-23 06:44:51.155] * (200)\n"
                  " 10.0.0.0/24          unicast [direct1 2026-11-23 06:44:51.161] * (240)\n"
                  " \tdev v0\n"
                  " \n"
                  " Table master6:\n"
                  " fd00:1::/122         unicast [Mesh_fd00__2 06:44:51.161] ! (100) [i]\n"
                  " \tvia fe80::2 on v0\n"
                  "0000 \n"));
  const auto reply = reader.next();
  EXPECT_TRUE(reply);
  return reply.value_or(bgp::Reply{});
}

const json::array kPeers = {
    json::object{{"name", "Mesh_10_0_0_2"}, {"address", "10.0.0.2"}, {"kind", "node-to-node mesh"}},
    json::object{{"name", "Global_10_0_0_3"}, {"address", "10.0.0.3"}, {"kind", "global"}},
    json::object{{"name", "Mesh_fd00__2"}, {"address", "fd00::2"}, {"kind", "node-to-node mesh"}}};

TEST(NodeRoutes, ReadsWhatBirdShows) {
  const auto routes = parse_bird_routes(show_route());
  ASSERT_TRUE(routes) << routes.error().message;
  ASSERT_EQ(routes->size(), 6U);
  const net::Cidr block = cidr("10.244.1.0/26");
  EXPECT_EQ(routes->at(0), (BirdNodeRoute{{block, "10.0.0.2", "v0"}, "Mesh_10_0_0_2", true}));
  EXPECT_EQ(routes->at(1), (BirdNodeRoute{{block, "10.0.0.3", "v0"}, "Global_10_0_0_3", false}));
  EXPECT_EQ(routes->at(2), (BirdNodeRoute{{block, "10.0.0.4", "v1"}, "Global_10_0_0_3", false}));
  EXPECT_EQ(routes->at(3),
            (BirdNodeRoute{{cidr("10.244.0.0/26"), "", "blackhole"}, "blocks_v4", true}));
  EXPECT_EQ(routes->at(4), (BirdNodeRoute{{cidr("10.0.0.0/24"), "", "v0"}, "direct1", true}));
  EXPECT_EQ(routes->at(5),
            (BirdNodeRoute{{cidr("fd00:1::/122"), "fe80::2", "v0"}, "Mesh_fd00__2", true}));

  const auto refused = parse_bird_routes({{{9001, "syntax error"}}});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("syntax error"));
  // Text that is none of that does no harm.
  for (const char* text : {"", "[", "]", "x]y[", "via", "10.0.0.0/8 [", "junk/9 unicast [a b]",
                           "\tvia 10.0.0.1 on", "a b c d [e] f"}) {
    EXPECT_EQ(parse_bird_routes({{{1007, text}, {0, ""}}})->size(), 0U) << text;
  }
}

TEST(NodeRoutes, TellsWhereRoutesWereLearned) {
  const std::vector<KernelNodeRoute> kernel = {
      {{cidr("0.0.0.0/0"), "10.0.0.1", "v0"}, RTPROT_BOOT},
      {{cidr("10.0.0.0/24"), "", "v0"}, RTPROT_KERNEL},
      {{cidr("10.5.0.0/24"), "10.0.0.1", "v0"}, RTPROT_STATIC},
      {{cidr("10.244.0.0/26"), "", "blackhole"}, 202},
      {{cidr("10.244.1.0/26"), "10.0.0.2", "v0"}, RTPROT_BIRD},
      {{cidr("fe80::/64"), "", "v0"}, RTPROT_KERNEL}};
  const auto v4 =
      routes_of_family(net::Family::kIPv4, kernel, *parse_bird_routes(show_route()), kPeers);
  EXPECT_EQ(v4.left_out, 0U);
  const json::value expected = *jsonio::parse(R"([
    {"type":"FIB","destination":"0.0.0.0/0","gateway":"10.0.0.1","interface":"v0",
     "learnedFrom":{"sourceType":"Kernel"}},
    {"type":"FIB","destination":"10.0.0.0/24","gateway":"N/A","interface":"v0",
     "learnedFrom":{"sourceType":"Direct"}},
    {"type":"FIB","destination":"10.5.0.0/24","gateway":"10.0.0.1","interface":"v0",
     "learnedFrom":{"sourceType":"Static"}},
    {"type":"FIB","destination":"10.244.0.0/26","gateway":"N/A","interface":"blackhole",
     "learnedFrom":{"sourceType":"Kernel"}},
    {"type":"FIB","destination":"10.244.1.0/26","gateway":"10.0.0.2","interface":"v0",
     "learnedFrom":{"sourceType":"NodeMesh","peerIP":"10.0.0.2"}},
    {"type":"RIB","destination":"10.244.1.0/26","gateway":"10.0.0.3","interface":"v0",
     "learnedFrom":{"sourceType":"BGPPeer","peerIP":"10.0.0.3"}},
    {"type":"RIB","destination":"10.244.1.0/26","gateway":"10.0.0.4","interface":"v1",
     "learnedFrom":{"sourceType":"BGPPeer","peerIP":"10.0.0.3"}}])");
  EXPECT_EQ(json::value(v4.routes), expected) << jsonio::to_pretty_string(v4.routes);

  // The best route of BGP that the kernel does not have: the agent routes there itself.
  const auto v6 =
      routes_of_family(net::Family::kIPv6, kernel, *parse_bird_routes(show_route()), kPeers, 1);
  ASSERT_EQ(v6.routes.size(), 1U);
  EXPECT_EQ(jsonio::get_string(v6.routes[0], {"destination"}), "fe80::/64");
  EXPECT_EQ(v6.left_out, 1U);
}

TEST(NodeRoutes, ReadsTheKernel) {
  const auto ns = netlink::NetworkNamespace::create_anonymous();
  if (!ns && ns.error().code == Errc::kPermission) GTEST_SKIP() << "needs root";
  ASSERT_TRUE(ns) << ns.error().message;
  for (const char* line : {
           "link add v0 type veth peer name v1",
           "link set v0 up",
           "link set v1 up",
           "address add 10.0.0.1/24 dev v0",
           "route add default via 10.0.0.9",
           "route add 10.1.0.0/24 proto bird via 10.0.0.2",
           "route add 10.2.0.0/24 proto static nexthop via 10.0.0.3 nexthop via 10.0.0.4 weight 2",
           "route add blackhole 10.3.0.0/24 proto 202",
           "route add 10.4.0.0/24 via 10.0.0.5 table 7",
           "-6 address add fd00::1/64 dev v0 nodad",
           "route add 10.5.0.0/24 via inet6 fd00::5 dev v0",
           "-6 route add fd01::/64 nexthop via fd00::2 dev v0 nexthop via fd00::3 dev v0",
       }) {
    Command command{.argv = {"ip"}, .input = {}, .environment = {}, .netns = ns->fd_path()};
    for (const std::string_view word : split(line, ' ')) command.argv.emplace_back(word);
    const auto done = run_checked(command);
    ASSERT_TRUE(done) << done.error().message;
  }
  auto socket = netlink::Socket::open_in(*ns, NETLINK_ROUTE);
  ASSERT_TRUE(socket);
  const auto routes = list_kernel_routes(*socket);
  ASSERT_TRUE(routes) << routes.error().message;
  std::vector<std::string> texts;
  for (const KernelNodeRoute& route : *routes) {
    if (route.destination.to_string() == "fe80::/64") continue;  // comes when the link is up
    texts.push_back(fmt::format("{} {} {} {}", route.destination.to_string(), route.gateway,
                                route.interface, route.protocol));
  }
  EXPECT_THAT(texts,
              ::testing::UnorderedElementsAre(
                  "0.0.0.0/0 10.0.0.9 v0 3", "10.0.0.0/24  v0 2", "10.1.0.0/24 10.0.0.2 v0 12",
                  "10.2.0.0/24 10.0.0.3 v0 4", "10.2.0.0/24 10.0.0.4 v0 4",
                  "10.3.0.0/24  blackhole 202", "10.5.0.0/24 fd00::5 v0 3", "fd00::/64  v0 2",
                  "fd01::/64 fd00::2 v0 3", "fd01::/64 fd00::3 v0 3"));
}

}  // namespace
}  // namespace caracal::agent
