// The agent with addresses from the cluster's pools: blocks and handles in the API, annotations,
// exhaustion, and kills in the middle.
#include <fmt/format.h>

#include <thread>

#include "agent/endpoint.h"
#include "agent/testing/agent_fixture.h"

namespace caracal::agent::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kPools = "/apis/projectcalico.org/v3/ippools";
constexpr const char* kBlocks = "/apis/crd.projectcalico.org/v1/ipamblocks";

json::value pool(const std::string& name, json::object spec) {
  return json::object{{"apiVersion", "projectcalico.org/v3"},
                      {"kind", "IPPool"},
                      {"metadata", json::object{{"name", name}}},
                      {"spec", std::move(spec)}};
}

class AgentPoolsRootTest : public AgentRootTest {
 protected:
  void SetUp() override {
    AgentRootTest::SetUp();
    if (!node_ || IsSkipped() || HasFatalFailure()) return;
    node_->stop_agent(SIGTERM);
    node_->set_pools(true);
  }
  void start() {
    const Status started = node_->start_agent();
    ASSERT_TRUE(started) << started.error().message << "\n"
                         << read_file(node_->folder() + "/agent.log").value_or("");
  }
  json::value blocks() {
    return node_->with_api([](auto& api) { return api.list(kBlocks); }).value_or(json::value());
  }
  // Addresses in use by pods, as the blocks say.
  size_t in_use() {
    size_t used = 0;
    const json::value all = blocks();
    for (const json::value& block : jsonio::get_array(all, {"items"})) {
      const auto& attributes = jsonio::get_array(block, {"spec", "attributes"});
      for (const json::value& index : jsonio::get_array(block, {"spec", "allocations"})) {
        if (!index.is_int64()) continue;
        const auto& one = attributes.at(static_cast<size_t>(index.get_int64()));
        if (!jsonio::get_string(one, {"secondary", "pod"}).empty()) ++used;
      }
    }
    return used;
  }
  std::string new_pod_with(const std::string& name, const json::object& annotations) {
    const Status made = node_->create(
        "/api/v1/namespaces/dev/pods",
        json::object{{"apiVersion", "v1"},
                     {"kind", "Pod"},
                     {"metadata", json::object{{"name", name}, {"annotations", annotations}}},
                     {"spec", json::object{{"nodeName", "n1"},
                                           {"containers", json::array{json::object{
                                                              {"name", "c"}, {"image", "x"}}}}}}});
    EXPECT_TRUE(made) << made.error().message;
    return node_->add_sandbox();
  }
};

TEST_F(AgentPoolsRootTest, TheDefaultPoolIsMadeAndItsBlockIsTheNodes) {
  start();
  const std::string sandbox = new_pod("pod1");
  const auto addresses = add("c1", sandbox, "pod1");
  ASSERT_EQ(addresses.size(), 1U);  // no IPv6 pool
  const auto pool = node_->with_api(
      [](auto& api) { return api.get(std::string(kPools) + "/default-ipv4-ippool"); });
  ASSERT_TRUE(pool) << pool.error().message;
  EXPECT_EQ(jsonio::get_string(*pool, {"spec", "cidr"}), "192.168.0.0/16");
  EXPECT_EQ(jsonio::get_string(*pool, {"spec", "vxlanMode"}), "CrossSubnet");
  EXPECT_TRUE(net::Cidr::parse("192.168.0.0/16")->contains(addresses[0]));

  const json::value all = blocks();
  ASSERT_EQ(jsonio::get_array(all, {"items"}).size(), 1U);
  const json::value& block = jsonio::get_array(all, {"items"}).front();
  EXPECT_EQ(jsonio::get_string(block, {"spec", "affinity"}), "host:n1");
  EXPECT_THAT(jsonio::to_string(block), HasSubstr("\"handle_id\":\"net.c1\""));
  EXPECT_THAT(node_->in_node({"ip", "route"}),
              HasSubstr("blackhole " + std::string(jsonio::get_string(block, {"spec", "cidr"}))));
  const json::value ipam = node_->status().at("network").at("ipam");
  EXPECT_EQ(jsonio::get_string(ipam, {"mode"}), "pools");
  EXPECT_EQ(jsonio::get_array(ipam, {"blocks"}).size(), 1U);

  EXPECT_EQ(in_use(), 1U);
  EXPECT_EQ(node_->cni("DEL", "c1", sandbox, "pod1").exit_code, 0);
  EXPECT_EQ(in_use(), 0U);
  EXPECT_EQ(node_->cni("DEL", "c1", sandbox, "pod1").exit_code, 0) << "again";
}

TEST_F(AgentPoolsRootTest, PodsAndNamespacesAskForPoolsAndAddresses) {
  ASSERT_TRUE(node_->create(kPools, pool("red", {{"cidr", "10.77.0.0/24"}})));
  ASSERT_TRUE(node_->create(kPools, pool("blue", {{"cidr", "10.78.0.0/24"}, {"blockSize", 28}})));
  ASSERT_TRUE(node_->create(kPools, pool("six", {{"cidr", "fd00:77::/112"}})));
  start();
  const std::string a = new_pod_with("a", {{"cni.projectcalico.org/ipv4pools", "[\"blue\"]"}});
  const auto from_blue = add("ca", a, "a");
  ASSERT_EQ(from_blue.size(), 2U);
  EXPECT_TRUE(net::Cidr::parse("10.78.0.0/24")->contains(from_blue[0]));
  EXPECT_TRUE(net::Cidr::parse("fd00:77::/112")->contains(from_blue[1]));

  const std::string b = new_pod_with("b", {{"cni.projectcalico.org/ipAddrs", "[\"10.77.0.99\"]"},
                                           {"cni.projectcalico.org/ipFamilies", "[\"IPv4\"]"},
                                           {"cni.projectcalico.org/hwAddr", "02:00:00:00:77:99"}});
  const auto exact = add("cb", b, "b");
  ASSERT_EQ(exact.size(), 1U);
  EXPECT_EQ(exact[0].to_string(), "10.77.0.99");
  EXPECT_THAT(node_->in_pod(b, {"ip", "link", "show", "eth0"}), HasSubstr("02:00:00:00:77:99"));

  const std::string c = new_pod_with("c", {{"cni.projectcalico.org/ipAddrs", "[\"10.77.0.99\"]"}});
  const CniAnswer taken = node_->cni("ADD", "cc", c, "c");
  EXPECT_NE(taken.exit_code, 0);
  EXPECT_THAT(taken.text(), HasSubstr("10.77.0.99"));
  const std::string d = new_pod_with("d", {{"cni.projectcalico.org/ipv4pools", "[\"green\"]"}});
  const CniAnswer unknown = node_->cni("ADD", "cd", d, "d");
  EXPECT_NE(unknown.exit_code, 0);
  EXPECT_THAT(unknown.text(), HasSubstr("green"));
  EXPECT_EQ(in_use(), 3U);
}

TEST_F(AgentPoolsRootTest, AnEmptyPoolSaysWhichAndWhatHelps) {
  ASSERT_TRUE(node_->create(kPools, pool("tiny", {{"cidr", "10.77.0.0/30"}, {"blockSize", 30}})));
  start();
  std::vector<std::string> sandboxes;
  for (int i = 0; i < 4; ++i) {
    const std::string name = "p" + std::to_string(i);
    sandboxes.push_back(new_pod(name));
    EXPECT_EQ(add("c" + name, sandboxes.back(), name).size(), 1U);
  }
  const CniAnswer full = node_->cni("ADD", "cx", new_pod("x"), "x");
  EXPECT_NE(full.exit_code, 0);
  EXPECT_THAT(full.text(), HasSubstr("tiny"));
  EXPECT_EQ(node_->cni("DEL", "cp0", sandboxes[0], "p0").exit_code, 0);
  EXPECT_EQ(add("cx", new_pod("x2"), "x2").size(), 1U);
}

// Many at once share writes: at most one for ten addresses.
TEST_F(AgentPoolsRootTest, ABurstIsFewWrites) {
  start();
  constexpr size_t kPods = 40;
  std::vector<std::string> sandboxes;
  for (size_t i = 0; i < kPods; ++i) sandboxes.push_back(new_pod(fmt::format("b{}", i)));
  const auto writes = [&] {
    return jsonio::get_int(node_->status(), {"network", "ipam", "writes"});
  };
  const int64_t before = writes();
  std::vector<std::thread> threads;
  std::vector<CniAnswer> answers(kPods);
  for (size_t i = 0; i < kPods; ++i) {
    threads.emplace_back([&, i] {
      answers[i] = node_->cni("ADD", fmt::format("cb{}", i), sandboxes[i], fmt::format("b{}", i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<net::IpAddr> seen;
  for (const CniAnswer& answer : answers) {
    ASSERT_EQ(answer.exit_code, 0) << answer.text();
    for (const net::IpAddr& address : addresses(answer)) EXPECT_TRUE(seen.insert(address).second);
  }
  EXPECT_EQ(in_use(), kPods);
  EXPECT_LT(writes() - before, static_cast<int64_t>(kPods)) << "nothing was gathered";
}

// Whatever ends when: no address twice, and after DEL none is lost.
TEST_F(AgentPoolsRootTest, KilledInTheMiddleNothingIsTwiceAndNothingIsLost) {
  start();
  std::set<net::IpAddr> given;
  std::vector<std::pair<std::string, std::string>> all;  // pod, sandbox
  for (int round = 0; round < 6; ++round) {
    std::vector<std::string> pods;
    std::vector<std::string> sandboxes;
    for (int i = 0; i < 3; ++i) {
      pods.push_back(fmt::format("r{}p{}", round, i));
      sandboxes.push_back(new_pod(pods.back()));
      all.emplace_back(pods.back(), sandboxes.back());
    }
    const size_t before = in_use();
    std::vector<CniAnswer> answers(pods.size());
    std::atomic<size_t> running = pods.size();
    std::vector<std::thread> threads;
    for (size_t i = 0; i < pods.size(); ++i) {
      threads.emplace_back([&, i] {
        answers[i] = node_->cni("ADD", "c" + pods[i], sandboxes[i], pods[i]);
        --running;
      });
    }
    // As soon as the datastore has the first address, or a little later.
    while (running != 0 && in_use() == before) std::this_thread::yield();
    for (int i = 0; i < round * 50; ++i) std::this_thread::yield();
    node_->stop_agent(SIGKILL);
    for (std::thread& thread : threads) thread.join();
    start();
    for (size_t i = 0; i < pods.size(); ++i) {
      if (answers[i].exit_code != 0) continue;
      for (const net::IpAddr& address : addresses(answers[i]))
        EXPECT_TRUE(given.insert(address).second) << address.to_string() << " is there twice";
    }
  }
  // The runtime asks for DEL of everything it ever asked ADD for.
  for (const auto& [pod, sandbox] : all)
    EXPECT_EQ(node_->cni("DEL", "c" + pod, sandbox, pod).exit_code, 0) << pod;
  EXPECT_EQ(in_use(), 0U);
  EXPECT_THAT(node_->links(), IsEmpty());
}

}  // namespace
}  // namespace caracal::agent::testing
