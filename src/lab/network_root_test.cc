// Whole labs of several shapes, with their agents: do pods reach each other the way the topology
// says, what happens to connections while it changes, and is what is traced and shown true?
#include "jsonio/yaml.h"
#include "lab/held_connection.h"
#include "lab/testing/network_lab.h"

namespace caracal::lab {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::NetworkLab;
using ::testing::Not;
using testing::texts;

TEST_F(NetworkLab, ARouterBetweenSubnetsWithPodCidrs) {
  ASSERT_TRUE(up(R"(
subnets: [{name: east}, {name: west, mtu: 1400}]
routers: [{name: r1, subnets: [east, west]}]
nodes: [{name: e1, subnet: east}, {name: w1, subnet: west}]
network: {ipam: pod-cidr, bgp: "off"}
objects:
- {apiVersion: v1, kind: Namespace, metadata: {name: extra}}
)"));
  EXPECT_TRUE(client_->get("/api/v1/namespaces/extra"));
  add_pods({{"a", "e1"}, {"b", "w1"}});
  EXPECT_TRUE(reaches("a", "b"));
  EXPECT_TRUE(reaches("b", "a"));
  EXPECT_THAT(in_node("w1", {"ip", "link", "show", "eth0"}), HasSubstr("mtu 1400"));

  // Every hop, there and back, of each protocol.
  for (const char* protocol : {"tcp", "udp", "icmp"}) {
    const json::value trace = asked({"lab", "trace", "a", "b", "--protocol", protocol, "--port",
                                     std::string_view(protocol) == "udp" ? "7" : "80"});
    EXPECT_EQ(jsonio::get_string(trace, {"outcome"}), "open");
    EXPECT_THAT(way(trace),
                ElementsAre("default/a out eth0", "e1 in cali", "e1 out eth0", "r1 in eth0",
                            "r1 out eth1", "w1 in eth0", "w1 out cali", "default/b in eth0"));
    EXPECT_EQ(jsonio::get_array(trace, {"back"}).size(), 5U);
  }

  // Where it is lost, and why.
  ASSERT_TRUE(client_->create(
      "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
      {{"apiVersion", "networking.k8s.io/v1"},
       {"kind", "NetworkPolicy"},
       {"metadata", json::object{{"name", "closed"}}},
       {"spec", json::object{
                    {"podSelector", json::object{{"matchLabels", json::object{{"app", "b"}}}}}}}}));
  ASSERT_TRUE(wait_until(seconds(60), [&] { return !reaches("a", "b", milliseconds(0)); }));
  const json::value denied = asked({"lab", "trace", "a", "b", "--timeout", "300"});
  EXPECT_EQ(jsonio::get_string(denied, {"lostAt"}), "w1");
  EXPECT_THAT(texts(denied, "why"),
              Contains(HasSubstr("ingress of pod default/b: denied")).Times(1));
  EXPECT_THAT(texts(denied, "why"), Contains(HasSubstr("NetworkPolicy default/closed")).Times(2))
      << "the policy, and the agent's flow log";
  ASSERT_TRUE(
      client_->remove("/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/closed"));
  EXPECT_TRUE(reaches("a", "b"));

  const json::value nowhere = asked({"lab", "trace", "a", "10.99.0.1", "--timeout", "300"});
  EXPECT_EQ(jsonio::get_string(nowhere, {"lostAt"}), "r1");
  EXPECT_THAT(texts(nowhere, "why"), ElementsAre(HasSubstr("no route to 10.99.0.1")));

  const std::string svg = caracal({"lab", "show", "--svg", "-"}).out;
  for (const char* text : {">east<", ">west<", ">r1<", ">e1<", "default/b", "192.168.1.0/24"})
    EXPECT_THAT(svg, HasSubstr(text));
}

TEST_F(NetworkLab, VxlanBetweenSubnetsOnly) {
  ASSERT_TRUE(up(R"(
subnets: [{name: east}, {name: west}]
routers: [{name: r1, subnets: [east, west]}]
nodes: [{name: e1, subnet: east}, {name: e2, subnet: east}, {name: w1, subnet: west}]
network: {ipam: pools, bgp: "off", defaultPool: {encapsulation: vxlan-cross-subnet}}
)"));
  add_pods({{"a", "e1"}, {"b", "e2"}, {"c", "w1"}});
  for (const auto& [from, to] : std::vector<std::pair<const char*, const char*>>{
           {"a", "b"}, {"a", "c"}, {"b", "c"}, {"c", "a"}})
    EXPECT_TRUE(reaches(from, to));
  EXPECT_TRUE(go_by("e1", "e2", {"direct"}));
  EXPECT_TRUE(go_by("e1", "w1", {"vxlan"}));
  EXPECT_TRUE(go_by("w1", "e2", {"vxlan"}));
  EXPECT_THAT(way(asked({"lab", "trace", "a", "b"})),
              ElementsAre("default/a out eth0", "e1 in cali", "e1 out eth0", "e2 in eth0",
                          "e2 out cali", "default/b in eth0"));
  EXPECT_THAT(
      way(asked({"lab", "trace", "a", "c"})),
      ElementsAre("default/a out eth0", "e1 in cali", "e1 out vxlan.calico", "e1 out eth0 vxlan",
                  "r1 in eth0 vxlan", "r1 out eth1 vxlan", "w1 in eth0 vxlan", "w1 in vxlan.calico",
                  "w1 out cali", "default/c in eth0"));

  // Another mode, while connections are used: within the subnet it is heard of only as a pause.
  auto near = HeldConnection::open(probe("a", "b"));
  auto far = HeldConnection::open(probe("a", "c"));
  ASSERT_TRUE(near && far);
  const auto set_mode = [&](const char* mode) {
    const auto patched =
        client_->patch("/apis/projectcalico.org/v3/ippools/default-ipv4-ippool", kube::kMergePatch,
                       {{"spec", json::object{{"vxlanMode", mode}}}});
    EXPECT_TRUE(patched) << patched.error().message;
  };
  set_mode("Always");
  EXPECT_TRUE(go_by("e1", "e2", {"direct", "vxlan"})) << "the IPv6 pool stays as it is";
  EXPECT_TRUE(go_by("e2", "e1", {"direct", "vxlan"}));
  set_mode("CrossSubnet");
  EXPECT_TRUE(go_by("e1", "e2", {"direct"}));
  EXPECT_TRUE(go_by("e2", "e1", {"direct"}));
  for (auto* held : {&near, &far}) {
    const auto outcome = (**held)->finish();
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.requests, outcome.answers);
    EXPECT_LT(outcome.longest, seconds(3));
    RecordProperty(held == &near ? "longest_pause_same_subnet_us" : "longest_pause_far_us",
                   std::to_string(outcome.longest.count()));
    fmt::print("two switches of mode: {} requests, longest pause {} us, {} retransmissions\n",
               outcome.requests, outcome.longest.count(), outcome.retransmissions);
  }

  // A route that somebody deletes comes back.
  const std::string route = in_node("e1", {"ip", "-4", "route", "show", "dev", "vxlan.calico"});
  const std::string block = route.substr(0, route.find(' '));
  ASSERT_THAT(block, HasSubstr("/")) << route;
  in_node("e1", {"ip", "route", "del", block});
  EXPECT_TRUE(wait_until(seconds(30), [&] {
    return in_node("e1", {"ip", "-4", "route", "show", "dev", "vxlan.calico"}).find(block) !=
           std::string::npos;
  }));

  // An agent that is killed leaves everything as it is; its connections go on.
  auto held = HeldConnection::open(probe("a", "c"));
  ASSERT_TRUE(held);
  EXPECT_EQ(caracal({"lab", "fault", "agent", "kill", "e1"}).exit_code, 0);
  EXPECT_TRUE((*held)->finish().undisturbed());
  EXPECT_TRUE(go_by("e1", "w1", {"vxlan"}));

  // A node that leaves takes its routes and neighbours with it.
  ASSERT_TRUE(client_->remove("/api/v1/namespaces/default/pods/c"));
  ASSERT_TRUE(wait_until(
      seconds(60), [&] { return !client_->get("/api/v1/namespaces/default/pods/c").has_value(); }));
  EXPECT_EQ(caracal({"lab", "fault", "agent", "stop", "w1"}).exit_code, 0);
  ASSERT_TRUE(client_->remove("/api/v1/nodes/w1"));
  std::string left;
  const std::string gone = lab_.plan.node_addresses(2)[0].to_string();
  EXPECT_TRUE(wait_until(seconds(60), [&] {
    left = in_node("e1", {"ip", "-4", "route", "show", "dev", "vxlan.calico"}) +
           in_node("e1", {"bridge", "fdb", "show", "dev", "vxlan.calico"}) +
           in_node("e1", {"ip", "neigh", "show", "dev", "vxlan.calico"});
    return left.find(gone) == std::string::npos && left.find(block) == std::string::npos;
  })) << left;
}

// Can this kernel make such devices? Debian's can, in QEMU (tests/qemu); others may lack the
// module.
bool has_device_kind(const std::string& kind) {
  const std::string name = fmt::format("crl{}", ::getpid() % 100000);
  std::vector<std::string> add = {"ip", "link", "add", name, "type", kind};
  // One without ends would be tunl0 again.
  if (kind == "ipip") add.insert(add.end(), {"local", "192.0.2.1", "remote", "192.0.2.2"});
  const auto made = run({.argv = add, .timeout = seconds(60)});
  const bool has = made && made->exit_code == 0;
  if (has) {
    [[maybe_unused]] const auto gone =
        run({.argv = {"ip", "link", "del", name}, .timeout = seconds(60)});
  }
  return has;
}

// Each node's own devices and routes, and pods that reach each other through them. Where the kernel
// has no IPIP, pods of one subnet reach each other all the same, and the agents say what is
// missing.
TEST_F(NetworkLab, IpipBetweenSubnets) {
  ASSERT_TRUE(up(R"(
families: [IPv4]
subnets: [{name: east}, {name: west}]
routers: [{name: r1, subnets: [east, west]}]
nodes: [{name: e1, subnet: east}, {name: w1, subnet: west}]
network: {ipam: pools, bgp: "off", defaultPool: {encapsulation: ipip-cross-subnet}}
)"));
  add_pods({{"a", "e1"}, {"c", "w1"}});
  if (!has_device_kind("ipip")) {
    EXPECT_TRUE(wait_until(seconds(60), [&] {
      const auto node = client_->get("/api/v1/nodes/e1");
      if (!node) return false;
      for (const json::value& one : jsonio::get_array(*node, {"status", "conditions"})) {
        if (jsonio::get_string(one, {"type"}) == "PodNetworkDegraded" &&
            jsonio::get_string(one, {"status"}) == "True" &&
            jsonio::get_string(one, {"message"}).find("tunl0") != std::string_view::npos)
          return true;
      }
      return false;
    })) << "nobody says that there are no IPIP tunnels";
    return;
  }
  EXPECT_TRUE(go_by("e1", "w1", {"ipip"}));
  EXPECT_TRUE(reaches("a", "c"));
  EXPECT_TRUE(reaches("c", "a"));
  EXPECT_THAT(way(asked({"lab", "trace", "a", "c"})), Contains("r1 in eth0 ipip"));
  EXPECT_THAT(in_node("e1", {"ip", "address", "show", "tunl0"}), HasSubstr("mtu 1480"));

  // Policy on the host's interface knows nothing of the tunnel, which lives all the same.
  const auto host_policy = jsonio::parse_yaml(R"(
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: hosts}
spec:
  selector: host == 'e1'
  types: [Ingress, Egress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {ports: [9]}}
  - {action: Allow, protocol: TCP}
  egress: [{action: Allow, protocol: TCP}]
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: e1, labels: {host: e1}}
spec: {node: e1, interfaceName: eth0}
)");
  ASSERT_TRUE(host_policy);
  for (const auto& [plural, object] : {std::pair{"globalnetworkpolicies", host_policy->at(0)},
                                       {"hostendpoints", host_policy->at(1)}}) {
    const auto made = client_->create(fmt::format("/apis/projectcalico.org/v3/{}", plural), object);
    ASSERT_TRUE(made) << made.error().message;
  }
  const Probe closed{netns_path(lab_.plan.node_netns("w1")), std::nullopt, node_address("e1"),
                     net::kTcp, 9};
  EXPECT_TRUE(wait_until(seconds(60), [&] {
    return run_probes({closed}).at(0).outcome == Outcome::kSilent;
  })) << "the host is not policed";
  EXPECT_TRUE(reaches("a", "c"));
  EXPECT_TRUE(reaches("c", "a"));
}

TEST_F(NetworkLab, WireguardBetweenNodes) {
  if (!has_device_kind("wireguard")) GTEST_SKIP() << "this kernel has no WireGuard";
  ASSERT_TRUE(up(R"(
nodes: [{name: node1}, {name: node2}]
network: {ipam: pools, bgp: "off", defaultPool: {encapsulation: none}}
objects:
- apiVersion: projectcalico.org/v3
  kind: FelixConfiguration
  metadata: {name: default}
  spec: {wireguardEnabled: true, wireguardEnabledV6: true}
)"));
  add_pods({{"a", "node1"}, {"b", "node2"}});
  EXPECT_TRUE(go_by("node1", "node2", {"wireguard"}));
  EXPECT_TRUE(go_by("node2", "node1", {"wireguard"}));
  EXPECT_TRUE(reaches("a", "b"));
  EXPECT_TRUE(reaches("b", "a"));
  EXPECT_THAT(in_node("node1", {"ip", "link", "show", "wireguard.cali"}), HasSubstr("mtu 1440"));
  // An agent that comes back keeps the key, and the tunnel goes on.
  const auto key = [&] {
    return std::string(
        jsonio::get_string(*client_->get("/api/v1/nodes/node1"),
                           {"metadata", "annotations", "projectcalico.org/WireguardPublicKey"}));
  };
  const std::string before = key();
  EXPECT_EQ(before.size(), 44U);
  EXPECT_EQ(caracal({"lab", "agent", "kill", "node1"}).exit_code, 0);
  EXPECT_TRUE(reaches("a", "b"));
  EXPECT_EQ(key(), before);
}

TEST_F(NetworkLab, AMeshInOneSubnet) {
  if (!has_bird()) GTEST_SKIP() << "needs BIRD";
  ASSERT_TRUE(up(R"(
nodeCount: 3
network: {ipam: pools, bgp: auto, defaultPool: {encapsulation: none}}
)"));
  add_pods({{"a", "node1"}, {"b", "node2"}, {"c", "node3"}});
  for (const auto& [from, to] :
       std::vector<std::pair<const char*, const char*>>{{"a", "b"}, {"b", "c"}, {"c", "a"}})
    EXPECT_TRUE(reaches(from, to, seconds(60)));
  EXPECT_TRUE(go_by("node1", "node2", {"direct (BGP)"}));
  EXPECT_EQ(sessions_up(), 6U) << "three pairs, two families";

  // Neither an agent's death nor BIRD's ends a connection.
  auto held = HeldConnection::open(probe("a", "b"));
  ASSERT_TRUE(held);
  EXPECT_EQ(caracal({"lab", "fault", "agent", "kill", "node1"}).exit_code, 0);
  EXPECT_EQ(sessions_up(), 6U) << "BIRD outlives its agent";
  EXPECT_EQ(caracal({"lab", "fault", "bird", "stop", "node2"}).exit_code, 0);
  EXPECT_EQ(caracal({"lab", "fault", "bird", "start", "node2"}).exit_code, 0);
  EXPECT_EQ(caracal({"lab", "fault", "bird", "kill", "node2"}).exit_code, 0);
  EXPECT_TRUE(wait_until(seconds(60), [&] { return sessions_up() == 6; }));
  const auto outcome = (*held)->finish();
  EXPECT_TRUE(outcome.undisturbed())
      << outcome.error << " " << outcome.retransmissions << " retransmissions";

  // The pool goes over to a tunnel and back.
  auto moved = HeldConnection::open(probe("a", "b"));
  ASSERT_TRUE(moved);
  const auto set_mode = [&](const char* mode) {
    EXPECT_TRUE(client_->patch("/apis/projectcalico.org/v3/ippools/default-ipv4-ippool",
                               kube::kMergePatch, {{"spec", json::object{{"vxlanMode", mode}}}}));
  };
  const auto path4 = [&](const char* device) {
    return in_node("node1", {"ip", "-4", "route", "get", addresses("b").at(0).to_string()})
               .find(device) != std::string::npos;
  };
  set_mode("Always");
  EXPECT_TRUE(wait_until(seconds(60), [&] { return path4("dev vxlan.calico"); }));
  set_mode("Never");
  EXPECT_TRUE(wait_until(seconds(60), [&] { return path4("dev eth0"); }));
  EXPECT_TRUE(reaches("a", "b"));
  const auto switched = (*moved)->finish();
  EXPECT_EQ(switched.error, "");
  EXPECT_LT(switched.longest, seconds(3));
  fmt::print("none to vxlan to none: {} requests, longest pause {} us, {} retransmissions\n",
             switched.requests, switched.longest.count(), switched.retransmissions);
}

TEST_F(NetworkLab, RacksWithTheirOwnRouters) {
  if (!has_bird() || !has_frr()) GTEST_SKIP() << "needs BIRD and FRR (Debian's package frr)";
  const auto example =
      read_file(std::string(CARACAL_SOURCE_DIR) + "/examples/topologies/racks.yaml");
  ASSERT_TRUE(example);
  ASSERT_TRUE(up(*example));
  add_pods({{"a", "a-1"}, {"b", "a-2"}, {"c", "b-1"}});
  EXPECT_TRUE(reaches("a", "b", seconds(60)));
  EXPECT_TRUE(reaches("a", "c", seconds(60)));
  EXPECT_TRUE(reaches("c", "b"));
  EXPECT_THAT(way(asked({"lab", "trace", "a", "c"})),
              ElementsAre("default/a out eth0", "a-1 in cali", "a-1 out eth0", "tor-a in eth0",
                          "tor-a out eth1", "tor-b in eth1", "tor-b out eth0", "b-1 in eth0",
                          "b-1 out cali", "default/c in eth0"));
  EXPECT_EQ(sessions_up(), 5U) << "a node with its router each, and the routers";
}

}  // namespace
}  // namespace caracal::lab
