// Parts of the lab that make network namespaces: probes against every kind of answer, and a lab's
// network up and down again without a trace.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/subprocess.h"
#include "lab/held_connection.h"
#include "lab/lab.h"
#include "lab/network.h"
#include "lab/probe.h"
#include "lab/process.h"
#include "lab/verdict_watch.h"
#include "netlink/network_namespace.h"

namespace caracal::lab {
namespace {

using ::testing::HasSubstr;

std::string pod_program() { return std::string(CARACAL_BINARY_DIR) + "/bin/caracal-lab-pod"; }

void ip(const std::string& netns, const std::string& batch) {
  const auto result =
      run_checked({.argv = {"ip", "-batch", "-"}, .input = batch, .netns = netns_path(netns)});
  ASSERT_TRUE(result) << result.error().message;
}

// client <-> server, two namespaces with a veth; the pod server listens on the server's TCP 80 and
// UDP 7.
class ProbeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    for (const std::string& stale : list_netns("crl-t-probe-")) {
      [[maybe_unused]] const Status removed = netlink::NetworkNamespace::remove(stale);
    }
    client_ = fmt::format("crl-t-probe-{}-c", ::getpid());
    server_ = fmt::format("crl-t-probe-{}-s", ::getpid());
    ASSERT_TRUE(netlink::NetworkNamespace::create(client_));
    ASSERT_TRUE(netlink::NetworkNamespace::create(server_));
    ip(client_,
       "link add v type veth peer name v netns " + server_ +
           "\naddr add 10.9.0.1/24 dev v\naddr add fd00:9::1/64 dev v nodad\nlink set v up\n");
    ip(server_, "addr add 10.9.0.2/24 dev v\naddr add fd00:9::2/64 dev v nodad\nlink set v up\n");
    const auto process = spawn({.argv = {pod_program(), "--name", "web", "--port", "TCP:80",
                                         "--port", "UDP:7", "--ready-fd", "3"},
                                .netns = netns_path(server_),
                                .wait_ready = std::chrono::seconds(60)});
    ASSERT_TRUE(process) << process.error().message;
    server_process_ = *process;
    // A link that has just come up may lose the first neighbour solicitation.
    bool warm = false;
    for (int i = 0; i < 5 && !warm; ++i)
      warm = run_probes({to("fd00:9::2", 80)})[0].outcome == Outcome::kOpen;
    ASSERT_TRUE(warm);
  }
  void TearDown() override {
    if (server_process_.pid != 0) {
      EXPECT_TRUE(stop_process(server_process_, std::chrono::seconds(60)));
    }
    for (const std::string& name : {client_, server_}) {
      if (name.empty()) continue;
      [[maybe_unused]] const Status removed = netlink::NetworkNamespace::remove(name);
    }
  }
  void nft(const std::string& rules) {
    const auto result =
        run_checked({.argv = {"nft", "-f", "-"}, .input = rules, .netns = netns_path(server_)});
    ASSERT_TRUE(result) << result.error().message;
  }
  Probe to(const char* address, uint16_t port, net::Protocol protocol = net::kTcp) const {
    return {.netns = netns_path(client_),
            .destination = *net::IpAddr::parse(address),
            .protocol = protocol,
            .port = port};
  }

  std::string client_, server_;
  Process server_process_;
};

TEST_F(ProbeTest, TellsOpenRefusedSilentAndUnreachableApart) {
  nft("table inet t { chain in { type filter hook input priority 0; tcp dport 81 drop; udp dport 9 "
      "drop; tcp dport 82 reject with icmpx admin-prohibited\n}\n}\n");
  const auto seen = run_probes(
      {to("10.9.0.2", 80), to("fd00:9::2", 80), to("10.9.0.2", 7, net::kUdp), to("10.9.0.2", 83),
       to("fd00:9::2", 83), to("10.9.0.2", 8, net::kUdp), to("10.9.0.2", 81), to("fd00:9::2", 81),
       to("10.9.0.2", 9, net::kUdp), to("10.9.0.2", 82), to("fd00:9::2", 82), to("10.8.0.1", 80)},
      {.timeout = std::chrono::milliseconds(400)});
  ASSERT_EQ(seen.size(), 12U);
  for (size_t i : {0U, 1U, 2U})
    EXPECT_EQ(seen[i].outcome, Outcome::kOpen) << i << " " << seen[i].detail;
  for (size_t i : {3U, 4U, 5U})
    EXPECT_EQ(seen[i].outcome, Outcome::kRefused) << i << " " << seen[i].detail;
  EXPECT_EQ(seen[3].detail, "TCP reset from 10.9.0.2");
  for (size_t i : {6U, 7U, 8U}) {
    EXPECT_EQ(seen[i].outcome, Outcome::kSilent) << i << " " << seen[i].detail;
    EXPECT_GE(seen[i].time, std::chrono::milliseconds(400));
  }
  for (size_t i : {9U, 10U})
    EXPECT_EQ(seen[i].outcome, Outcome::kUnreachable) << i << " " << seen[i].detail;
  EXPECT_THAT(seen[9].detail, HasSubstr("ICMP type 3 code 13 from 10.9.0.2"));
  EXPECT_EQ(seen[11].outcome, Outcome::kUnreachable);
  EXPECT_THAT(seen[11].detail, HasSubstr("unreachable"));
}

TEST_F(ProbeTest, AWatchFindsTheMomentTheVerdictChanges) {
  const auto watch = VerdictWatch::start(to("10.9.0.2", 80));
  const auto open = watch->wait_for(Outcome::kOpen, std::chrono::seconds(60));
  ASSERT_TRUE(open) << open.error().message;
  EXPECT_FALSE(open->changed);
  const auto before = std::chrono::steady_clock::now();
  nft("table inet t { chain in { type filter hook input priority 0; tcp dport 80 drop\n}\n}\n");
  const auto after = std::chrono::steady_clock::now();
  const auto shut = watch->wait_for(Outcome::kSilent, std::chrono::seconds(60));
  ASSERT_TRUE(shut) << shut.error().message;
  EXPECT_TRUE(shut->changed);
  EXPECT_GE(shut->at, before - std::chrono::milliseconds(20));
  // One attempt a millisecond; on a busy machine they stand still for a while.
  EXPECT_LE(shut->at, after + std::chrono::seconds(5));
  const auto never = watch->wait_for(Outcome::kOpen, std::chrono::milliseconds(50));
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().code, Errc::kTimeout);
}

TEST_F(ProbeTest, AHeldConnectionNoticesLoss) {
  auto calm = HeldConnection::open(to("10.9.0.2", 80));
  ASSERT_TRUE(calm) << calm.error().message;
  const auto watch = VerdictWatch::start(to("10.9.0.2", 80));
  ASSERT_TRUE(watch->wait_for(Outcome::kOpen, std::chrono::seconds(60)));
  const HeldConnection::Outcome undisturbed = (*calm)->finish();
  EXPECT_TRUE(undisturbed.undisturbed()) << undisturbed.error << " " << undisturbed.retransmissions;
  EXPECT_GT(undisturbed.answers, 1U);

  auto cut = HeldConnection::open(to("10.9.0.2", 80));
  ASSERT_TRUE(cut);
  ASSERT_TRUE(stop_process(server_process_, std::chrono::seconds(60)));
  const HeldConnection::Outcome broken = (*cut)->finish();
  server_process_ = {};
  EXPECT_FALSE(broken.undisturbed() && broken.requests > 1000);
  EXPECT_FALSE(HeldConnection::open(to("10.9.0.2", 80)));
}

TEST(ProcessTest, IsFoundByMarkerAndByRecordAndStopped) {
  const std::string marker = fmt::format("CARACAL_TEST_MARKER={}", ::getpid());
  const auto process = spawn({.argv = {"sleep", "1000"}, .environment = {marker}});
  ASSERT_TRUE(process) << process.error().message;
  EXPECT_THAT(find_by_environment(marker), ::testing::ElementsAre(*process));
  const std::string path = fmt::format("/tmp/caracal-record-{}", ::getpid());
  ASSERT_TRUE(write_record(path, *process));
  EXPECT_EQ(read_record(path), *process);
  ::unlink(path.c_str());
  EXPECT_TRUE(alive(*process));
  Process reused = *process;
  ++reused.start_time;
  EXPECT_FALSE(alive(reused));
  EXPECT_FALSE(send_signal(reused, SIGKILL));
  ASSERT_TRUE(stop_process(*process, std::chrono::seconds(60)));
  EXPECT_FALSE(alive(*process));
  EXPECT_TRUE(find_by_environment(marker).empty());
}

TEST(ProcessTest, TellsWhyAChildDidNotStart) {
  const auto missing = spawn({.argv = {"/no/such/program"}});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::kNotFound);
  const auto unready = spawn(
      {.argv = {"sh", "-c", "echo 'port 80: in use' >&3"}, .wait_ready = std::chrono::seconds(60)});
  ASSERT_FALSE(unready);
  EXPECT_THAT(unready.error().message, HasSubstr("port 80: in use"));
  const auto silent = spawn({.argv = {"true"}, .wait_ready = std::chrono::seconds(60)});
  ASSERT_FALSE(silent);
  EXPECT_THAT(silent.error().message, HasSubstr("ended before it was ready"));
}

// What the host has that a lab could leave behind.
std::vector<std::string> host_state(const std::string& lab) {
  std::vector<std::string> out = list_netns("crl-" + lab + "-");
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net")) {
    const std::string name = entry.path().filename().string();
    if (name == "crl-" + lab) out.push_back(name);
  }
  return out;
}

TEST(NetworkTest, GoesUpIsConnectedAndGoesDownWithoutATrace) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  Plan plan;
  plan.topology = *default_topology(fmt::format("tl{}", ::getpid() % 100000), 2,
                                    {net::Family::kIPv4, net::Family::kIPv6});
  ASSERT_TRUE(remove_network(plan.topology.name));
  plan.fabric = *choose_fabric(plan.topology.families, *host_prefixes());
  plan.api_port = 6443;
  const Status made = create_network(plan);
  if (!made) {
    ADD_FAILURE() << made.error().message;
    EXPECT_TRUE(remove_network(plan.topology.name));
    return;
  }
  EXPECT_EQ(host_state(plan.topology.name).size(), 5U);  // two nodes, fabric, outside; one link
  const Status again = create_network(plan);
  EXPECT_FALSE(again);

  const auto node =
      spawn({.argv = {pod_program(), "--name", "node2", "--port", "TCP:80", "--ready-fd", "3"},
             .netns = netns_path(plan.node_netns("node2")),
             .wait_ready = std::chrono::seconds(60)});
  ASSERT_TRUE(node) << node.error().message;
  std::vector<Probe> probes;
  for (const std::string& from :
       {netns_path(plan.node_netns("node1")), std::string("/proc/self/ns/net"),
        netns_path(plan.outside_netns())}) {
    for (const net::IpAddr& address : plan.node_addresses(1))
      probes.push_back({.netns = from, .destination = address, .port = 80});
  }
  // From the outside client's own addresses, too: the nodes know the way back.
  for (const net::IpAddr& address : plan.topology.outside) {
    for (const net::IpAddr& to : plan.node_addresses(1)) {
      if (to.family() == address.family()) {
        probes.push_back({.netns = netns_path(plan.outside_netns()),
                          .source = address,
                          .destination = to,
                          .port = 80});
      }
    }
  }
  for (const Observation& seen : run_probes(probes))
    EXPECT_EQ(seen.outcome, Outcome::kOpen) << seen.detail;

  EXPECT_THAT(find_by_netns({netns_path(plan.node_netns("node2"))}), ::testing::ElementsAre(*node));
  ASSERT_TRUE(stop_process(*node, std::chrono::seconds(60)));
  ASSERT_TRUE(remove_network(plan.topology.name));
  EXPECT_TRUE(host_state(plan.topology.name).empty());
  EXPECT_TRUE(remove_network(plan.topology.name)) << "again: nothing to do is no error";
}

TEST(LabDown, CleansUpAfterACrashAtAnyMoment) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const std::string name = fmt::format("tl{}", ::getpid() % 100000);
  // What a lab that was killed half way leaves: some namespaces, a link, a process, files.
  ASSERT_TRUE(netlink::NetworkNamespace::create("crl-" + name + "-node1"));
  ASSERT_TRUE(run_checked({.argv = {"ip", "link", "add", "crl-" + name, "type", "veth", "peer",
                                    "name", "x", "netns", "crl-" + name + "-node1"}}));
  const auto inside =
      spawn({.argv = {"sleep", "1000"}, .netns = netns_path("crl-" + name + "-node1")});
  const auto marked = spawn({.argv = {"sleep", "1000"}, .environment = {process_marker(name)}});
  ASSERT_TRUE(inside);
  ASSERT_TRUE(marked);
  const std::string folder = std::string(kRunFolder) + "/" + name;
  ASSERT_TRUE(make_directories(folder + "/pods"));
  ASSERT_TRUE(write_file_atomic(folder + "/pods/x.json", "{"));

  const Status down = lab_down(name, [](const std::string&) {});
  ASSERT_TRUE(down) << down.error().message;
  EXPECT_FALSE(alive(*inside));
  EXPECT_FALSE(alive(*marked));
  EXPECT_TRUE(list_netns("crl-" + name + "-").empty());
  EXPECT_FALSE(std::filesystem::exists("/sys/class/net/crl-" + name));
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_TRUE(lab_down(name, [](const std::string&) {})) << "again: nothing to do is no error";
  EXPECT_FALSE(find_lab(name));
}

}  // namespace
}  // namespace caracal::lab
