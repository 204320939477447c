// The agent as it runs: its own process in a network namespace, the real plugin, a real API server,
// real links and nftables.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "agent/endpoint.h"
#include "agent/testing/agent_fixture.h"
#include "agent/testing/test_node.h"
#include "base/file.h"
#include "base/strings.h"
#include "cni/result.h"
#include "dataplane/link/pod_link.h"

namespace caracal::agent::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(AgentRootTest, APodComesIsCheckedAndGoes) {
  const std::string sandbox = new_pod("pod1");
  const CniAnswer added = node_->cni("ADD", "c1", sandbox, "pod1");
  ASSERT_EQ(added.exit_code, 0) << added.text();
  const std::string interface = interface_name("cali", {"dev", "pod1"});
  EXPECT_THAT(node_->links(), ::testing::ElementsAre(interface));
  EXPECT_THAT(added.text(),
              HasSubstr(R"("address":"10.65.1.2/32","gateway":"169.254.1.1","interface":1)"));
  EXPECT_THAT(added.text(), HasSubstr(R"("address":"fd00:65:1::2/128")"));
  EXPECT_THAT(added.text(), HasSubstr(R"({"name":"eth0","mac":)"));
  EXPECT_THAT(node_->in_pod(sandbox, {"ip", "addr", "show", "eth0"}),
              HasSubstr("inet 10.65.1.2/32"));
  EXPECT_THAT(node_->in_pod(sandbox, {"ip", "route"}),
              HasSubstr("default via 169.254.1.1 dev eth0"));
  EXPECT_THAT(node_->in_node({"nft", "list", "table", "inet", "caracal"}), HasSubstr(interface));

  EXPECT_EQ(addresses(node_->cni("ADD", "c1", sandbox, "pod1")), addresses(added))
      << "ADD again is the same ADD";

  const json::object previous{{"prevResult", added.output}};
  const CniAnswer good = node_->cni("CHECK", "c1", sandbox, "pod1", previous);
  EXPECT_EQ(good.exit_code, 0) << good.text();
  node_->in_pod(sandbox, {"ip", "route", "del", "default"});
  node_->in_node({"nft", "flush", "ruleset"});
  const CniAnswer bad = node_->cni("CHECK", "c1", sandbox, "pod1", previous);
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_EQ(bad.code(), 101);
  EXPECT_THAT(bad.text(), HasSubstr("pod route 0.0.0.0/0 via 169.254.1.1 dev eth0 is missing"));
  EXPECT_THAT(bad.text(), HasSubstr("policy"));

  EXPECT_EQ(node_->cni("DEL", "c1", sandbox, "pod1").exit_code, 0);
  EXPECT_EQ(node_->cni("DEL", "c1", sandbox, "pod1").exit_code, 0) << "DEL is idempotent";
  EXPECT_EQ(node_->cni("DEL", "never", "", "pod1").exit_code, 0);
  expect_nothing_left();
}

TEST_F(AgentRootTest, EveryResultVersion) {
  for (const std::string version : {"0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    const std::string pod = "pod-" + std::to_string(version[0]) + std::to_string(version[2]);
    const std::string sandbox = new_pod(pod);
    const CniAnswer added = node_->cni("ADD", "c" + pod, sandbox, pod, {}, version);
    EXPECT_EQ(added.exit_code, 0) << added.text();
    EXPECT_EQ(jsonio::get_string(added.output, {"cniVersion"}), version);
    EXPECT_EQ(addresses(added).size(), 2u);
    EXPECT_EQ(node_->cni("DEL", "c" + pod, sandbox, pod, {}, version).exit_code, 0);
  }
}

TEST_F(AgentRootTest, ABadRequestLeavesNothing) {
  const std::string sandbox = new_pod("pod1");
  EXPECT_EQ(node_->cni("ADD", "c1", "/run/netns/crl-none", "pod1").code(), 3);
  EXPECT_EQ(node_->cni("ADD", "c1", sandbox, "pod1", {{"mtu", 3}}).code(), 7);
  EXPECT_EQ(node_->cni("ADD", "c1", sandbox, "pod1", {{"ipam", {{"type", "dhcp"}}}}).code(), 2);
  const CniAnswer outside =
      node_->cni("ADD", "c1", sandbox, "pod1", {{"runtimeConfig", {{"ips", {"10.9.9.9"}}}}});
  EXPECT_EQ(outside.code(), 7);
  EXPECT_THAT(outside.text(), HasSubstr("must be in one of this node's pod CIDRs"));
  const CniAnswer unknown = node_->cni("ADD", "c2", sandbox, "nobody");
  EXPECT_EQ(unknown.code(), 11) << unknown.text();
  EXPECT_THAT(unknown.text(), HasSubstr("pod dev/nobody does not exist"));
  expect_nothing_left();
  // A pod's interface is in the way of ours: nothing of a half-made link stays.
  node_->in_pod(sandbox, {"ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other"});
  EXPECT_EQ(node_->cni("ADD", "c1", sandbox, "pod1").exit_code, 1);
  expect_nothing_left();
}

TEST_F(AgentRootTest, ARequestedAddressIsGiven) {
  const std::string sandbox = new_pod("pod1");
  const CniAnswer added =
      node_->cni("ADD", "c1", sandbox, "pod1",
                 {{"runtimeConfig", {{"ips", {"10.65.1.77", "fd00:65:1::77"}}}}});
  ASSERT_EQ(added.exit_code, 0) << added.text();
  EXPECT_EQ(addresses(added)[0].to_string(), "10.65.1.77");
  EXPECT_EQ(addresses(added)[1].to_string(), "fd00:65:1::77");
}

TEST_F(AgentRootTest, StatusAndGarbageCollection) {
  EXPECT_EQ(node_->cni("STATUS", "", "", "").exit_code, 0);
  const std::string kept = new_pod("kept");
  const std::string lost = new_pod("lost");
  add("k", kept, "kept");
  add("l", lost, "lost");
  const json::object list{
      {"cni.dev/valid-attachments", {{{"containerID", "k"}, {"ifname", "eth0"}}}}};
  EXPECT_EQ(
      node_
          ->cni("GC", "", "", "", {{"cni.dev/valid-attachments", json::array()}, {"name", "other"}})
          .exit_code,
      0);
  const CniAnswer collected = node_->cni("GC", "", "", "", list);
  EXPECT_EQ(collected.exit_code, 0) << collected.text();
  EXPECT_THAT(node_->links(), ::testing::ElementsAre(interface_name("cali", {"dev", "kept"})));
}

TEST_F(AgentRootTest, WithoutAnAgentRequestsAreToBeTriedAgain) {
  const std::string sandbox = new_pod("pod1");
  node_->stop_agent(SIGKILL);
  for (const char* command : {"ADD", "DEL"}) {
    const CniAnswer answer = node_->cni(command, "c1", sandbox, "pod1");
    EXPECT_EQ(answer.exit_code, 1);
    EXPECT_EQ(answer.code(), 11);
    EXPECT_THAT(answer.text(), HasSubstr("caracal-agent does not answer"));
  }
  EXPECT_EQ(node_->cni("STATUS", "", "", "").code(), 50);
}

TEST_F(AgentRootTest, ARestartChangesNothingInTheKernel) {
  std::vector<std::string> sandboxes;
  std::vector<std::vector<net::IpAddr>> given;
  for (int i = 0; i < 3; ++i) {
    const std::string n = std::to_string(i);
    sandboxes.push_back(new_pod("pod" + n));
    given.push_back(add("c" + n, sandboxes.back(), "pod" + n));
  }
  for (const int signal : {SIGKILL, SIGTERM}) {
    // The kernel notes a little after it was made that a link has a carrier.
    std::string links;
    ASSERT_TRUE(eventually([&] {
      links = node_->in_node({"ip", "-o", "link"});
      return links.find("NO-CARRIER") == std::string::npos &&
             links.find("state DOWN") == std::string::npos;
    })) << links;
    const std::string routes = node_->in_node({"ip", "route"});
    const uint32_t generation = node_->nft_generation();
    EXPECT_EQ(node_->stop_agent(signal), signal == SIGTERM ? 0 : 128 + SIGKILL);
    const Status started = node_->start_agent();
    ASSERT_TRUE(started) << started.error().message;
    EXPECT_EQ(node_->nft_generation(), generation) << "nftables was touched";
    EXPECT_EQ(node_->in_node({"ip", "-o", "link"}), links);
    EXPECT_EQ(node_->in_node({"ip", "route"}), routes);
    EXPECT_EQ(jsonio::get_array(node_->status(), {"endpoints"}).size(), 3u);
  }
  const std::string other = new_pod("other");
  const auto fresh = add("c9", other, "other");
  for (const auto& addresses : given) EXPECT_NE(addresses, fresh);
  EXPECT_EQ(node_->cni("DEL", "c0", sandboxes[0], "pod0").exit_code, 0);
  EXPECT_EQ(node_->links().size(), 3u);
}

TEST_F(AgentRootTest, PolicyIsEnforcedAndStaysWhileTheApiIsAway) {
  const std::string a = new_pod("a");
  const std::string b = new_pod("b");
  add("ca", a, "a");
  const std::string address = add("cb", b, "b")[0].to_string();
  // Nobody listens: a reset comes back at once (exit 1) where packets pass; a drop is a time-out
  // (124).
  EXPECT_EQ(reach(a, address, 80), 1);
  const json::value policy{
      {"apiVersion", "networking.k8s.io/v1"},
      {"kind", "NetworkPolicy"},
      {"metadata", {{"name", "deny"}}},
      {"spec", {{"podSelector", json::object()}, {"policyTypes", {"Ingress"}}}}};
  ASSERT_TRUE(node_->create("/apis/networking.k8s.io/v1/namespaces/dev/networkpolicies", policy));
  EXPECT_TRUE(eventually([&] { return reach(a, address, 80) == 124; }));
  node_->stop_api();
  EXPECT_EQ(reach(a, address, 80), 124);
  // Not even a restart opens anything while the API server is away.
  const uint32_t before_restart = node_->nft_generation();
  node_->stop_agent(SIGKILL);
  ASSERT_TRUE(node_->start_agent(false));
  EXPECT_EQ(reach(a, address, 80), 124);
  EXPECT_EQ(node_->nft_generation(), before_restart);
  EXPECT_EQ(node_->cni("STATUS", "", "", "").code(), 50);
  EXPECT_EQ(node_->cni("DEL", "ca", a, "a").exit_code, 0) << "DEL needs no API server";
  ASSERT_TRUE(node_->start_api());
  ASSERT_TRUE(node_->wait_ready());
  EXPECT_EQ(reach(b, "192.0.2.1", 80), 1) << "egress was never limited";
  // Away and back once more, with nothing changed: nothing is written.
  const uint32_t generation = node_->nft_generation();
  node_->stop_api();
  ASSERT_TRUE(node_->wait_connected(false));
  ASSERT_TRUE(node_->start_api());
  ASSERT_TRUE(node_->wait_connected(true));
  EXPECT_EQ(node_->nft_generation(), generation);
}

TEST_F(AgentRootTest, FiftyAddsAtOnce) {
  constexpr int kPods = 50;
  std::vector<std::string> sandboxes;
  for (int i = 0; i < kPods; ++i) sandboxes.push_back(new_pod("pod" + std::to_string(i)));
  std::vector<CniAnswer> answers(kPods);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kPods; ++i) {
    threads.emplace_back([&, i] {
      const std::string n = std::to_string(i);
      answers[i] = node_->cni("ADD", "c" + n, sandboxes[i], "pod" + n);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<net::IpAddr> seen;
  for (const CniAnswer& answer : answers) {
    EXPECT_EQ(answer.exit_code, 0) << answer.text();
    for (const net::IpAddr& address : addresses(answer)) EXPECT_TRUE(seen.insert(address).second);
  }
  EXPECT_EQ(seen.size(), 2u * kPods);
  EXPECT_EQ(node_->links().size(), static_cast<size_t>(kPods));
}

// The agent is killed while ADDs are on their way: as soon as a lease is written, as soon as the
// kernel has policy for a pod, as soon as a link is there. Afterwards every pod either has its
// network as told, or nothing of it is left, and no address is given twice.
TEST_F(AgentRootTest, KilledInTheMiddleOfAnAdd) {
  const std::string journal = node_->folder() + "/state/leases";
  const auto written = [&] { return std::filesystem::file_size(journal); };
  const auto links = [&] {
    const auto found = node_->netns().run([] { return dataplane::link::list_host_links(); });
    return found ? found->size() : 0;
  };
  std::map<std::string, std::vector<net::IpAddr>> told;
  // Which moment a kill hits is up to the scheduler: more rounds where none came in the middle.
  const auto undone = [&] {
    return read_file(node_->folder() + "/agent.log").value_or("").find("undoing an ADD") !=
           std::string::npos;
  };
  for (int round = 0; round < 12 || (round < 60 && !undone()); ++round) {
    std::vector<std::string> pods;
    std::vector<std::string> sandboxes;
    for (int i = 0; i < 3; ++i) {
      pods.push_back("r" + std::to_string(round) + "p" + std::to_string(i));
      sandboxes.push_back(new_pod(pods.back()));
    }
    const auto written_before = written();
    const auto links_before = links();
    const auto generation_before = node_->nft_generation();
    std::vector<CniAnswer> answers(pods.size());
    std::atomic<size_t> running = pods.size();
    std::vector<std::thread> threads;
    for (size_t i = 0; i < pods.size(); ++i) {
      threads.emplace_back([&, i] {
        answers[i] = node_->cni("ADD", "c" + pods[i], sandboxes[i], pods[i]);
        --running;
      });
    }
    const auto reached = [&] {
      switch (round % 3) {
        case 0:
          return written() != written_before;
        case 1:
          return node_->nft_generation() != generation_before;
        default:
          return links() != links_before;
      }
    };
    while (running != 0 && !reached()) std::this_thread::yield();
    node_->stop_agent(SIGKILL);
    for (std::thread& thread : threads) thread.join();
    const Status started = node_->start_agent();
    ASSERT_TRUE(started) << started.error().message;
    for (size_t i = 0; i < pods.size(); ++i) {
      if (answers[i].exit_code == 0) {
        told[pods[i]] = addresses(answers[i]);
        continue;
      }
      EXPECT_EQ(answers[i].code(), 11) << answers[i].text();
      EXPECT_EQ(node_->cni("DEL", "c" + pods[i], sandboxes[i], pods[i]).exit_code, 0);
      EXPECT_THAT(node_->links(),
                  Not(::testing::Contains(interface_name("cali", {"dev", pods[i]}))));
    }
  }
  std::set<net::IpAddr> seen;
  for (const auto& [pod, addresses] : told) {
    EXPECT_THAT(node_->links(), ::testing::Contains(interface_name("cali", {"dev", pod})));
    for (const net::IpAddr& address : addresses)
      EXPECT_TRUE(seen.insert(address).second) << address.to_string();
  }
  EXPECT_EQ(node_->links().size(), told.size());
  const json::value status = node_->status();
  for (const json::value& range : jsonio::get_array(status, {"network", "ipam", "podCIDRs"})) {
    EXPECT_EQ(jsonio::get_int(range, {"used"}), static_cast<int64_t>(told.size()));
  }
  EXPECT_TRUE(undone()) << "no kill came in the middle: the test has tested nothing";
}

TEST_F(AgentRootTest, EndsInGoodOrderWhileAddsWait) {
  const std::string known = new_pod("pod1");
  node_->stop_api();
  std::vector<std::thread> threads;
  const std::string sandbox = node_->add_sandbox();
  std::vector<CniAnswer> answers(3);
  // Two pods the agent does not know (it waits for the API server), and one it does.
  threads.emplace_back([&] { answers[0] = node_->cni("ADD", "c0", sandbox, "unknown"); });
  threads.emplace_back([&] { answers[1] = node_->cni("ADD", "c1", sandbox, "other"); });
  threads.emplace_back([&] { answers[2] = node_->cni("ADD", "c2", known, "pod1"); });
  const std::string log = node_->folder() + "/state/leases";
  // The third has its addresses: then it waits for the kernel, or is done.
  EXPECT_TRUE(eventually([&] {
    std::error_code none_yet;
    const auto size = std::filesystem::file_size(log, none_yet);
    return !none_yet && size >= 200;
  }));
  EXPECT_EQ(node_->stop_agent(SIGTERM), 0)
      << read_file(node_->folder() + "/agent.log").value_or("");
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answers[0].code(), 11) << answers[0].text();
  EXPECT_EQ(answers[1].code(), 11) << answers[1].text();
}

TEST_F(AgentRootTest, WhatSomebodyElseChangesIsPutRight) {
  const std::string sandbox = new_pod("pod1");
  const CniAnswer added = node_->cni("ADD", "c1", sandbox, "pod1");
  ASSERT_EQ(added.exit_code, 0) << added.text();
  node_->in_node({"nft", "flush", "ruleset"});
  node_->in_node({"ip", "route", "flush", "proto", "202"});
  CniAnswer checked{1, nullptr};
  EXPECT_TRUE(eventually([&] {
    checked = node_->cni("CHECK", "c1", sandbox, "pod1", {{"prevResult", added.output}});
    return checked.exit_code == 0;
  })) << checked.text();
}

// --dry-run shows what is missing and makes nothing.
TEST_F(AgentRootTest, DryRunChangesNothing) {
  const std::string sandbox = new_pod("pod1");
  add("c1", sandbox, "pod1");
  const std::vector<std::string> dry_run = {std::string(CARACAL_BINARY_DIR) + "/bin/caracal-agent",
                                            "--dry-run",
                                            "--ipam",
                                            "pod-cidr",
                                            "--node-name",
                                            "n1",
                                            "--kubeconfig",
                                            node_->folder() + "/kubeconfig",
                                            "--socket",
                                            node_->socket(),
                                            "--log-level",
                                            "error"};
  const std::string nothing = node_->in_node(dry_run);
  EXPECT_THAT(nothing, HasSubstr("present (0 elements to change)"));
  EXPECT_THAT(nothing, Not(HasSubstr("ip route")));
  node_->stop_agent(SIGTERM);
  node_->in_node({"nft", "delete", "table", "inet", "caracal"});
  node_->in_node({"ip", "route", "flush", "proto", "202"});
  const std::string all = node_->in_node(dry_run);
  EXPECT_THAT(all, HasSubstr("to be made"));
  EXPECT_THAT(all, HasSubstr("ip route replace 10.65.1.0/24 blackhole"));
  EXPECT_THAT(node_->in_node({"nft", "list", "tables"}), Not(HasSubstr("caracal")));
  EXPECT_THAT(node_->in_node({"ip", "route"}), Not(HasSubstr("10.65")));
}

TEST_F(AgentRootTest, ANewSandboxOfAPodTakesOver) {
  const std::string first = new_pod("pod1");
  const auto before = add("old", first, "pod1");
  const std::string second = node_->add_sandbox();
  const auto after = add("new", second, "pod1");
  EXPECT_NE(before, after);
  EXPECT_EQ(node_->cni("DEL", "old", first, "pod1").exit_code, 0);
  EXPECT_EQ(node_->links().size(), 1u)
      << "the late DEL of the old sandbox leaves the new one alone";
  node_->stop_agent(SIGKILL);
  ASSERT_TRUE(node_->start_agent());
  EXPECT_THAT(jsonio::to_string(node_->status()), HasSubstr(after[0].to_string()));
  EXPECT_EQ(node_->cni("DEL", "new", second, "pod1").exit_code, 0);
  expect_nothing_left();
}

// A pod's network namespace can be gone when DEL comes.
TEST_F(AgentRootTest, DelWithoutTheNamespace) {
  const std::string sandbox = new_pod("pod1");
  add("c1", sandbox, "pod1");
  node_->remove_sandbox(sandbox);
  EXPECT_EQ(node_->cni("DEL", "c1", sandbox, "pod1").exit_code, 0);
  EXPECT_EQ(node_->cni("DEL", "c1", "", "pod1").exit_code, 0);
  expect_nothing_left();
}

TEST_F(AgentRootTest, InAChainWithPortmapAndBandwidth) {
  if (::access("/usr/lib/cni/portmap", X_OK) != 0)
    GTEST_SKIP() << "containernetworking-plugins is not installed";
  const std::string sandbox = new_pod("pod1");
  const CniAnswer ours = node_->cni("ADD", "c1", sandbox, "pod1", {}, "1.0.0");
  ASSERT_EQ(ours.exit_code, 0) << ours.text();
  const json::object portmap{
      {"cniVersion", "1.0.0"},
      {"name", "net"},
      {"type", "portmap"},
      {"runtimeConfig",
       {{"portMappings", {{{"hostPort", 8080}, {"containerPort", 80}, {"protocol", "tcp"}}}}}},
      {"prevResult", ours.output}};
  const CniAnswer mapped =
      node_->plugin("/usr/lib/cni/portmap", "ADD", "c1", sandbox, "pod1", portmap);
  EXPECT_EQ(mapped.exit_code, 0) << mapped.text();
  json::object bandwidth{{"cniVersion", "1.0.0"},
                         {"name", "net"},
                         {"type", "bandwidth"},
                         {"runtimeConfig",
                          {{"bandwidth",
                            {{"ingressRate", 1000000},
                             {"ingressBurst", 1000000},
                             {"egressRate", 1000000},
                             {"egressBurst", 1000000}}}}},
                         {"prevResult", mapped.output}};
  const CniAnswer limited =
      node_->plugin("/usr/lib/cni/bandwidth", "ADD", "c1", sandbox, "pod1", bandwidth);
  EXPECT_EQ(limited.exit_code, 0) << limited.text();
  EXPECT_THAT(
      node_->in_node({"tc", "qdisc", "show", "dev", interface_name("cali", {"dev", "pod1"})}),
      HasSubstr("tbf"));
  const CniAnswer checked =
      node_->cni("CHECK", "c1", sandbox, "pod1", {{"prevResult", limited.output}}, "1.0.0");
  EXPECT_EQ(checked.exit_code, 0) << checked.text();
  EXPECT_EQ(
      node_->plugin("/usr/lib/cni/bandwidth", "DEL", "c1", sandbox, "pod1", bandwidth).exit_code,
      0);
  EXPECT_EQ(node_->plugin("/usr/lib/cni/portmap", "DEL", "c1", sandbox, "pod1", portmap).exit_code,
            0);
  EXPECT_EQ(node_->cni("DEL", "c1", sandbox, "pod1", {}, "1.0.0").exit_code, 0);
  EXPECT_THAT(node_->links(), IsEmpty());
}

TEST_F(AgentRootTest, NodesGetRoutesAndUninstallTakesEverythingBack) {
  const json::value other{
      {"apiVersion", "v1"},
      {"kind", "Node"},
      {"metadata", {{"name", "n2"}}},
      {"spec", {{"podCIDR", "10.65.2.0/24"}, {"podCIDRs", {"10.65.2.0/24"}}}},
      {"status", {{"addresses", {{{"type", "InternalIP"}, {"address", "192.0.2.2"}}}}}}};
  ASSERT_TRUE(node_->create("/api/v1/nodes", other));
  std::string routes;
  EXPECT_TRUE(eventually([&] {
    routes = node_->in_node({"ip", "route"});
    return routes.find("10.65.2.0/24") != std::string::npos;
  }));
  EXPECT_THAT(routes, HasSubstr("10.65.2.0/24 via 192.0.2.2 dev eth0"));
  EXPECT_THAT(routes, HasSubstr("blackhole 10.65.1.0/24"));
  const std::string sandbox = new_pod("pod1");
  add("c1", sandbox, "pod1");
  const std::vector<std::string> uninstall = {
      std::string(CARACAL_BINARY_DIR) + "/bin/caracal-agent", "--uninstall", "--state-dir",
      node_->folder() + "/state"};
  EXPECT_THAT(node_->in_node(uninstall), HasSubstr("in use by another process"));
  EXPECT_EQ(node_->links().size(), 1u);
  node_->stop_agent(SIGTERM);
  node_->in_node(uninstall);
  EXPECT_THAT(node_->links(), IsEmpty());
  EXPECT_THAT(node_->in_node({"ip", "route"}), Not(HasSubstr("10.65")));
  EXPECT_THAT(node_->in_node({"nft", "list", "tables"}), Not(HasSubstr("caracal")));
  EXPECT_NE(::access((node_->folder() + "/state/leases").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace caracal::agent::testing
