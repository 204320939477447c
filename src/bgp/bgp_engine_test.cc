#include "bgp/bgp_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "bgp/testing/objects.h"

namespace caracal::bgp {
namespace {

using namespace testing;  // NOLINT: the words of these tests
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> names(const Config& config) {
  std::vector<std::string> out;
  for (const Session& session : config.sessions) out.push_back(session.name);
  return out;
}

std::vector<std::string> texts(const std::set<net::Cidr>& cidrs) {
  std::vector<std::string> out;
  for (const net::Cidr& c : cidrs) out.push_back(c.to_string());
  return out;
}

class Engine : public ::testing::Test {
 protected:
  Engine() {
    engine.apply(update(node("a", {"10.0.0.1/24"}, {{"rack", "1"}})));
    engine.apply(update(node("b", {"10.0.0.2/24"}, {{"rack", "2"}})));
    engine.apply(update(node("c", {"10.0.0.10/24"}, {{"rack", "2"}})));
  }
  BgpEngine engine{{.node = "b", .router_id = {}}};
};

TEST_F(Engine, MeshOfAllNodes) {
  const Config& config = engine.config();
  EXPECT_THAT(names(config), ElementsAre("Mesh_10_0_0_1", "Mesh_10_0_0_10"));
  const Session& session = config.sessions[0];
  EXPECT_EQ(session.peer, "a");
  EXPECT_EQ(session.as_number, 64512U);
  EXPECT_EQ(session.local_as, 64512U);
  EXPECT_EQ(session.port, 179);
  EXPECT_EQ(session.local_address, address("10.0.0.2"));
  EXPECT_EQ(session.restart_seconds, 120U);
  EXPECT_EQ(config.router_id, address("10.0.0.2"));
  EXPECT_THAT(engine.problems(), IsEmpty());
}

// As text "10.0.0.2" is greater than "10.0.0.10" and "10.0.0.1": this node opens to both.
TEST_F(Engine, TheGreaterAddressAsTextOpens) {
  EXPECT_FALSE(find(engine.config(), "Mesh_10_0_0_1")->passive);
  EXPECT_FALSE(find(engine.config(), "Mesh_10_0_0_10")->passive);
  engine.apply(update(node("d", {"10.0.0.3/24"})));
  EXPECT_TRUE(find(engine.config(), "Mesh_10_0_0_3")->passive);
}

TEST_F(Engine, DualStackHasOneSessionAFamily) {
  engine.apply(update(node("a", {"10.0.0.1/24", "fd00::1/64"})));
  engine.apply(update(node("b", {"10.0.0.2/24", "fd00::2/64"})));
  EXPECT_THAT(names(engine.config()),
              ElementsAre("Mesh_10_0_0_1", "Mesh_10_0_0_10", "Mesh_fd00__1"));
  EXPECT_EQ(find(engine.config(), "Mesh_fd00__1")->family(), net::Family::kIPv6);
}

TEST_F(Engine, RouterIdWithoutIpv4IsOfTheName) {
  engine.apply(update(node("b", {"fd00::2/64"})));
  const net::IpAddr id = engine.config().router_id;
  EXPECT_TRUE(id.is_v4());
  EXPECT_NE(id, net::IpAddr());
  BgpEngine other({.node = "other", .router_id = {}});
  EXPECT_NE(other.config().router_id, id);
}

TEST_F(Engine, AsNumbersPortsAndMeshSettings) {
  model::BgpConfiguration common;
  common.name = "default";
  common.as_number = 65000;
  common.listen_port = 1790;
  common.mesh_max_restart_seconds = 60;
  common.bind_node_ip = true;
  engine.apply(update(common));
  model::BgpConfiguration of_a;
  of_a.name = "node.a";
  of_a.as_number = 65001;
  of_a.listen_port = 2000;
  engine.apply(update(of_a));
  model::NodeNetwork c = node("c", {"10.0.0.10/24"});
  c.as_number = 65002;
  engine.apply(update(c));

  const Session& with_a = *find(engine.config(), "Mesh_10_0_0_1_port_2000");
  EXPECT_EQ(with_a.local_as, 65000U);
  EXPECT_EQ(with_a.as_number, 65001U);
  EXPECT_EQ(with_a.local_port, 1790);
  EXPECT_TRUE(with_a.bind_local);
  EXPECT_EQ(with_a.restart_seconds, 60U);
  EXPECT_EQ(find(engine.config(), "Mesh_10_0_0_10_port_1790")->as_number, 65002U);

  common.node_mesh = false;
  engine.apply(update(common));
  EXPECT_THAT(engine.config().sessions, IsEmpty());
}

TEST_F(Engine, RouteReflectorsAreOutOfTheMesh) {
  model::NodeNetwork a = node("a", {"10.0.0.1/24"}, {{"reflector", "yes"}});
  a.route_reflector_cluster = address("244.0.0.1");
  engine.apply(update(a));
  EXPECT_THAT(names(engine.config()), ElementsAre("Mesh_10_0_0_10"));

  model::BgpPeer reflectors = peer("reflectors");
  reflectors.nodes = labels("all()");
  reflectors.peers = labels("reflector == 'yes'");
  engine.apply(update(reflectors));
  EXPECT_THAT(names(engine.config()), ElementsAre("Mesh_10_0_0_10", "Node_10_0_0_1"));
  EXPECT_FALSE(find(engine.config(), "Node_10_0_0_1")->cluster_id);

  // The reflector's side: made without being asked for, and the others are its clients.
  BgpEngine reflector({.node = "a", .router_id = {}});
  for (const auto& n : {a, node("b", {"10.0.0.2/24"}), node("c", {"10.0.0.10/24"})})
    reflector.apply(update(n));
  reflector.apply(update(reflectors));
  EXPECT_THAT(names(reflector.config()), ElementsAre("Node_10_0_0_10", "Node_10_0_0_2"));
  EXPECT_EQ(reflector.config().sessions[0].cluster_id, address("244.0.0.1"));
  EXPECT_TRUE(reflector.config().route_reflector);

  // Another reflector of the same cluster is no client, one of another cluster is.
  model::NodeNetwork d = node("d", {"10.0.0.4/24"}, {{"reflector", "yes"}});
  d.route_reflector_cluster = address("244.0.0.1");
  reflector.apply(update(d));
  EXPECT_FALSE(find(reflector.config(), "Node_10_0_0_4")->cluster_id);
  d.route_reflector_cluster = address("244.0.0.2");
  reflector.apply(update(d));
  EXPECT_EQ(find(reflector.config(), "Node_10_0_0_4")->cluster_id, address("244.0.0.1"));
}

TEST_F(Engine, ReversePeeringOnlyWhereWanted) {
  model::BgpPeer up = peer("up");
  up.node = "a";
  up.peers = labels("rack == '2'");
  up.local_as_number = 65010;
  model::BgpConfiguration common;
  common.name = "default";
  common.node_mesh = false;
  engine.apply(update(common));
  engine.apply(update(up));
  ASSERT_THAT(names(engine.config()), ElementsAre("Node_10_0_0_1"));
  // The other end speaks as 65010.
  EXPECT_EQ(engine.config().sessions[0].as_number, 65010U);
  EXPECT_EQ(engine.config().sessions[0].local_as, 64512U);
  up.reverse = false;
  engine.apply(update(up));
  EXPECT_THAT(engine.config().sessions, IsEmpty());
}

TEST_F(Engine, PeerByAddressWithEveryField) {
  model::BgpFilter filter;
  filter.name = "f";
  filter.import_v4 = {rule("10.9.0.0/16", true)};
  engine.apply(update(filter));
  model::BgpPeer tor = peer("tor");
  tor.nodes = labels("rack == '2'");
  tor.peer_ip = address("192.0.2.1");
  tor.peer_port = 1179;
  tor.as_number = 65001;
  tor.local_as_number = 65011;
  tor.next_hop = model::BgpPeer::NextHop::kSelf;
  tor.password = model::SecretKey{"bgp", "tor"};
  tor.max_restart_seconds = 30;
  tor.keepalive_seconds = 5;
  tor.allowed_local_as = 2;
  tor.ttl_security = 1;
  tor.reachable_by = address("10.0.0.254");
  tor.filters = {"f"};
  tor.bfd = true;
  engine.apply(update(tor));

  // Without the password no session.
  EXPECT_EQ(find(engine.config(), "Node_192_0_2_1_port_1179"), nullptr);
  EXPECT_THAT(engine.wanted_secrets(), ElementsAre(model::SecretKey{"bgp", "tor"}));
  EXPECT_THAT(engine.problems(), Contains(HasSubstr("Secret bgp with key tor")));
  engine.set_password({"bgp", "tor"}, "s3cret");

  const Session* session = find(engine.config(), "Node_192_0_2_1_port_1179");
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->source, "tor");
  EXPECT_EQ(session->as_number, 65001U);
  EXPECT_EQ(session->local_as, 65011U);
  EXPECT_EQ(session->password, "s3cret");
  EXPECT_EQ(session->restart_seconds, 30U);
  EXPECT_EQ(session->keepalive_seconds, 5U);
  EXPECT_EQ(session->allowed_local_as, 2U);
  EXPECT_EQ(session->ttl_security, 1);
  EXPECT_TRUE(session->bfd);
  EXPECT_FALSE(session->passive);  // not a node: it may be waiting for us
  EXPECT_THAT(session->filters, ElementsAre("f"));
  EXPECT_TRUE(engine.config().filters.contains("f"));
  EXPECT_EQ(engine.config().v4.peer_routes.at(address("192.0.2.1")), address("10.0.0.254"));
  EXPECT_THAT(engine.problems(), IsEmpty());

  // Not this node's.
  tor.nodes = labels("rack == '1'");
  engine.apply(update(tor));
  EXPECT_EQ(find(engine.config(), "Node_192_0_2_1_port_1179"), nullptr);
}

TEST_F(Engine, PasswordsThatCannotBeWritten) {
  model::BgpConfiguration common;
  common.name = "default";
  common.mesh_password = model::SecretKey{"mesh", "password"};
  engine.apply(update(common));
  for (const std::string& password : {std::string("with\"quote"), std::string("line\nend"),
                                      std::string(), std::string(81, 'x')}) {
    engine.set_password({"mesh", "password"}, password);
    EXPECT_THAT(engine.config().sessions, IsEmpty()) << password;
    EXPECT_THAT(engine.problems(), Contains(HasSubstr("Secret mesh"))) << password;
    for (const std::string& problem : engine.problems())
      EXPECT_TRUE(password.size() < 5 || problem.find(password) == std::string::npos);
  }
  engine.set_password({"mesh", "password"}, "it's fine \\ #; really");
  EXPECT_EQ(engine.config().sessions.size(), 2U);
}

TEST_F(Engine, OneSessionToOneAddress) {
  model::BgpPeer everywhere = peer("a-global");
  everywhere.peer_ip = address("10.0.0.1");  // node a, in the mesh as well
  everywhere.keepalive_seconds = 7;
  engine.apply(update(everywhere));
  EXPECT_THAT(names(engine.config()), ElementsAre("Global_10_0_0_1", "Mesh_10_0_0_10"));
  EXPECT_EQ(engine.config().sessions[0].as_number, 64512U);  // of the node
  EXPECT_THAT(engine.problems(), IsEmpty());

  model::BgpPeer here = peer("z-here");
  here.node = "b";
  here.peer_ip = address("10.0.0.1");
  engine.apply(update(here));
  EXPECT_THAT(names(engine.config()), ElementsAre("Mesh_10_0_0_10", "Node_10_0_0_1"));
  EXPECT_THAT(engine.problems(), ElementsAre(HasSubstr("BGPPeer a-global: not used")));
}

TEST_F(Engine, BadPeersAreNamed) {
  model::BgpPeer p = peer("no-as");
  p.peer_ip = address("192.0.2.1");
  engine.apply(update(p));
  p.name = "no-interface";
  p.peer_ip = address("fe80::1");
  p.as_number = 65000;
  engine.apply(update(p));
  p.name = "no-v6";
  p.peer_ip = address("2001:db8::1");
  engine.apply(update(p));
  p.name = "odd-gateway";
  p.peer_ip = address("192.0.2.2");
  p.reachable_by = address("2001:db8::1");
  engine.apply(update(p));
  p.name = "no-filter";
  p.reachable_by.reset();
  p.peer_ip = address("192.0.2.3");
  p.filters = {"gone"};
  engine.apply(update(p));
  EXPECT_THAT(engine.problems(),
              ElementsAre(HasSubstr("BGPPeer no-as: spec.asNumber"),
                          HasSubstr("BGPFilter gone does not exist"),
                          HasSubstr("BGPPeer no-interface: spec.peerIP: fe80::1"),
                          HasSubstr("BGPPeer no-v6: this node has no IPv6 address"),
                          HasSubstr("BGPPeer odd-gateway: spec.reachableBy")));
  EXPECT_THAT(names(engine.config()),
              ElementsAre("Global_192_0_2_2", "Mesh_10_0_0_1", "Mesh_10_0_0_10"));
}

TEST_F(Engine, LinkLocalPeer) {
  model::BgpPeer p = peer("tor");
  p.peer_ip = address("fe80::1");
  p.peer_interface = "eth0";
  p.as_number = 65000;
  engine.apply(update(p));
  const Session* session = find(engine.config(), "Global_fe80__1_eth0");
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->interface, "eth0");
  EXPECT_FALSE(session->local_address);
}

TEST_F(Engine, NodesWithoutAddress) {
  engine.apply(update(node("a", {})));
  EXPECT_THAT(engine.problems(), ElementsAre(HasSubstr("Node a: has no address")));
  engine.apply(update(node("b", {})));
  EXPECT_THAT(engine.config().sessions, IsEmpty());
  EXPECT_THAT(engine.problems(), ElementsAre(HasSubstr("Node b: has no address")));
}

TEST_F(Engine, LocalWorkloads) {
  model::BgpPeer p = peer("nested");
  p.local_workloads = labels("app == 'router'");
  p.as_number = 65100;
  engine.apply(update(p));
  model::BgpConfiguration common;
  common.name = "default";
  common.local_workload_peering_v4 = address("169.254.1.9");
  engine.apply(update(common));
  engine.set_local_workload({"ns", "r"}, LocalWorkload{{{"app", "router"}}, {address("10.1.0.5")}});
  engine.set_local_workload({"ns", "x"}, LocalWorkload{{{"app", "other"}}, {address("10.1.0.6")}});
  const Session* session = find(engine.config(), "Local_Workload_10_1_0_5");
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->peer, "ns/r");
  EXPECT_EQ(session->local_address, address("169.254.1.9"));
  EXPECT_TRUE(session->import_by_filter_only);
  EXPECT_EQ(find(engine.config(), "Local_Workload_10_1_0_6"), nullptr);
  EXPECT_TRUE(session->peering_address);
  EXPECT_FALSE(engine.set_local_workload(
      {"ns", "r"}, LocalWorkload{{{"app", "router"}}, {address("10.1.0.5")}}));
  EXPECT_TRUE(engine.set_local_workload({"ns", "r"}, std::nullopt));
  EXPECT_EQ(find(engine.config(), "Local_Workload_10_1_0_5"), nullptr);
}

// Pods come and go all the time; without a peer among them nothing is to be done.
TEST_F(Engine, PodsChangeNothingWithoutALocalPeer) {
  engine.flush();
  const LocalWorkload pod{{{"app", "router"}}, {address("10.1.0.5")}};
  EXPECT_FALSE(engine.set_local_workload({"ns", "r"}, pod));
  EXPECT_FALSE(engine.flush());
  // The peer comes after the pod.
  model::BgpPeer p = peer("nested");
  p.local_workloads = labels("app == 'router'");
  p.as_number = 65100;
  engine.apply(update(p));
  EXPECT_NE(find(engine.config(), "Local_Workload_10_1_0_5"), nullptr);
}

// Single-hop BFD, where both ends see one network.
TEST_F(Engine, BfdOverOneNetworkIsDirect) {
  engine.apply(update(node("c", {"10.0.0.3/32"})));
  engine.apply(update(node("d", {"10.0.1.4/24"})));
  model::BgpPeer p = peer("all");
  p.peers = labels("all()");
  engine.apply(update(p));
  EXPECT_FALSE(find(engine.config(), "Global_10_0_0_1")->direct);
  p.bfd = true;
  engine.apply(update(p));
  EXPECT_TRUE(find(engine.config(), "Global_10_0_0_1")->direct);
  EXPECT_FALSE(find(engine.config(), "Global_10_0_0_3")->direct);
  EXPECT_FALSE(find(engine.config(), "Global_10_0_1_4")->direct);
  p.ttl_security = 2;
  engine.apply(update(p));
  EXPECT_FALSE(find(engine.config(), "Global_10_0_0_1")->direct);
}

TEST_F(Engine, BlocksAndPools) {
  engine.apply(update(pool("10.1.0.0/16")));
  engine.apply(update(pool("10.2.0.0/16", model::Encapsulation::kVxlan)));
  model::IpPool hidden = pool("10.3.0.0/16");
  hidden.export_by_bgp = false;
  engine.apply(update(hidden));
  model::IpPool balancers = pool("10.4.0.0/16");
  balancers.for_workloads = balancers.for_tunnels = false;
  balancers.for_load_balancers = true;
  engine.apply(update(balancers));
  engine.apply(block("10.1.0.0/26", "b"));
  engine.apply(block("10.1.0.64/26", "a"));
  engine.apply(block("10.1.9.9/32", "b"));
  const FamilyConfig& v4 = engine.config().v4;
  EXPECT_THAT(texts(v4.own_blocks), ElementsAre("10.1.0.0/26"));
  EXPECT_THAT(texts(v4.own_host_blocks), ElementsAre("10.1.9.9/32"));
  EXPECT_THAT(texts(v4.pools), ElementsAre("10.1.0.0/16", "10.2.0.0/16"));
  EXPECT_THAT(texts(v4.agent_pools), ElementsAre("10.2.0.0/16"));
  EXPECT_THAT(texts(v4.hidden_pools), ElementsAre("10.3.0.0/16"));
  engine.apply(block("10.1.0.0/26", ""));  // affinity given up
  EXPECT_THAT(engine.config().v4.own_blocks, IsEmpty());
}

TEST(EngineWithPodCidrs, AreBlocks) {
  BgpEngine engine({.node = "a", .router_id = {}, .pod_cidrs = true});
  model::NodeNetwork a = node("a", {"10.0.0.1/24"});
  a.pod_cidrs = {cidr("10.244.0.0/24"), cidr("fd00:1::/80")};
  engine.apply(update(a));
  EXPECT_THAT(texts(engine.config().v4.own_blocks), ElementsAre("10.244.0.0/24"));
  EXPECT_THAT(texts(engine.config().v6.own_blocks), ElementsAre("fd00:1::/80"));
  EXPECT_TRUE(engine.needed());
  engine.apply(update(pool("10.244.0.0/16", model::Encapsulation::kVxlan)));
  engine.apply(update(pool("fd00:1::/64", model::Encapsulation::kVxlan)));
  EXPECT_FALSE(engine.needed());
}

TEST_F(Engine, ServiceRoutes) {
  model::BgpConfiguration common;
  common.name = "default";
  common.service_cluster_ips = {cidr("10.96.0.0/12")};
  common.service_external_ips = {cidr("203.0.113.0/24"), cidr("198.51.100.7/32")};
  common.service_load_balancer_ips = {cidr("192.0.2.0/24")};
  engine.apply(update(common));
  EXPECT_TRUE(engine.needed());
  EXPECT_THAT(texts(engine.config().v4.service_routes),
              ElementsAre("10.96.0.0/12", "192.0.2.0/24", "203.0.113.0/24"));

  model::Service web;
  web.name = {"ns", "web"};
  web.cluster_ips = {address("10.96.0.5")};
  web.external_ips = {address("198.51.100.7"), address("203.0.113.9"), address("8.8.8.8")};
  web.load_balancer_ips = {address("192.0.2.44")};
  engine.apply(update(web));
  // Policy Cluster: only the range of one address has something new to tell.
  EXPECT_THAT(texts(engine.config().v4.service_routes),
              ElementsAre("10.96.0.0/12", "192.0.2.0/24", "198.51.100.7/32", "203.0.113.0/24"));

  web.local = true;
  engine.apply(update(web));
  EXPECT_THAT(texts(engine.config().v4.service_routes),
              ElementsAre("10.96.0.0/12", "192.0.2.0/24", "203.0.113.0/24"));
  const model::ObjectName slice{"ns", "web-1"};
  engine.apply(model::ServiceNodesUpdate{slice, model::ServiceNodes{slice, "web", {"a", "b"}}});
  EXPECT_THAT(texts(engine.config().v4.service_routes),
              ElementsAre("10.96.0.0/12", "10.96.0.5/32", "192.0.2.0/24", "192.0.2.44/32",
                          "198.51.100.7/32", "203.0.113.0/24", "203.0.113.9/32"));
  engine.apply(model::ServiceNodesUpdate{slice, model::ServiceNodes{slice, "web", {"a"}}});
  EXPECT_THAT(texts(engine.config().v4.service_routes),
              ElementsAre("10.96.0.0/12", "192.0.2.0/24", "203.0.113.0/24"));

  // Load balancers one by one.
  common.load_balancer_aggregation = false;
  engine.apply(update(common));
  EXPECT_THAT(texts(engine.config().v4.service_routes),
              ElementsAre("10.96.0.0/12", "203.0.113.0/24"));
  web.local = false;
  engine.apply(update(web));
  EXPECT_THAT(texts(engine.config().v4.service_routes),
              ElementsAre("10.96.0.0/12", "192.0.2.44/32", "198.51.100.7/32", "203.0.113.0/24"));

  // The node's label.
  engine.apply(update(node("b", {"10.0.0.2/24"},
                           {{"node.kubernetes.io/exclude-from-external-load-balancers", ""}})));
  EXPECT_THAT(engine.config().v4.service_routes, IsEmpty());
  EXPECT_EQ(engine.config().v4.service_ranges.size(), 4U);
}

TEST_F(Engine, Needed) {
  EXPECT_FALSE(engine.needed());
  engine.apply(update(pool("10.2.0.0/16", model::Encapsulation::kVxlan)));
  EXPECT_FALSE(engine.needed());
  model::BgpConfiguration other;
  other.name = "node.a";
  engine.apply(update(other));
  EXPECT_FALSE(engine.needed());
  engine.apply(update(pool("10.1.0.0/16")));
  EXPECT_TRUE(engine.needed());
  engine.apply(model::IpPoolUpdate{"10.1.0.0/16", std::nullopt});
  EXPECT_FALSE(engine.needed());
  engine.apply(update(peer("p")));
  EXPECT_TRUE(engine.needed());
}

TEST_F(Engine, FlushTellsWhatDiffersOnly) {
  EXPECT_TRUE(engine.flush());
  EXPECT_FALSE(engine.flush());
  engine.apply(block("10.1.0.0/26", "a"));  // somebody else's
  EXPECT_FALSE(engine.flush());
  model::Service service;
  service.name = {"ns", "s"};
  service.cluster_ips = {address("10.96.0.5")};
  engine.apply(update(service));
  EXPECT_FALSE(engine.flush());
  engine.apply(block("10.1.0.0/26", "b"));
  EXPECT_TRUE(engine.flush());
  engine.apply(block("10.1.0.0/26", "a"));
  engine.apply(block("10.1.0.0/26", "b"));  // back again
  EXPECT_FALSE(engine.flush());
}

// The order of updates, and what there was in between, leave nothing behind.
TEST(EngineRandom, DependsOnTheWorldOnly) {
  std::mt19937 random(7);  // NOLINT: the same run every time
  const auto pick = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  for (int round = 0; round < 60; ++round) {
    std::map<std::string, model::NetworkUpdate> world;
    BgpEngine engine({.node = "n0", .router_id = {}});
    for (int step = 0; step < 80; ++step) {
      const std::string number = std::to_string(pick(6));
      model::NetworkUpdate change;
      std::string key;
      const bool gone = pick(4) == 0;
      switch (pick(6)) {
        case 0: {
          key = "n" + number;
          model::NodeNetwork n = node(key, {"10.0.0." + number + "/24"}, {{"r", number}});
          if (pick(3) == 0) n.route_reflector_cluster = address("1.1.1.1");
          change =
              gone ? model::NodeNetworkUpdate{key, std::nullopt} : model::NodeNetworkUpdate{key, n};
          break;
        }
        case 1: {
          key = "10.1.0." + std::to_string(64 * pick(4)) + "/26";
          if (gone)
            change = model::AddressBlockUpdate{cidr(key), std::nullopt};
          else
            change = block(key, "n" + std::to_string(pick(2)));
          break;
        }
        case 2: {
          key = "p" + number;
          model::BgpPeer p = peer(key);
          if (pick(2) == 0) p.nodes = labels("r == '" + std::to_string(pick(6)) + "'");
          if (pick(2) == 0) {
            p.peers = labels("r != '" + std::to_string(pick(6)) + "'");
          } else {
            p.peer_ip = address("10.0.0." + std::to_string(pick(9)));
            p.as_number = 65000;
          }
          change = gone ? model::BgpPeerUpdate{key, std::nullopt} : model::BgpPeerUpdate{key, p};
          break;
        }
        case 3: {
          key = "10." + number + ".0.0/16";
          model::IpPool p =
              pool(key, pick(2) == 0 ? model::Encapsulation::kVxlan : model::Encapsulation::kNone);
          change = gone ? model::IpPoolUpdate{key, std::nullopt} : model::IpPoolUpdate{key, p};
          break;
        }
        case 4: {
          const model::ObjectName slice{"ns", "s" + number};
          key = "slice" + number;
          model::ServiceNodes nodes{
              slice, "w" + std::to_string(pick(2)), {"n" + std::to_string(pick(2))}};
          change = gone ? model::ServiceNodesUpdate{slice, std::nullopt}
                        : model::ServiceNodesUpdate{slice, nodes};
          break;
        }
        default: {
          key = "default";
          model::BgpConfiguration c;
          c.name = key;
          c.service_cluster_ips = {cidr("10.96.0.0/12")};
          c.node_mesh = pick(2) == 0;
          change = gone ? model::BgpConfigurationUpdate{key, std::nullopt}
                        : model::BgpConfigurationUpdate{key, c};
        }
      }
      engine.apply(change);
      world.insert_or_assign(key, change);
      if (pick(10) == 0) engine.flush();
    }
    BgpEngine fresh({.node = "n0", .router_id = {}});
    for (const auto& [key, change] : world) fresh.apply(change);
    ASSERT_EQ(engine.config(), fresh.config());
    ASSERT_EQ(engine.problems(), fresh.problems());
    ASSERT_EQ(engine.needed(), fresh.needed());
  }
}

}  // namespace
}  // namespace caracal::bgp
