// What is told and taken: filters, communities, Service addresses; with running BIRDs and FRR.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bgp/testing/frr_router.h"

namespace caracal::bgp {
namespace {

using namespace testing;  // NOLINT: the words of these tests
using ::testing::HasSubstr;
using ::testing::Not;

// Who leads to a prefix in a host's kernel, over all next hops.
std::string way(BirdNetwork& net, const std::string& host, const std::string& prefix) {
  return net.run_in(host, {"ip", "route", "show", prefix});
}

TEST_F(WithFrr, FiltersByWhatRoutesCarry) {
  add_nodes(2);
  net->add_host("tor", {"10.0.0.254/24", "fd00::254/64"});
  start_frr("tor",
            "route-map paint permit 10\n"
            " match ip address prefix-list painted\n"
            " set community 65000:5\n"
            "route-map paint permit 20\n"
            "ip prefix-list painted permit 172.20.0.0/24\n"
            "router bgp 65000\n"
            " bgp router-id 10.0.0.254\n"
            " no bgp ebgp-requires-policy\n"
            " no bgp network import-check\n"
            " neighbor 10.0.0.1 remote-as 64512\n"
            " neighbor fd00::1 remote-as 64512\n"
            " address-family ipv4 unicast\n"
            "  network 172.20.0.0/24\n"
            "  network 172.21.0.0/24\n"
            "  network 172.22.0.0/16\n"
            "  neighbor 10.0.0.1 route-map paint out\n"
            " exit-address-family\n"
            " address-family ipv6 unicast\n"
            "  neighbor fd00::1 activate\n"
            "  network fd00:20::/64\n"
            "  network fd00:21::/64\n"
            " exit-address-family\n");
  // Painted ones come in, with a metric; of the rest those of AS 65000 with a long prefix.
  model::BgpFilter in;
  in.name = "in";
  model::BgpFilterRule painted;
  painted.community = model::BgpCommunity{{65000, 5}};
  painted.accept = true;
  painted.operations = {{.add_community = {}, .prepend_as_path = {}, .set_priority = 77}};
  model::BgpFilterRule longer = rule("0.0.0.0/0", true);
  longer.prefix->min_length = 24;
  longer.as_path_prefix = {65000};
  longer.external = true;
  model::BgpFilterRule nothing;
  in.import_v4 = {painted, longer, nothing};
  in.import_v6 = {rule("fd00:20::/64", true), nothing};
  // Out: more communities, and a path that looks longer; IPv6 not at all.
  model::BgpFilter out;
  out.name = "out";
  out.export_v4 = {rule("192.168.1.0/26", true)};
  out.export_v4[0].operations = {
      {.add_community = model::BgpCommunity{{64512, 42}},
       .prepend_as_path = {},
       .set_priority = {}},
      {.add_community = model::BgpCommunity{{64512, 1, 2}},
       .prepend_as_path = {},
       .set_priority = {}},
      {.add_community = {}, .prepend_as_path = {64999, 64998}, .set_priority = {}}};
  model::BgpFilterRule internal;  // does not concern this peer
  internal.external = false;
  out.export_v4.insert(out.export_v4.begin(), internal);
  out.export_v6 = {nothing};
  model::BgpPeer four = peer_of("a", "10.0.0.254", 65000);
  four.filters = {"in", "out"};
  model::BgpPeer six = peer_of("a", "fd00::254", 65000);
  six.filters = {"in", "out"};
  net->tell({update(in), update(out), update(four), update(six)});

  EXPECT_TRUE(routed("a", "172.20.0.0/24 via 10.0.0.254 dev eth0 proto bird metric 77"))
      << net->routes("a");
  EXPECT_TRUE(routed("a", "172.21.0.0/24 via 10.0.0.254 dev eth0 proto bird metric 1024"));
  EXPECT_TRUE(routed("a", "fd00:20::/64 via fe80::")) << net->routes("a", "-6");
  EXPECT_TRUE(routed("tor", "192.168.1.0/26")) << net->routes("tor");
  EXPECT_FALSE(net->has_route("a", "172.22.0.0/16"));
  EXPECT_FALSE(net->has_route("a", "fd00:21::/64"));
  EXPECT_FALSE(net->has_route("tor", "fd00:10::100/122"));
  const std::string told = ask_frr("tor", "show bgp ipv4 unicast 192.168.1.0/26");
  EXPECT_THAT(told, HasSubstr("64512:42"));
  EXPECT_THAT(told, HasSubstr("64512:1:2"));
  EXPECT_THAT(told, HasSubstr("64512 64999 64998"));

  // A filter of the running session changes: no new session, but its routes are looked at again.
  const std::string since = net->peer("a", "10.0.0.254").since;
  in.import_v4 = {painted, nothing};
  net->tell({update(in)});
  EXPECT_TRUE(unrouted("a", "172.21.0.0/24"));
  EXPECT_TRUE(net->has_route("a", "172.20.0.0/24"));
  EXPECT_EQ(net->peer("a", "10.0.0.254").since, since);
}

// Three kinds of Service addresses, aggregated or one by one, local or anywhere.
TEST_F(WithFrr, ServiceAddressesOfEveryKind) {
  add_nodes(2);
  net->add_host("tor", {"10.0.0.254/24"});
  start_frr("tor", kRackRouter +
                       " bgp bestpath as-path multipath-relax\n"
                       " neighbor 10.0.0.1 remote-as 64512\n"
                       " neighbor 10.0.0.2 remote-as 64512\n"
                       " address-family ipv4 unicast\n"
                       "  maximum-paths 4\n"
                       " exit-address-family\n");
  model::BgpConfiguration common = no_mesh();
  common.service_cluster_ips = {cidr("10.96.0.0/12")};
  common.service_external_ips = {cidr("203.0.113.0/24"), cidr("198.51.100.7/32")};
  common.service_load_balancer_ips = {cidr("192.0.2.0/24")};
  model::BgpPeer tor = peer("tor");
  tor.peer_ip = address("10.0.0.254");
  tor.as_number = 65000;
  model::Service anywhere;
  anywhere.name = {"ns", "anywhere"};
  anywhere.cluster_ips = {address("10.96.0.10")};
  anywhere.external_ips = {address("203.0.113.10"), address("198.51.100.7")};
  anywhere.load_balancer_ips = {address("192.0.2.10")};
  model::Service local;
  local.name = {"ns", "local"};
  local.cluster_ips = {address("10.96.0.20")};
  local.external_ips = {address("203.0.113.20")};
  local.load_balancer_ips = {address("192.0.2.20")};
  local.local = true;
  const model::ObjectName slice{"ns", "local-1"};
  const auto on = [&](std::vector<std::string> nodes) {
    return model::ServiceNodesUpdate{slice, model::ServiceNodes{slice, "local", std::move(nodes)}};
  };
  net->tell({update(common), update(tor), update(anywhere), update(local), on({"b"})});

  // The way to a prefix is exactly over these nodes.
  const auto over = [&](const char* prefix, bool a, bool b) {
    const bool seen = net->eventually([&] {
      const std::string route = way(*net, "tor", prefix);
      return (route.find("via 10.0.0.1 ") != std::string::npos) == a &&
             (route.find("via 10.0.0.2 ") != std::string::npos) == b;
    });
    EXPECT_TRUE(seen) << prefix << ": " << way(*net, "tor", prefix);
  };
  for (const char* range : {"10.96.0.0/12", "203.0.113.0/24", "192.0.2.0/24"})
    over(range, true, true);
  over("198.51.100.7/32", true, true);  // a range of one address: a Service has it
  for (const char* one : {"10.96.0.20", "203.0.113.20", "192.0.2.20"}) over(one, false, true);
  for (const char* one : {"10.96.0.10", "203.0.113.10", "192.0.2.10"}) over(one, false, false);
  // No node has a route for them: that is the service proxy's business.
  for (const char* name : {"a", "b"}) {
    EXPECT_THAT(net->routes(name), Not(HasSubstr("10.96.")));
    EXPECT_THAT(net->routes(name), Not(HasSubstr("192.0.2.")));
  }

  // Load balancers' addresses one by one.
  common.load_balancer_aggregation = false;
  net->tell({update(common)});
  over("192.0.2.0/24", false, false);
  over("192.0.2.10", true, true);
  over("192.0.2.20", false, true);

  // The local Service's pods: on both nodes, on none.
  net->tell({on({"a", "b"})});
  over("192.0.2.20", true, true);
  over("203.0.113.20", true, true);
  net->tell({on({})});
  over("192.0.2.20", false, false);
  over("203.0.113.20", false, false);
  over("203.0.113.0/24", true, true);

  // A Service gives its addresses up; a node wants no outside traffic.
  anywhere.external_ips.clear();
  model::NodeNetwork b =
      node("b", addresses(2),
           {{"name", "b"}, {"node.kubernetes.io/exclude-from-external-load-balancers", ""}});
  net->tell({update(anywhere), update(b)});
  over("198.51.100.7/32", false, false);
  over("10.96.0.0/12", true, false);
  over("192.0.2.10", true, false);
}

TEST_F(WithFrr, CommunitiesOfAdvertisedPrefixes) {
  add_nodes(1);
  net->add_host("tor", {"10.0.0.254/24"});
  start_frr("tor", kRackRouter + " neighbor 10.0.0.1 remote-as 64512\n");
  model::BgpConfiguration common = no_mesh();
  common.service_cluster_ips = {cidr("10.96.0.0/12")};
  common.prefix_advertisements = {{cidr("192.168.0.0/16"), {{{64512, 100}}, {{64512, 7, 8}}}},
                                  {cidr("10.96.0.0/12"), {{{64512, 200}}}}};
  net->tell(
      {update(common), update(peer_of("a", "10.0.0.254", 65000)), block("192.168.40.0/26", "a")});
  ASSERT_TRUE(routed("tor", "192.168.1.0/26"));
  ASSERT_TRUE(routed("tor", "10.96.0.0/12"));
  for (const char* prefix : {"192.168.1.0/26", "192.168.40.0/26"}) {
    const std::string told = ask_frr("tor", std::string("show bgp ipv4 unicast ") + prefix);
    EXPECT_THAT(told, HasSubstr("Community: 64512:100"));
    EXPECT_THAT(told, HasSubstr("Large Community: 64512:7:8"));
    EXPECT_THAT(told, Not(HasSubstr("64512:200")));
  }
  EXPECT_THAT(ask_frr("tor", "show bgp ipv4 unicast 10.96.0.0/12"),
              HasSubstr("Community: 64512:200"));

  // A pool that is not to be told of.
  model::IpPool hidden = pool("192.168.40.0/24");
  hidden.export_by_bgp = false;
  net->tell({update(hidden)});
  EXPECT_TRUE(unrouted("tor", "192.168.40.0/26"));
  EXPECT_TRUE(net->has_route("tor", "192.168.1.0/26"));
}

}  // namespace
}  // namespace caracal::bgp
