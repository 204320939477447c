// BIRD, FRR and the kernel, in network namespaces.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "bgp/bird_control.h"
#include "bgp/testing/bgp_fixture.h"
#include "bgp/testing/frr_router.h"

namespace caracal::bgp {
namespace {

using namespace testing;  // NOLINT: the words of these tests
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(BgpRoot, MeshOfThreeRoutesBlocksOfBothFamilies) {
  add_nodes(3);
  for (const char* name : {"a", "b", "c"}) {
    for (int other = 1; other <= 3; ++other) {
      if (name[0] == 'a' + other - 1) continue;
      EXPECT_TRUE(net->eventually([&] {
        return net->has_route(name, fmt::format("192.168.{}.0/26 via 10.0.0.{} dev eth0 proto bird "
                                                "metric 1024",
                                                other, other)) &&
               net->has_route(name, fmt::format("fd00:10::{}00/122 via fd00::{} dev eth0 proto "
                                                "bird metric 1025",
                                                other, other));
      })) << name
          << "\n"
          << net->routes(name) << net->routes(name, "-6");
    }
    // Its own block is no route of BIRD's.
    EXPECT_THAT(net->routes(name), ::testing::Not(HasSubstr("blackhole")));
  }
  net->add_pod("a", "pa", "192.168.1.5");
  net->add_pod("b", "pb", "192.168.2.5");
  net->add_pod("a", "qa", "fd00:10::105");
  net->add_pod("b", "qb", "fd00:10::205");
  EXPECT_TRUE(net->eventually([&] { return net->ping("pa", "192.168.2.5"); }));
  EXPECT_TRUE(net->eventually([&] { return net->ping("qa", "fd00:10::205"); }));
  // Aggregation: the pod's own route is told to nobody.
  EXPECT_THAT(net->bird("c", "show route 192.168.1.5/32"), HasSubstr("Network not found"));

  // What somebody deletes comes back.
  net->run_in("a", {"ip", "route", "del", "192.168.2.0/26"});
  EXPECT_TRUE(net->eventually([&] { return net->has_route("a", "192.168.2.0/26"); },
                              event::Duration(2500)));

  // A node that leaves takes its routes along.
  net->tell({model::NodeNetworkUpdate{"c", std::nullopt},
             model::AddressBlockUpdate{cidr("192.168.3.0/26"), std::nullopt}});
  EXPECT_TRUE(net->eventually([&] {
    return !net->has_route("a", "192.168.3.0/26") && !net->has_route("a", "fd00:10::300/122");
  }));
  const BirdKeeper::View view = net->view("a");
  EXPECT_EQ(view.state, BirdState::kRunning);
  EXPECT_TRUE(view.configured);
  EXPECT_EQ(view.last_error, "");
  ASSERT_EQ(view.peers.size(), 2U);
  EXPECT_EQ(view.peers[0].kind, "node-to-node mesh");
  EXPECT_EQ(view.peers[0].imported, 1U);
}

TEST_F(BgpRoot, BorrowedAddressIsToldByItsNode) {
  add_nodes(3);
  net->add_pod("a", "pa", "192.168.1.5");
  net->add_pod("b", "pb", "192.168.1.9");  // of a's block
  ASSERT_TRUE(net->eventually([&] {
    return net->has_route("c", "192.168.1.9 via 10.0.0.2") &&
           net->has_route("a", "192.168.1.9 via 10.0.0.2");
  })) << net->routes("c");
  EXPECT_TRUE(net->eventually([&] { return net->ping("pa", "192.168.1.9"); }));
  net->run_in("b", {"ip", "link", "del", "calipb"});
  EXPECT_TRUE(net->eventually([&] { return !net->has_route("c", "192.168.1.9"); }));
}

TEST_F(BgpRoot, RoutesOfTheAgentAreNotBirds) {
  net->add_node("a", {"10.0.0.1/24"});
  net->add_node("b", {"10.0.0.2/24"});
  // What the agent of b programs for tunnels, and its own blackhole; what an administrator added.
  net->run_in("b", {"ip", "route", "add", "192.168.7.0/26", "via", "10.0.0.9", "proto", "202"});
  net->run_in("b", {"ip", "route", "add", "blackhole", "192.168.2.0/26", "proto", "202"});
  net->run_in("b", {"ip", "route", "add", "192.168.8.0/26", "via", "10.0.0.9", "proto", "static"});
  net->run_in("b", {"ip", "route", "add", "172.30.0.0/26", "via", "10.0.0.9", "proto", "static"});
  net->tell({update(pool("192.168.0.0/16")),
             update(pool("10.200.0.0/16", model::Encapsulation::kVxlan)),
             update(node("a", {"10.0.0.1/24"})), update(node("b", {"10.0.0.2/24"})),
             block("192.168.2.0/26", "b"), block("10.200.2.0/26", "b")});
  ASSERT_TRUE(net->eventually([&] {
    return net->has_route("a", "192.168.2.0/26") && net->has_route("a", "192.168.8.0/26");
  })) << net->routes("a");
  const std::string routes = net->routes("a");
  EXPECT_THAT(routes, ::testing::Not(HasSubstr("192.168.7.0")));
  EXPECT_THAT(routes, ::testing::Not(HasSubstr("172.30.0.0")));  // in no pool
  // An encapsulated pool's block is told, but its route is the agent's.
  EXPECT_THAT(routes, ::testing::Not(HasSubstr("10.200.2.0")));
  EXPECT_THAT(net->bird("a", "show route 10.200.2.0/26"), HasSubstr("Mesh_10_0_0_2"));
  // The agent's routes on b are as they were.
  EXPECT_TRUE(net->has_route("b", "blackhole 192.168.2.0/26 proto 202"));
  EXPECT_TRUE(net->has_route("b", "192.168.7.0/26 via 10.0.0.9 dev eth0 proto 202"));
}

TEST_F(BgpRoot, RouteReflector) {
  add_nodes(3);
  model::NodeNetwork reflector = node("a", {"10.0.0.1/24", "fd00::1/64"}, {{"rr", "yes"}});
  reflector.route_reflector_cluster = address("244.0.0.1");
  model::BgpPeer to_reflector = peer("reflectors");
  to_reflector.nodes = labels("!has(rr)");
  to_reflector.peers = labels("rr == 'yes'");
  net->tell({update(no_mesh()), update(reflector), update(to_reflector)});
  EXPECT_TRUE(up("a", "10.0.0.2"));
  EXPECT_TRUE(up("a", "10.0.0.3"));
  EXPECT_TRUE(net->eventually([&] {
    return net->has_route("b", "192.168.3.0/26 via 10.0.0.3") &&
           net->has_route("c", "192.168.2.0/26 via 10.0.0.2");
  })) << net->routes("b");
  EXPECT_EQ(net->peer("b", "10.0.0.3").name, "");
  EXPECT_EQ(net->peer("b", "10.0.0.1").kind, "node specific");
  EXPECT_THAT(net->bird("b", "show route all 192.168.3.0/26"),
              HasSubstr("BGP.cluster_list: 244.0.0.1"));
}

TEST_F(BgpRoot, FiltersOfBothDirections) {
  add_nodes(2);
  model::BgpFilter in;
  in.name = "in";
  in.import_v4 = {rule("192.168.2.0/26", true)};
  in.import_v4[0].operations = {{.add_community = model::BgpCommunity{{64512, 77}},
                                 .prepend_as_path = {},
                                 .set_priority = {}},
                                {.add_community = {}, .prepend_as_path = {}, .set_priority = 99}};
  in.import_v4.push_back(rule("0.0.0.0/0", false));
  model::BgpFilter out;
  out.name = "out";
  out.export_v4 = {rule("192.168.1.0/26", false)};
  model::BgpPeer with_filters = peer("filtered");
  with_filters.node = "a";
  with_filters.peers = labels("name == 'b'");
  with_filters.reverse = false;
  with_filters.filters = {"in", "out"};
  net->tell({update(in), update(out), update(with_filters), block("192.168.22.0/26", "b"),
             block("192.168.11.0/26", "a")});
  ASSERT_TRUE(net->eventually([&] {
    return net->has_route("a", "192.168.2.0/26 via 10.0.0.2 dev eth0 proto bird metric 99") &&
           net->has_route("b", "192.168.11.0/26") && !net->has_route("b", "192.168.1.0/26") &&
           !net->has_route("a", "192.168.22.0/26");
  })) << net->routes("a")
      << net->routes("b");
  EXPECT_THAT(net->bird("a", "show route all 192.168.2.0/26"), HasSubstr("(64512,77)"));
}

TEST_F(BgpRoot, PasswordsAndWhyNotUp) {
  add_nodes(2);
  model::BgpConfiguration with_password;
  with_password.name = "default";
  with_password.mesh_password = model::SecretKey{"bgp", "mesh"};
  net->tell({update(with_password)});
  EXPECT_THAT(net->engine("a").problems(), ::testing::Contains(HasSubstr("Secret bgp")));
  for (const char* name : {"a", "b"}) net->engine(name).set_password({"bgp", "mesh"}, "one");
  net->flush();
  EXPECT_TRUE(up("a", "10.0.0.2"));
  EXPECT_TRUE(up("a", "fd00::2"));

  net->engine("b").set_password({"bgp", "mesh"}, "two");
  net->flush();
  EXPECT_TRUE(net->eventually([&] {
    return net->peer("b", "10.0.0.1").why_not_up.find("TCP-MD5") != std::string::npos;
  })) << net->peer("b", "10.0.0.1").why_not_up;
  EXPECT_THAT(net->peer("a", "10.0.0.2").why_not_up, HasSubstr("waits for b to connect"));
}

TEST_F(BgpRoot, WhyNotUpByWhatThePeerDoes) {
  add_nodes(2);
  net->add_host("quiet", {"10.0.0.50/24"});  // nobody listens
  model::BgpPeer nobody = peer("nobody");
  nobody.node = "a";
  nobody.peer_ip = address("10.0.0.99");
  nobody.as_number = 65000;
  model::BgpPeer refused = nobody;
  refused.name = "refused";
  refused.peer_ip = address("10.0.0.50");
  model::BgpPeer wrong = nobody;
  wrong.name = "wrong-as";
  wrong.node = "b";
  wrong.peer_ip = address("10.0.0.1");
  wrong.as_number = 65009;
  net->tell({update(nobody), update(refused), update(wrong)});
  const auto says = [&](const char* node, const char* address, const char* text) {
    EXPECT_TRUE(net->eventually([&] {
      return net->peer(node, address).why_not_up.find(text) != std::string::npos;
    })) << net->peer(node, address).why_not_up
        << " | " << net->peer(node, address).last_error;
  };
  says("a", "10.0.0.50", "nothing listens on its TCP port 179");
  says("a", "10.0.0.99", "cannot be reached");
  says("b", "10.0.0.1", "has another AS number than 65009");
  says("a", "10.0.0.2", "refuses this node's AS number 64512");
}

TEST_F(BgpRoot, AgentRestartLeavesSessionsUp) {
  add_nodes(2);
  ASSERT_TRUE(up("a", "10.0.0.2"));
  ASSERT_TRUE(up("b", "10.0.0.1"));
  const PeerReport before = net->peer("a", "10.0.0.2");
  const pid_t pid = net->keeper("a").pid();
  ASSERT_GT(pid, 0);

  net->end_agent("a");
  EXPECT_EQ(::kill(pid, 0), 0);  // BIRD goes on
  EXPECT_TRUE(net->has_route("a", "192.168.2.0/26"));
  net->begin_agent("a");
  ASSERT_TRUE(net->eventually([&] { return net->keeper("a").configured(); }));
  EXPECT_EQ(net->keeper("a").pid(), pid);
  EXPECT_EQ(net->peer("a", "10.0.0.2"), before);  // since the same time

  // What the new one wants is loaded, and nobody else's session notices.
  net->add_node("c", {"10.0.0.3/24"});
  net->tell({update(node("c", {"10.0.0.3/24"})), block("192.168.3.0/26", "c")});
  EXPECT_TRUE(up("a", "10.0.0.3"));
  EXPECT_EQ(net->peer("a", "10.0.0.2").since, before.since);
  EXPECT_EQ(net->keeper("a").pid(), pid);
}

TEST_F(BgpRoot, KilledBirdComesBackAndRoutesStay) {
  add_nodes(2);
  net->add_pod("a", "pa", "192.168.1.5");
  net->add_pod("b", "pb", "192.168.2.5");
  ASSERT_TRUE(net->eventually([&] { return net->ping("pa", "192.168.2.5"); }));
  ASSERT_TRUE(net->eventually([&] { return net->ping("pb", "192.168.1.5"); }));
  const pid_t pid = net->keeper("a").pid();
  ::kill(pid, SIGKILL);
  int looks = 0;
  int lost = 0;
  ASSERT_TRUE(net->eventually([&] {
    ++looks;
    if (!net->has_route("a", "192.168.2.0/26") || !net->has_route("b", "192.168.1.0/26")) ++lost;
    return net->keeper("a").state() == BirdState::kRunning && net->keeper("a").pid() != pid &&
           net->established("a", "10.0.0.2") && !net->view("a").daemon->recovering;
  }));
  EXPECT_GT(looks, 3);
  EXPECT_EQ(lost, 0);
  EXPECT_TRUE(net->ping("pa", "192.168.2.5"));
}

TEST_F(BgpRoot, RefusedConfigurationLeavesTheOldInForce) {
  add_nodes(2);
  ASSERT_TRUE(up("a", "10.0.0.2"));
  ASSERT_TRUE(up("a", "fd00::2"));
  const pid_t pid = net->keeper("a").pid();
  Config config = net->engine("a").config();
  const Config good = config;
  config.sessions[0].name = "not a name";  // no engine makes that
  net->keeper("a").want(config);
  ASSERT_TRUE(net->eventually([&] { return !net->keeper("a").last_error().empty(); }));
  EXPECT_THAT(net->keeper("a").last_error(), HasSubstr("refuses the configuration"));
  EXPECT_THAT(net->keeper("a").last_error(), HasSubstr("\"protocol bgp not a name {\""));
  EXPECT_FALSE(net->keeper("a").configured());
  EXPECT_TRUE(net->established("a", "10.0.0.2") || net->peer("a", "fd00::2").up);
  EXPECT_EQ(net->keeper("a").pid(), pid);

  // BIRD dies meanwhile: it comes back with what it had.
  ::kill(pid, SIGKILL);
  ASSERT_TRUE(net->eventually([&] {
    return net->keeper("a").pid() != pid && net->keeper("a").state() == BirdState::kRunning;
  }));
  EXPECT_THAT(net->keeper("a").last_error(), HasSubstr("refuses the configuration"));
  net->keeper("a").want(good);
  ASSERT_TRUE(net->eventually([&] { return net->keeper("a").configured(); }));
  EXPECT_EQ(net->keeper("a").last_error(), "");
}

TEST_F(BgpRoot, BurstOfChangesIsOneReload) {
  add_nodes(2);
  ASSERT_TRUE(net->eventually([&] { return net->keeper("a").configured(); }));
  const auto reloads = [&] {
    const std::string log = read_file(net->folder() + "/a/bird.log").value_or("");
    size_t count = 0;
    for (size_t at = 0; (at = log.find("Reconfiguring", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  const size_t before = reloads();
  for (int i = 0; i < 50; ++i) net->tell({block(fmt::format("192.168.100.{}/32", i), "a")});
  for (int i = 1; i < 50; ++i) net->tell({block(fmt::format("192.168.{}.64/26", i), "a")});
  EXPECT_FALSE(net->keeper("a").configured());
  ASSERT_TRUE(net->eventually([&] { return net->keeper("a").configured(); }));
  EXPECT_LE(reloads() - before, 2U);
  EXPECT_TRUE(net->eventually([&] { return net->has_route("b", "192.168.49.64/26"); }));
  // Nothing new, no reload.
  const size_t after = reloads();
  net->keeper("a").want(net->engine("a").config());
  net->tell({block("192.168.77.0/26", "b")});
  EXPECT_TRUE(net->eventually([&] { return net->has_route("a", "192.168.77.0/26"); }));
  EXPECT_EQ(reloads(), after);
}

// With strict binding BIRD gives up a session whose address is not there; it is started again.
TEST_F(BgpRoot, AddressThatComesLater) {
  net->add_node("a", {"10.0.0.7/24"});
  net->add_node("b", {"10.0.0.2/24"});
  model::BgpConfiguration strict;
  strict.name = "default";
  strict.bind_node_ip = true;
  net->tell(
      {update(strict), update(node("a", {"10.0.0.1/24"})), update(node("b", {"10.0.0.2/24"}))});
  ASSERT_TRUE(net->eventually([&] {
    return net->peer("a", "10.0.0.2").why_not_up.find("cannot listen") != std::string::npos;
  })) << net->peer("a", "10.0.0.2").why_not_up;
  net->run_in("a", {"ip", "addr", "add", "10.0.0.1/24", "dev", "eth0"});
  EXPECT_TRUE(up("a", "10.0.0.2")) << net->peer("a", "10.0.0.2").why_not_up;
}

TEST_F(BgpRoot, StopTakesEveryRouteAlong) {
  add_nodes(2);
  ASSERT_TRUE(net->eventually([&] { return net->has_route("a", "192.168.2.0/26"); }));
  ASSERT_TRUE(net->eventually([&] { return net->has_route("b", "192.168.1.0/26"); }));
  const pid_t pid = net->keeper("a").pid();
  std::optional<Status> stopped;
  net->keeper("a").stop(BirdKeeper::Leave::kNothing, [&](Status s) { stopped = std::move(s); });
  ASSERT_TRUE(net->eventually([&] { return stopped.has_value(); }));
  EXPECT_TRUE(*stopped) << stopped->error().message;
  EXPECT_EQ(net->keeper("a").state(), BirdState::kNotNeeded);
  EXPECT_THAT(net->routes("a"), ::testing::Not(HasSubstr("proto bird")));
  EXPECT_THAT(net->routes("a", "-6"), ::testing::Not(HasSubstr("proto bird")));
  EXPECT_FALSE(net->keeper("a").pid() == pid);
  EXPECT_FALSE(read_file(net->folder() + "/a/bird.conf"));
  EXPECT_TRUE(net->eventually([&] { return !net->has_route("b", "192.168.1.0/26"); }));

  // One that died before: a BIRD is started to take the routes away.
  ::kill(net->keeper("b").pid(), SIGKILL);
  net->end_agent("b");
  net->begin_agent("b");
  net->run_in("b", {"ip", "route", "add", "192.168.99.0/26", "via", "10.0.0.1", "proto", "bird"});
  net->run_in("b", {"ip", "route", "add", "192.168.98.0/26", "via", "10.0.0.1", "proto", "static"});
  stopped.reset();
  net->keeper("b").stop(BirdKeeper::Leave::kNothing, [&](Status s) { stopped = std::move(s); });
  ASSERT_TRUE(net->eventually([&] { return stopped.has_value(); }));
  EXPECT_THAT(net->routes("b"), ::testing::Not(HasSubstr("proto bird")));
  EXPECT_TRUE(net->has_route("b", "192.168.98.0/26"));
}

TEST_F(BgpRoot, StopForAnUpgradeKeepsRoutesEverywhere) {
  add_nodes(2);
  ASSERT_TRUE(net->eventually([&] { return net->has_route("b", "192.168.1.0/26"); }));
  ASSERT_TRUE(net->eventually([&] { return net->has_route("a", "192.168.2.0/26"); }));
  std::optional<Status> stopped;
  net->keeper("a").stop(BirdKeeper::Leave::kRoutes, [&](Status s) { stopped = std::move(s); });
  ASSERT_TRUE(net->eventually([&] { return stopped.has_value(); }));
  EXPECT_TRUE(net->has_route("a", "192.168.2.0/26"));
  EXPECT_TRUE(net->has_route("b", "192.168.1.0/26"));
  net->end_agent("a");
  net->begin_agent("a");
  EXPECT_TRUE(up("a", "10.0.0.2"));
  EXPECT_TRUE(net->has_route("b", "192.168.1.0/26"));
}

TEST_F(BgpRoot, AbsentBirdIsSaidClearly) {
  BirdKeeper::Options options;
  options.command = {"/nonexistent/bird"};
  options.folder = net->folder() + "/absent";
  BirdKeeper keeper(net->loop(), options);
  keeper.want(Config());
  ASSERT_TRUE(net->eventually([&] { return keeper.state() == BirdState::kAbsent; }));
  EXPECT_THAT(keeper.last_error(), HasSubstr("install the package bird2"));
}

// A real FRR as the router of the rack.
TEST_F(WithFrr, TopOfRackRouterTellsAndIsTold) {
  add_nodes(2);
  net->add_host("tor", {"10.0.0.254/24"});
  net->run_in("tor", {"ip", "addr", "add", "172.20.0.1/32", "dev", "lo"});
  start_frr("tor", kRackRouter +
                       " neighbor 10.0.0.1 remote-as 64512\n"
                       " neighbor 10.0.0.1 password secret-of-the-rack\n"
                       " neighbor 10.0.0.2 remote-as 64512\n"
                       " neighbor 10.0.0.2 password secret-of-the-rack\n"
                       " address-family ipv4 unicast\n"
                       "  network 172.20.0.1/32\n"
                       "  maximum-paths 4\n"
                       " exit-address-family\n");
  model::BgpConfiguration common;
  common.name = "default";
  common.service_cluster_ips = {cidr("10.96.0.0/12")};
  common.service_load_balancer_ips = {cidr("192.0.2.0/24")};
  common.prefix_advertisements = {{cidr("192.168.0.0/16"), {{{64512, 100}}}}};
  model::BgpPeer tor = peer("tor");
  tor.peer_ip = address("10.0.0.254");
  tor.as_number = 65000;
  tor.password = model::SecretKey{"bgp", "tor"};
  model::Service web;
  web.name = {"ns", "web"};
  web.cluster_ips = {address("10.96.0.10")};
  web.load_balancer_ips = {address("192.0.2.44")};
  web.local = true;
  const model::ObjectName slice{"ns", "web-1"};
  net->tell({update(common), update(tor), update(web),
             model::ServiceNodesUpdate{slice, model::ServiceNodes{slice, "web", {"b"}}}});
  for (const char* name : {"a", "b"})
    net->engine(name).set_password({"bgp", "tor"}, "secret-of-the-rack");
  net->flush();

  ASSERT_TRUE(up("a", "10.0.0.254")) << net->peer("a", "10.0.0.254").why_not_up;
  ASSERT_TRUE(up("b", "10.0.0.254"));
  EXPECT_EQ(net->peer("a", "10.0.0.254").kind, "global");
  // Blocks by their nodes, ranges by both, a local Service's addresses by the node with its pods.
  ASSERT_TRUE(net->eventually([&] {
    return net->has_route("tor", "192.168.1.0/26") && net->has_route("tor", "192.168.2.0/26") &&
           net->has_route("tor", "10.96.0.0/12") && net->has_route("tor", "192.0.2.0/24") &&
           net->has_route("tor", "192.0.2.44") && net->has_route("tor", "10.96.0.10");
  })) << net->routes("tor");
  const std::string routes = net->routes("tor");
  const size_t service = routes.find("192.0.2.44");
  EXPECT_THAT(routes.substr(service, routes.find('\n', service) - service),
              HasSubstr("via 10.0.0.2 dev eth0 proto bgp"));
  EXPECT_TRUE(net->eventually([&] {
    return net->has_route("a", "172.20.0.1 via 10.0.0.254 dev eth0 proto bird");
  })) << net->routes("a");
  EXPECT_THAT(net->routes("a"), ::testing::Not(HasSubstr("10.96.0")));
  EXPECT_THAT(ask_frr("tor", "show bgp ipv4 unicast 192.168.1.0/26"), HasSubstr("64512:100"));

  net->add_pod("a", "pa", "192.168.1.5");
  EXPECT_TRUE(net->eventually([&] { return net->ping("pa", "172.20.0.1"); }));

  // The Service's pods go elsewhere.
  net->tell({model::ServiceNodesUpdate{slice, model::ServiceNodes{slice, "web", {"a"}}}});
  EXPECT_TRUE(net->eventually([&] {
    const std::string now = net->routes("tor");
    const size_t at = now.find("192.0.2.44");
    return at != std::string::npos &&
           now.substr(at, now.find('\n', at) - at).find("via 10.0.0.1 ") != std::string::npos;
  })) << net->routes("tor");
}

}  // namespace
}  // namespace caracal::bgp
