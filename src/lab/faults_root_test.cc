// Every fault of `caracal lab fault` on a lab with its agents: what it does to packets, sessions
// and policy while it lasts, that it is told, and that all is well once it is taken back.
#include "lab/testing/network_lab.h"

namespace caracal::lab {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::texts;

constexpr const char* kPolicies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";
constexpr size_t kMany = 60;

class LabFaults : public testing::NetworkLab {
 protected:
  // `caracal lab fault ...`; false when it failed.
  bool fault(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"lab", "fault"});
    const CommandOutput done = caracal(arguments);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done.exit_code == 0;
  }
  std::string told() const { return caracal({"lab", "fault", "list"}).out; }
  void expect_all_is_well() const { EXPECT_EQ(told(), "nothing is wrong on purpose\n"); }

  bool open_now(const std::string& from, const std::string& to) const {
    return run_probes({probe(from, to)}, {.timeout = milliseconds(500)})[0].outcome ==
           Outcome::kOpen;
  }
  bool becomes_silent(const std::string& from, const std::string& to) const {
    return wait_until(seconds(60), [&] { return !open_now(from, to); });
  }
  // How many of many datagrams to the echo of a pod are answered, each sent twice.
  size_t echoes(const std::string& from, const std::string& to) const {
    Probe one = probe(from, to);
    one.protocol = net::kUdp;
    one.port = 7;
    size_t out = 0;
    for (const Observation& seen :
         run_probes(std::vector<Probe>(kMany, one), {.timeout = milliseconds(1000)}))
      out += seen.outcome == Outcome::kOpen ? 1 : 0;
    return out;
  }
  // Ingress of a pod: to nobody, or as if nothing had been said.
  void close(const std::string& pod) {
    const auto made = client_->create(
        kPolicies,
        {{"apiVersion", "networking.k8s.io/v1"},
         {"kind", "NetworkPolicy"},
         {"metadata", json::object{{"name", pod}}},
         {"spec", json::object{{"podSelector",
                                json::object{{"matchLabels", json::object{{"app", pod}}}}}}}});
    ASSERT_TRUE(made) << made.error().message;
  }
  void open(const std::string& pod) {
    ASSERT_TRUE(client_->remove(std::string(kPolicies) + "/" + pod));
  }
  // Of the lab's status; 0: it does not run.
  int64_t agent_pid(const std::string& node) const {
    const json::value status = asked({"lab", "status"});
    for (const json::value& one : jsonio::get_array(status, {"nodes"})) {
      if (jsonio::get_string(one, {"name"}) == node && jsonio::get_bool(one, {"ready"}))
        return jsonio::get_int(one, {"pid"});
    }
    return 0;
  }
  // The first address of the API server, from a node.
  Outcome api_from(const std::string& node) const {
    const Probe api{netns_path(lab_.plan.node_netns(node)), std::nullopt,
                    lab_.plan.host_addresses()[0], net::kTcp, lab_.plan.api_port};
    return run_probes({api}, {.timeout = milliseconds(300)})[0].outcome;
  }
};

constexpr const char* kTwoSubnets = R"(
subnets: [{name: east}, {name: west}]
routers: [{name: r1, subnets: [east, west]}]
nodes: [{name: e1, subnet: east}, {name: w1, subnet: west}]
network: {ipam: pod-cidr, bgp: "off"}
)";

TEST_F(LabFaults, OfLinks) {
  ASSERT_TRUE(up(kTwoSubnets));
  ASSERT_NO_FATAL_FAILURE(add_pods({{"a", "e1"}, {"b", "w1"}}));
  ASSERT_TRUE(reaches("a", "b"));
  ASSERT_EQ(echoes("a", "b"), kMany);
  expect_all_is_well();

  // Cut.
  ASSERT_TRUE(fault({"cut", "w1"}));
  EXPECT_THAT(told(), HasSubstr("link w1 is cut"));
  const json::value cut = asked({"lab", "trace", "a", "b", "--timeout", "300"});
  EXPECT_EQ(jsonio::get_string(cut, {"lostAt"}), "r1");
  EXPECT_THAT(texts(cut, "why"), Contains("link w1 is cut"));
  ASSERT_TRUE(fault({"heal", "w1"}));
  EXPECT_TRUE(reaches("a", "b"));

  // All is lost, some is, nothing is.
  ASSERT_TRUE(fault({"loss", "e1", "100"}));
  EXPECT_THAT(told(), HasSubstr("link e1 loses 100 %"));
  EXPECT_EQ(echoes("a", "b"), 0U);
  ASSERT_TRUE(fault({"loss", "e1", "50"}));
  EXPECT_THAT(told(), HasSubstr("link e1 loses 50 %"));
  // One of two sent there arrives, and one of two answers: each of the two attempts has a chance of
  // a quarter, so that of 60 about 26 are answered; the odds of none or all are below 1 to 10^14.
  // While the neighbour is asked for, nothing is answered at all: hence more than one round.
  size_t answered = 0;
  ASSERT_TRUE(wait_until(seconds(60), [&] { return (answered = echoes("a", "b")) > 0; }));
  EXPECT_LT(answered, kMany);
  ASSERT_TRUE(fault({"loss", "e1", "0"}));
  EXPECT_TRUE(reaches("a", "b"));
  EXPECT_EQ(echoes("a", "b"), kMany);

  // Delay, where the kernel can.
  const CommandOutput slow = caracal({"lab", "fault", "delay", "e1", "150"});
  const auto time = [&] { return run_probes({probe("a", "b")}, {.timeout = seconds(5)})[0].time; };
  if (slow.exit_code == 0) {
    EXPECT_THAT(told(), HasSubstr("link e1 takes 150 ms longer"));
    EXPECT_GE(time(), milliseconds(300)) << "there and back";
    ASSERT_TRUE(fault({"delay", "e1", "0"}));
    EXPECT_TRUE(wait_until(seconds(60), [&] { return time() < milliseconds(150); }));
  } else {
    EXPECT_THAT(slow.err, HasSubstr("this kernel has no netem"));
    EXPECT_TRUE(reaches("a", "b"));
  }
  expect_all_is_well();
  EXPECT_THAT(caracal({"lab", "fault", "cut", "nobody"}).err,
              HasSubstr("it has host, outside, e1"));
}

TEST_F(LabFaults, OfTheApiServerAndAgents) {
  ASSERT_TRUE(up(kTwoSubnets));
  ASSERT_NO_FATAL_FAILURE(add_pods({{"a", "e1"}, {"b", "w1"}}));
  ASSERT_TRUE(reaches("a", "b"));
  ASSERT_TRUE(reaches("b", "a"));

  // What is said meanwhile reaches the one node and not the other, and the other later; what was
  // said before holds.
  ASSERT_EQ(api_from("e1"), Outcome::kOpen);
  ASSERT_TRUE(fault({"api", "drop", "e1"}));
  EXPECT_THAT(told(), HasSubstr("packets of e1 to the API server are dropped"));
  EXPECT_EQ(api_from("e1"), Outcome::kSilent);
  EXPECT_EQ(api_from("w1"), Outcome::kOpen);
  close("a");
  close("b");
  EXPECT_TRUE(becomes_silent("a", "b"));
  EXPECT_TRUE(reaches("b", "a")) << "the agent of e1 has not heard of it";
  ASSERT_TRUE(fault({"api", "restore", "e1"}));
  EXPECT_TRUE(becomes_silent("b", "a"));
  expect_all_is_well();
  ASSERT_TRUE(fault({"api", "drop"}));
  EXPECT_EQ(api_from("e1"), Outcome::kSilent);
  EXPECT_EQ(api_from("w1"), Outcome::kSilent);
  open("a");
  open("b");
  EXPECT_FALSE(open_now("a", "b"));
  ASSERT_TRUE(fault({"heal"}));
  EXPECT_TRUE(reaches("a", "b"));
  EXPECT_TRUE(reaches("b", "a"));
  expect_all_is_well();

  // An agent that is stopped: the kernel enforces on what was, and hears of nothing new.
  ASSERT_TRUE(fault({"agent", "stop", "w1"}));
  EXPECT_THAT(told(), HasSubstr("the agent of w1 is stopped"));
  EXPECT_EQ(agent_pid("w1"), 0);
  close("a");
  close("b");
  EXPECT_TRUE(becomes_silent("b", "a"));
  EXPECT_TRUE(reaches("a", "b"));
  ASSERT_TRUE(fault({"agent", "start", "w1"}));
  EXPECT_TRUE(becomes_silent("a", "b"));
  expect_all_is_well();

  // One that is killed comes back by itself.
  const int64_t before = agent_pid("e1");
  EXPECT_NE(before, 0);
  ASSERT_TRUE(fault({"agent", "kill", "e1"}));
  EXPECT_TRUE(wait_until(seconds(60), [&] {
    const int64_t now = agent_pid("e1");
    return now != 0 && now != before;
  }));
  open("a");
  open("b");
  EXPECT_TRUE(reaches("b", "a"));
  ASSERT_NO_FATAL_FAILURE(add_pods({{"c", "e1"}}));
  EXPECT_TRUE(reaches("c", "b"));
}

// Sessions with BFD: without it a silent neighbour is noticed after the hold time, minutes later.
TEST_F(LabFaults, OfBgpSessions) {
  if (!has_bird()) GTEST_SKIP() << "needs BIRD";
  ASSERT_TRUE(up(R"(
families: [IPv4]
nodeCount: 2
network: {ipam: pools, bgp: auto, defaultPool: {encapsulation: none}}
objects:
- apiVersion: projectcalico.org/v3
  kind: BGPConfiguration
  metadata: {name: default}
  spec: {nodeToNodeMeshEnabled: false, asNumber: 64512}
- apiVersion: projectcalico.org/v3
  kind: BGPPeer
  metadata: {name: all, annotations: {caracal.io/bfd: 'true'}}
  spec: {nodeSelector: all(), peerSelector: all()}
)"));
  ASSERT_NO_FATAL_FAILURE(add_pods({{"a", "node1"}, {"b", "node2"}}));
  const auto well = [&] {
    EXPECT_TRUE(go_by("node1", "node2", {"direct (BGP)"}));
    EXPECT_TRUE(reaches("a", "b"));
    EXPECT_TRUE(wait_until(seconds(60), [&] { return sessions_up() == 1; }));
    expect_all_is_well();
  };
  well();

  // The neighbour falls silent, in three ways; each time its routes go.
  ASSERT_TRUE(fault({"loss", "node2", "100"}));
  EXPECT_TRUE(go_by("node1", "node2", {}));
  EXPECT_TRUE(wait_until(seconds(60), [&] { return sessions_up() == 0; }));
  ASSERT_TRUE(fault({"loss", "node2", "0"}));
  well();

  ASSERT_TRUE(fault({"cut", "node2"}));
  EXPECT_TRUE(go_by("node1", "node2", {}));
  ASSERT_TRUE(fault({"heal", "node2"}));
  well();

  ASSERT_TRUE(fault({"bird", "stop", "node2"}));
  EXPECT_THAT(told(), HasSubstr("BIRD of node2 is frozen"));
  EXPECT_TRUE(go_by("node1", "node2", {}));
  // It goes on; or its agent, which gets no answer from it, has put another in its place by now.
  (void)caracal({"lab", "fault", "bird", "start", "node2"});
  well();

  // Killed, its agent starts it again.
  ASSERT_TRUE(fault({"bird", "kill", "node2"}));
  well();
}

TEST_F(LabFaults, OfARouterThatSpeaksBgp) {
  if (!has_bird() || !has_frr()) GTEST_SKIP() << "needs BIRD and FRR (Debian's package frr)";
  const auto racks = read_file(std::string(CARACAL_SOURCE_DIR) + "/examples/topologies/racks.yaml");
  ASSERT_TRUE(racks);
  ASSERT_TRUE(up(*racks));
  ASSERT_NO_FATAL_FAILURE(add_pods({{"a", "a-1"}, {"c", "b-1"}}));
  ASSERT_TRUE(reaches("a", "c"));

  ASSERT_TRUE(fault({"router", "stop", "tor-b"}));
  EXPECT_THAT(told(), HasSubstr("FRR of tor-b is stopped"));
  EXPECT_TRUE(becomes_silent("a", "c"));
  ASSERT_TRUE(fault({"router", "start", "tor-b"}));
  EXPECT_TRUE(reaches("a", "c"));
  expect_all_is_well();

  // The way between the racks.
  ASSERT_TRUE(fault({"cut", "tor-a:spine"}));
  EXPECT_TRUE(becomes_silent("a", "c"));
  ASSERT_TRUE(fault({"heal"}));
  EXPECT_TRUE(reaches("a", "c"));
  expect_all_is_well();
}

}  // namespace
}  // namespace caracal::lab
