// Every kind of session and every option of a BGPPeer, with running BIRDs and FRR; what counts in
// the end are the kernels' routes.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "bgp/testing/frr_router.h"

namespace caracal::bgp {
namespace {

using namespace testing;  // NOLINT: the words of these tests
using ::testing::HasSubstr;
using ::testing::Not;

// Far below the hold time (240 s, FRR's 180 s), with room for a machine that is busy.
constexpr event::Duration kSoon{10'000};

TEST_F(BgpRoot, BfdNoticesASilentLink) {
  add_nodes(3);
  model::BgpPeer all = peer("all");
  all.peers = labels("all()");
  all.bfd = true;
  net->tell({update(no_mesh()), update(all)});
  ASSERT_TRUE(up("a", "10.0.0.2"));
  const auto sees = [&](const char* node, const char* line) {
    return net->eventually([&] {
      const std::string sessions = net->bird(node, "show bfd sessions");
      const size_t at = sessions.find(line);
      return at != std::string::npos &&
             sessions.substr(at, sessions.find('\n', at) - at).find(" Up ") != std::string::npos;
    });
  };
  for (const char* peer : {"10.0.0.2 ", "10.0.0.3 ", "fd00::2 ", "fd00::3 "})
    EXPECT_TRUE(sees("a", peer)) << peer << "\n" << net->bird("a", "show bfd sessions");
  ASSERT_TRUE(routed("a", "192.168.2.0/26 via 10.0.0.2"));
  ASSERT_TRUE(routed("a", "192.168.3.0/26 via 10.0.0.3"));
  // A direct IPv6 session tells its link-local address, too, and that is the one taken (RFC 2545).
  ASSERT_TRUE(routed("b", "fd00:10::100/122 via fe80::")) << net->routes("b", "-6");
  // On the same network: RFC 5881, which says over which interface; not RFC 5883.
  EXPECT_THAT(net->bird("a", "show bfd sessions"), HasSubstr("eth0"));

  net->cut("b");
  EXPECT_TRUE(net->eventually(
      [&] {
        return !net->has_route("a", "192.168.2.0/26") && !net->has_route("a", "fd00:10::200/122") &&
               !net->has_route("b", "192.168.1.0/26");
      },
      kSoon))
      << net->bird("a", "show bfd sessions");
  EXPECT_TRUE(net->has_route("a", "192.168.3.0/26 via 10.0.0.3"));
  net->mend("b");
  EXPECT_TRUE(routed("a", "192.168.2.0/26 via 10.0.0.2"));
  EXPECT_TRUE(routed("b", "fd00:10::100/122 via fe80::"));
}

TEST_F(WithFrr, BfdWithARouterOfTheRack) {
  add_nodes(1);
  net->add_host("tor", {"10.0.0.254/24"});
  net->run_in("tor", {"ip", "addr", "add", "172.20.0.1/32", "dev", "lo"});
  start_frr("tor",
            kRackRouter +
                " neighbor 10.0.0.1 remote-as 64512\n"
                " neighbor 10.0.0.1 bfd\n"
                " address-family ipv4 unicast\n"
                "  network 172.20.0.1/32\n"
                " exit-address-family\n",
            true);
  model::BgpPeer tor = peer_of("a", "10.0.0.254", 65000);
  tor.bfd = true;
  net->tell({update(no_mesh()), update(tor)});
  ASSERT_TRUE(routed("a", "172.20.0.1 via 10.0.0.254"));
  ASSERT_TRUE(routed("tor", "192.168.1.0/26"));
  ASSERT_TRUE(up("a", "10.0.0.254"));
  ASSERT_TRUE(net->eventually([&] {
    return ask_frr("tor", "show bfd peers brief").find("up") != std::string::npos &&
           net->bird("a", "show bfd sessions").find(" Up ") != std::string::npos;
  })) << ask_frr("tor", "show bfd peers")
      << net->bird("a", "show bfd sessions");
  net->cut("tor");
  EXPECT_TRUE(net->eventually(
      [&] {
        return !net->has_route("a", "172.20.0.1") && !net->has_route("tor", "192.168.1.0/26");
      },
      kSoon))
      << net->routes("a") << net->routes("tor");
}

// Over a wire that has no other addresses.
TEST_F(BgpRoot, LinkLocalPeers) {
  add_nodes(2);
  net->connect("wire0", "a", "fe80::a1/64", "b", "fe80::b1/64");
  model::NodeNetwork b = node("b", addresses(2), {{"name", "b"}});
  b.as_number = 65002;
  model::BgpPeer to_b = peer_of("a", "fe80::b1", 65002);
  to_b.peer_interface = "wire0";
  model::BgpPeer to_a = peer_of("b", "fe80::a1", 64512);
  to_a.peer_interface = "wire0";
  net->tell({update(no_mesh()), update(b), update(to_b), update(to_a)});
  ASSERT_TRUE(up("a", "fe80::b1%wire0")) << net->peer("a", "fe80::b1%wire0").why_not_up;
  EXPECT_TRUE(routed("a", "fd00:10::200/122 via fe80::b1 dev wire0 proto bird metric 1025"))
      << net->routes("a", "-6");
  EXPECT_TRUE(routed("b", "fd00:10::100/122 via fe80::a1 dev wire0 proto bird metric 1025"));
  net->add_pod("a", "qa", "fd00:10::105");
  net->add_pod("b", "qb", "fd00:10::205");
  EXPECT_TRUE(net->eventually([&] { return net->ping("qa", "fd00:10::205"); }));
  // The wire goes.
  net->run_in("b", {"ip", "link", "set", "wire0", "down"});
  EXPECT_TRUE(unrouted("a", "fd00:10::200/122"));
}

// RFC 5082: who is farther away than allowed is not heard.
TEST_F(BgpRoot, TtlSecurityByHops) {
  add_nodes(2);
  net->add_host("r", {"10.0.0.254/24"});
  net->add_node("z", {});
  net->connect("eth1", "r", "10.7.0.254/24", "z", "10.7.0.9/24");
  net->run_in("z", {"ip", "route", "add", "10.0.0.0/24", "via", "10.7.0.254"});
  net->run_in("a", {"ip", "route", "add", "10.7.0.0/24", "via", "10.0.0.254"});
  model::BgpPeer near = peer("near");
  near.nodes = labels("name == 'a'");
  near.peers = labels("name == 'b'");
  near.ttl_security = 1;
  model::BgpPeer far = near;
  far.name = "far";
  far.peers = labels("name == 'z'");
  net->tell({update(no_mesh()), update(near), update(far), block("192.168.9.0/26", "z"),
             update(node("z", {"10.7.0.9/24"}, {{"name", "z"}}))});
  EXPECT_TRUE(routed("a", "192.168.2.0/26 via 10.0.0.2"));
  EXPECT_TRUE(routed("b", "192.168.1.0/26 via 10.0.0.1"));

  const auto dropped = [&](const char* host) {
    const std::string text = net->run_in(host, {"nstat", "-asz", "TcpExtTCPMinTTLDrop"});
    const size_t at = text.find("TCPMinTTLDrop");
    return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + sizeof "TCPMinTTLDrop" - 1);
  };
  EXPECT_TRUE(net->eventually([&] { return dropped("a") + dropped("z") > 0; }));
  EXPECT_FALSE(net->established("a", "10.7.0.9"));
  EXPECT_FALSE(net->has_route("a", "192.168.9.0/26"));

  far.ttl_security = 2;
  net->tell({update(far)});
  EXPECT_TRUE(routed("a", "192.168.9.0/26 via 10.0.0.254 dev eth0 proto bird"));
  EXPECT_TRUE(routed("z", "192.168.1.0/26 via 10.7.0.254 dev eth1 proto bird"));
}

// The way to the peer is no route that the node has, nor one that peers tell.
TEST_F(BgpRoot, ReachableByAGateway) {
  add_nodes(2);
  net->add_node("z", {"10.0.0.77/24"});
  net->run_in("z", {"ip", "addr", "add", "10.9.0.9/32", "dev", "lo"});
  model::BgpPeer there = peer_of("a", "10.9.0.9", 64512);
  there.reachable_by = address("10.0.0.77");
  model::BgpPeer back = peer_of("z", "10.0.0.1", 64512);
  model::BgpPeer beside = peer_of("b", "10.0.0.1", 64512);
  model::BgpPeer beside_back = peer_of("a", "10.0.0.2", 64512);
  // A pool that holds the peer: its route must be told to nobody all the same.
  net->tell({update(no_mesh()), update(pool("10.9.0.0/16")), update(node("z", {"10.9.0.9/32"})),
             block("192.168.9.0/26", "z"), update(there), update(back), update(beside),
             update(beside_back)});
  EXPECT_TRUE(routed("a", "10.9.0.9 via 10.0.0.77 dev eth0 proto bird"));
  EXPECT_TRUE(routed("a", "192.168.9.0/26 via 10.0.0.77 dev eth0 proto bird"));
  EXPECT_TRUE(routed("z", "192.168.1.0/26 via 10.0.0.1 dev eth0 proto bird"));
  EXPECT_TRUE(routed("b", "192.168.1.0/26 via 10.0.0.1"));
  EXPECT_FALSE(net->has_route("b", "10.9.0.9"));

  there.reachable_by = std::nullopt;
  net->tell({update(there)});
  EXPECT_TRUE(unrouted("a", "10.9.0.9 "));
}

// A pod that speaks BGP with its node, for a cluster in it. The agent puts the address it speaks to
// on the pod's interface.
TEST_F(BgpRoot, PodsThatSpeakBgp) {
  add_nodes(2);
  net->add_pod("a", "p4", "192.168.1.5");
  net->add_pod("a", "p6", "fd00:10::105");
  net->run_in("a", {"ip", "addr", "add", "169.254.77.1/32", "dev", "calip4"});
  net->run_in("a", {"ip", "addr", "add", "fd00:77::1/128", "dev", "calip6", "nodad"});
  model::BgpConfiguration common;
  common.name = "default";
  common.local_workload_peering_v4 = address("169.254.77.1");
  common.local_workload_peering_v6 = address("fd00:77::1");
  model::BgpFilter nested;
  nested.name = "nested";
  nested.import_v4 = {rule("192.168.250.0/24", true)};
  nested.import_v6 = {rule("fd00:10::ff00/120", true)};
  model::BgpPeer pods = peer("pods");
  pods.nodes = labels("name == 'a'");
  pods.local_workloads = labels("app == 'router'");
  pods.as_number = 65100;
  pods.filters = {"nested"};
  net->tell({update(common), update(nested), update(pods)});
  net->engine("a").set_local_workload({"ns", "p4"},
                                      LocalWorkload{{{"app", "router"}}, {address("192.168.1.5")}});
  net->engine("a").set_local_workload(
      {"ns", "p6"}, LocalWorkload{{{"app", "router"}}, {address("fd00:10::105")}});
  net->flush();
  const auto pod_config = [](const char* own, const char* channel, const char* gateway,
                             const char* routes) {
    return fmt::format(
        "router id 192.168.1.5;\n"
        "protocol device {{ }}\n"
        "protocol static {{ {1}; {3} }}\n"
        "protocol bgp host {{ local {0} as 65100; neighbor {2} as 64512; multihop;\n"
        "  {1} {{ gateway recursive; import all; export where source = RTS_STATIC; }}; }}\n"
        "protocol static way {{ {1}; route {2}/{4} via \"eth0\"; }}\n",
        own, channel, gateway, routes, std::string_view(channel) == "ipv4" ? 32 : 128);
  };
  net->start_bird("p4", pod_config("192.168.1.5", "ipv4", "169.254.77.1",
                                   "route 192.168.250.0/28 blackhole; "
                                   "route 192.168.66.0/24 blackhole;"));
  net->start_bird(
      "p6", pod_config("fd00:10::105", "ipv6", "fd00:77::1", "route fd00:10::ff00/124 blackhole;"));
  ASSERT_TRUE(up("a", "192.168.1.5")) << net->peer("a", "192.168.1.5").why_not_up;
  ASSERT_TRUE(up("a", "fd00:10::105")) << net->peer("a", "fd00:10::105").why_not_up;
  EXPECT_EQ(net->peer("a", "192.168.1.5").kind, "local workload");
  // To the pod on its own node, over that node on others; and what no filter accepts nowhere.
  EXPECT_TRUE(routed("a", "192.168.250.0/28 via 192.168.1.5 dev calip4 proto bird"))
      << net->routes("a");
  EXPECT_TRUE(routed("a", "fd00:10::ff00/124 via fd00:10::105 dev calip6 proto bird"))
      << net->routes("a", "-6");
  EXPECT_TRUE(routed("b", "192.168.250.0/28 via 10.0.0.1 dev eth0 proto bird"))
      << net->routes("b") << net->bird("b", "show route all 192.168.250.0/28");
  EXPECT_TRUE(routed("b", "fd00:10::ff00/124 via fd00::1 dev eth0 proto bird"))
      << net->routes("b", "-6");
  EXPECT_FALSE(net->has_route("a", "192.168.66.0/24"));
  EXPECT_TRUE(net->eventually([&] {
    return net->bird("p4", "show route 192.168.2.0/26").find("host") != std::string::npos;
  })) << net->bird("p4", "show route");
  // The pod goes.
  net->engine("a").set_local_workload({"ns", "p4"}, std::nullopt);
  net->run_in("a", {"ip", "link", "del", "calip4"});
  net->flush();
  EXPECT_TRUE(unrouted("a", "192.168.250.0/28"));
  EXPECT_TRUE(unrouted("b", "192.168.250.0/28"));
}

// AS numbers of a node's BGPConfiguration, of its Node, and of one BGPPeer.
TEST_F(WithFrr, AsNumbersAndTimes) {
  add_nodes(3);
  net->add_host("tor", {"10.0.0.254/24"});
  start_frr("tor", kRackRouter +
                       " neighbor 10.0.0.1 remote-as 65011\n"
                       " neighbor 10.0.0.2 remote-as 65002\n"
                       " neighbor 10.0.0.2 password rack+of;signs{}\n");
  model::BgpConfiguration of_b;
  of_b.name = "node.b";
  of_b.as_number = 65002;
  model::NodeNetwork c = node("c", addresses(3), {{"name", "c"}});
  c.as_number = 65003;
  model::BgpPeer from_a = peer_of("a", "10.0.0.254", 65000);
  from_a.local_as_number = 65011;
  from_a.keepalive_seconds = 7;
  from_a.max_restart_seconds = 33;
  model::BgpPeer from_b = peer_of("b", "10.0.0.254", 65000);
  from_b.password = model::SecretKey{"bgp", "tor"};
  net->engine("b").set_password({"bgp", "tor"}, "rack+of;signs{}");
  net->tell({update(of_b), update(c), update(from_a), update(from_b)});
  ASSERT_TRUE(routed("tor", "192.168.1.0/26"));
  ASSERT_TRUE(routed("a", "192.168.2.0/26 via 10.0.0.2 dev eth0 proto bird"));
  ASSERT_TRUE(routed("a", "192.168.3.0/26 via 10.0.0.3 dev eth0 proto bird"));
  ASSERT_TRUE(up("b", "10.0.0.254")) << net->peer("b", "10.0.0.254").why_not_up;
  EXPECT_THAT(net->bird("a", "show route all 192.168.2.0/26"), HasSubstr("BGP.as_path: 65002"));
  EXPECT_THAT(net->bird("a", "show route all 192.168.3.0/26"), HasSubstr("BGP.as_path: 65003"));
  EXPECT_TRUE(net->eventually([&] {
    return ask_frr("tor", "show bgp ipv4 unicast 192.168.1.0/26").find("65011") !=
           std::string::npos;
  }));
  const std::string session = net->bird("a", "show protocols all Node_10_0_0_254");
  // Less up to a quarter, at random (RFC 4271, section 10); unset it would be a minute.
  EXPECT_THAT(session, ::testing::ContainsRegex("Keepalive timer: *[0-9.]+/[5-7]([^0-9]|$)"));
  EXPECT_THAT(session, HasSubstr("Local AS:         65011"));
  EXPECT_THAT(ask_frr("tor", "show bgp neighbors 10.0.0.1"),
              HasSubstr("Remote Restart timer is 33 seconds"));
}

// Next hops, and a router between two parts of one AS.
TEST_F(WithFrr, NextHopsAndOwnAsInThePath) {
  add_nodes(3);
  net->add_host("tor", {"10.0.0.254/24"});
  start_frr("tor", kRackRouter +
                       " neighbor 10.0.0.1 remote-as 64512\n"
                       " neighbor 10.0.0.3 remote-as 64512\n");
  // b - a - tor - c
  model::BgpPeer inside = peer("inside");
  inside.nodes = labels("name == 'a'");
  inside.peers = labels("name == 'b'");
  model::BgpPeer from_a = peer_of("a", "10.0.0.254", 65000);
  from_a.next_hop = model::BgpPeer::NextHop::kSelf;
  model::BgpPeer from_c = peer_of("c", "10.0.0.254", 65000);
  net->tell({update(no_mesh()), update(inside), update(from_a), update(from_c)});
  EXPECT_TRUE(routed("tor", "192.168.2.0/26")) << net->routes("tor");
  const auto via = [&](const char* gateway) {
    return net->eventually([&] {
      const std::string routes = net->run_in("tor", {"ip", "route", "show", "192.168.2.0/26"});
      return routes.find(std::string("via ") + gateway + " ") != std::string::npos;
    });
  };
  EXPECT_TRUE(via("10.0.0.1")) << net->routes("tor");
  from_a.next_hop = model::BgpPeer::NextHop::kKeep;
  net->tell({update(from_a)});
  EXPECT_TRUE(via("10.0.0.2")) << net->routes("tor");

  // c hears its own AS number from the router, and takes that for a loop, until told otherwise.
  ASSERT_TRUE(up("c", "10.0.0.254"));
  EXPECT_FALSE(net->has_route("c", "192.168.1.0/26"));
  from_c.allowed_local_as = 1;
  net->tell({update(from_c)});
  EXPECT_TRUE(routed("c", "192.168.1.0/26 via 10.0.0.")) << net->routes("c");
}

// A reflector that stands in the way: nextHopMode Self.
TEST_F(BgpRoot, ReflectorAsNextHop) {
  add_nodes(3);
  model::NodeNetwork reflector = node("a", addresses(1), {{"rr", "yes"}});
  reflector.route_reflector_cluster = address("244.0.0.1");
  model::BgpPeer clients = peer("clients");
  clients.nodes = labels("rr == 'yes'");
  clients.peers = labels("!has(rr)");
  clients.next_hop = model::BgpPeer::NextHop::kSelf;
  net->tell({update(no_mesh()), update(reflector), update(clients)});
  EXPECT_TRUE(routed("b", "192.168.3.0/26 via 10.0.0.1 dev eth0 proto bird")) << net->routes("b");
  EXPECT_TRUE(routed("c", "fd00:10::200/122 via fd00::1 dev eth0 proto bird"))
      << net->routes("c", "-6");
}

}  // namespace
}  // namespace caracal::bgp
