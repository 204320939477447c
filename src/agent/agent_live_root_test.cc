// The agent and what lives on its node: connections that policy ends, flows it denies, links and
// MTU that change under it, an API server that has forgotten.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "agent/endpoint.h"
#include "agent/testing/agent_fixture.h"
#include "base/fd.h"
#include "dataplane/conntrack/conntrack_driver.h"
#include "net/socket_address.h"

namespace caracal::agent::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

constexpr const char* kPolicies = "/apis/networking.k8s.io/v1/namespaces/dev/networkpolicies";

// Ingress of the pods labelled app=`app`, on the given TCP ports only.
json::value allow_ports(const char* name, const char* app, std::vector<int> ports) {
  json::array list;
  for (const int port : ports) list.push_back(json::object{{"protocol", "TCP"}, {"port", port}});
  json::array rules;
  if (!ports.empty()) rules.push_back(json::object{{"ports", list}});
  return {{"apiVersion", "networking.k8s.io/v1"},
          {"kind", "NetworkPolicy"},
          {"metadata", {{"name", name}}},
          {"spec",
           {{"podSelector", {{"matchLabels", {{"app", app}}}}},
            {"policyTypes", {"Ingress"}},
            {"ingress", rules}}}};
}

// Both ends of a TCP connection between two pods.
struct Pair {
  UniqueFd client;
  UniqueFd server;
  bool passes(int patience) const {
    char byte = 'x';
    if (::send(client.get(), &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) return false;
    pollfd wait{server.get(), POLLIN, 0};
    return ::poll(&wait, 1, patience) == 1 && ::recv(server.get(), &byte, 1, MSG_DONTWAIT) == 1;
  }
};

class AgentLiveRootTest : public AgentRootTest {
 protected:
  static UniqueFd socket_in(const std::string& netns) {
    UniqueFd fd;
    if (const auto ns = netlink::NetworkNamespace::open(netns)) {
      (void)ns->run([&]() -> Status {
        fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        return {};
      });
    }
    return fd;
  }
  static UniqueFd listen(const std::string& netns, uint16_t port) {
    UniqueFd fd = socket_in(netns);
    const net::SocketAddress any(net::IpAddr::v4(0), port);
    EXPECT_EQ(::bind(fd.get(), any.get(), any.size()), 0);
    EXPECT_EQ(::listen(fd.get(), 100), 0);
    return fd;
  }
  static Pair connect(const std::string& netns, const net::IpAddr& to, uint16_t port,
                      const UniqueFd& listener) {
    Pair out;
    out.client = socket_in(netns);
    const int seconds = 10;
    ::setsockopt(out.client.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &seconds, sizeof seconds);
    const net::SocketAddress address(to, port);
    EXPECT_EQ(::connect(out.client.get(), address.get(), address.size()), 0)
        << std::strerror(errno);
    out.server.reset(::accept(listener.get(), nullptr, nullptr));
    return out;
  }
  std::string labelled_pod(const std::string& name, const std::string& app) {
    const Status made = node_->add_pod("dev", name, {{"app", app}});
    EXPECT_TRUE(made) << made.error().message;
    return node_->add_sandbox();
  }
  // Original tuple and id of every TCP entry, the node's own with the API server left out.
  std::map<dataplane::conntrack::Tuple, uint32_t> connections() {
    std::map<dataplane::conntrack::Tuple, uint32_t> out;
    auto driver = dataplane::conntrack::ConntrackDriver::open_in(node_->netns());
    EXPECT_TRUE(driver);
    const Status dumped = driver->dump([&](const dataplane::conntrack::Connection& one) {
      if (one.original.destination_port == 8080 || one.original.destination_port == 9090)
        out.emplace(one.original, one.id);
    });
    EXPECT_TRUE(dumped);
    return out;
  }
  std::string metrics() {
    return node_->in_node({"bash", "-c",
                           "exec 3<>/dev/tcp/127.0.0.1/9091; printf 'GET /metrics HTTP/1.0\\r\\n"
                           "\\r\\n' >&3; cat <&3"});
  }
  json::array flows() {
    const json::value answer = node_->ask("flows", {{"last", 1000}});
    return jsonio::get_array(answer, {"records"});
  }
};

TEST_F(AgentLiveRootTest, AChangeOfPolicyEndsTheConnectionsItNoLongerAllows) {
  const std::string client = labelled_pod("client", "client");
  const std::string web = labelled_pod("web", "web");
  const std::string other = labelled_pod("other", "other");
  add("c1", client, "client");
  const net::IpAddr to = add("c2", web, "web")[0];
  const net::IpAddr elsewhere = add("c3", other, "other")[0];
  const UniqueFd good = listen(web, 8080);
  const UniqueFd bad = listen(web, 9090);
  const UniqueFd far = listen(other, 9090);
  std::vector<Pair> stay;
  std::vector<Pair> end;
  for (int i = 0; i < 50; ++i) {
    stay.push_back(connect(client, to, 8080, good));
    stay.push_back(connect(client, elsewhere, 9090, far));
    end.push_back(connect(client, to, 9090, bad));
  }
  const auto before = connections();
  ASSERT_EQ(before.size(), 150u);

  // Allows all that is open: nothing is ended.
  ASSERT_TRUE(node_->create(kPolicies, allow_ports("both", "web", {8080, 9090})));
  ASSERT_TRUE(eventually([&] {
    return jsonio::to_string(node_->status()).find("NetworkPolicy dev/both") != std::string::npos;
  }));
  for (const Pair& pair : end) EXPECT_TRUE(pair.passes(60'000));
  EXPECT_EQ(connections(), before);

  ASSERT_TRUE(node_->create(kPolicies, allow_ports("one", "web", {8080})));
  const auto begin = steady_clock::now();
  ASSERT_TRUE(node_->remove(std::string(kPolicies) + "/both"));
  ASSERT_TRUE(eventually([&] { return connections().size() == 100; }));
  RecordProperty(
      "milliseconds",
      static_cast<int>(
          std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin).count()));
  for (const auto& [tuple, id] : connections()) {
    ASSERT_TRUE(before.contains(tuple));
    EXPECT_EQ(before.at(tuple), id) << "not the same entry";
  }
  for (const Pair& pair : stay) EXPECT_TRUE(pair.passes(60'000));
  for (size_t i = 0; i < 3; ++i) EXPECT_FALSE(end[i].passes(300)) << "an ended connection lives";
  EXPECT_THAT(metrics(), HasSubstr("caracal_connections_ended_total 50\n"));
  EXPECT_THAT(read_file(node_->folder() + "/agent.log").value_or(""),
              HasSubstr("source=dev/client destination=dev/web because=\"ingress policy\""));
}

TEST_F(AgentLiveRootTest, ConnectionsLiveOnWhereThatIsWanted) {
  node_->stop_agent(SIGTERM);
  node_->set_agent_flags({"--end-connections", "false"});
  ASSERT_TRUE(node_->start_agent());
  const std::string client = labelled_pod("client", "client");
  const std::string web = labelled_pod("web", "web");
  add("c1", client, "client");
  const net::IpAddr to = add("c2", web, "web")[0];
  const UniqueFd listener = listen(web, 8080);
  const Pair pair = connect(client, to, 8080, listener);
  ASSERT_TRUE(node_->create(kPolicies, allow_ports("none", "web", {})));
  ASSERT_TRUE(eventually([&] { return reach(client, to.to_string(), 8081) == 124; }));
  EXPECT_TRUE(pair.passes(60'000));
  EXPECT_EQ(connections().size(), 1u);
}

// What was let in while nobody watched: policy changes while the agent is away.
TEST_F(AgentLiveRootTest, AStartLooksAtConnectionsToo) {
  const std::string client = labelled_pod("client", "client");
  const std::string web = labelled_pod("web", "web");
  add("c1", client, "client");
  const net::IpAddr to = add("c2", web, "web")[0];
  const UniqueFd listener = listen(web, 8080);
  const Pair pair = connect(client, to, 8080, listener);
  node_->stop_agent(SIGKILL);
  ASSERT_TRUE(node_->create(kPolicies, allow_ports("none", "web", {})));
  EXPECT_TRUE(pair.passes(60'000));
  ASSERT_TRUE(node_->start_agent());
  EXPECT_TRUE(eventually([&] { return connections().empty(); }));
  EXPECT_FALSE(pair.passes(300));
}

TEST_F(AgentLiveRootTest, ADeniedFlowIsTold) {
  node_->stop_agent(SIGTERM);
  node_->set_agent_flags(
      {"--flow-log-file", node_->folder() + "/flows.log", "--flow-log-journal", "true"});
  ASSERT_TRUE(node_->start_agent());
  const std::string client = labelled_pod("client", "client");
  const std::string web = labelled_pod("web", "web");
  add("c1", client, "client");
  const std::string to = add("c2", web, "web")[0].to_string();
  EXPECT_EQ(reach(client, to, 8080), 1);
  EXPECT_TRUE(flows().empty()) << "what is allowed is not told";
  ASSERT_TRUE(node_->create(kPolicies, allow_ports("only-9090", "web", {9090})));
  ASSERT_TRUE(eventually([&] { return reach(client, to, 8080) == 124; }));
  ASSERT_TRUE(eventually([&] { return !flows().empty(); }));
  const json::value record = flows().at(0);
  EXPECT_EQ(jsonio::get_string(record, {"verdict"}), "denied");
  EXPECT_EQ(jsonio::get_string(record, {"direction"}), "ingress");
  EXPECT_EQ(jsonio::get_string(record, {"source", "name"}), "dev/client");
  EXPECT_EQ(jsonio::get_string(record, {"destination", "name"}), "dev/web");
  EXPECT_EQ(jsonio::get_int(record, {"destination", "port"}), 8080);
  EXPECT_EQ(jsonio::get_string(record, {"policy"}), "NetworkPolicy dev/only-9090");
  EXPECT_EQ(jsonio::get_string(record, {"interface"}), interface_name("cali", {"dev", "web"}));
  EXPECT_TRUE(eventually([&] {
    return read_file(node_->folder() + "/flows.log").value_or("").find("only-9090") !=
           std::string::npos;
  }));
  EXPECT_THAT(read_file(node_->folder() + "/agent.log").value_or(""),
              HasSubstr("msg=\"flow\" verdict=denied"));
  EXPECT_THAT(metrics(), HasSubstr("caracal_flow_records_total "));
  EXPECT_THAT(metrics(),
              ::testing::ContainsRegex(
                  "caracal_dropped_packets_total.*reason=\"not allowed by policy\".* [1-9]"));
  // Somebody who waits is told at once.
  const int64_t next = jsonio::get_int(node_->ask("flows", {{"last", 0}}), {"next"});
  std::thread sender([&] { reach(client, to, 8082); });
  const json::value answer = node_->ask("flows", {{"after", next}, {"waitMs", 15'000}});
  sender.join();
  EXPECT_FALSE(jsonio::get_array(answer, {"records"}).empty());
}

TEST_F(AgentLiveRootTest, ALinkThatGoesIsToldAtOnceAndItsNameIsClosed) {
  const std::string a = labelled_pod("a", "a");
  const std::string b = labelled_pod("b", "b");
  add("ca", a, "a");
  add("cb", b, "b");
  const std::string interface = interface_name("cali", {"dev", "a"});
  node_->in_node({"ip", "link", "del", interface});
  ASSERT_TRUE(eventually([&] {
    return jsonio::to_string(node_->status()).find("its link has vanished") != std::string::npos;
  }));
  EXPECT_TRUE(eventually([&] {
    return node_->in_node({"nft", "list", "table", "inet", "caracal"}).find(interface) ==
           std::string::npos;
  })) << "whatever gets the name next would have the pod's policy";
  EXPECT_THAT(metrics(), HasSubstr("caracal_links_vanished_total 1\n"));
  // Gauges are taken now and then.
  EXPECT_TRUE(eventually([&] {
    return metrics().find("caracal_endpoints_vanished 1\n") != std::string::npos;
  })) << metrics();
  // The same pod gets a new link by ADD; orderly ends are no losses.
  const std::string again = node_->add_sandbox();
  add("ca2", again, "a");
  EXPECT_EQ(node_->cni("DEL", "cb", b, "b").exit_code, 0);
  EXPECT_THAT(metrics(), HasSubstr("caracal_links_vanished_total 1\n"));
  EXPECT_THAT(jsonio::to_string(node_->status()), ::testing::Not(HasSubstr("vanished\"")));
}

TEST_F(AgentLiveRootTest, NewPodsFollowTheMtuOfTheNode) {
  EXPECT_EQ(jsonio::get_int(node_->status(), {"mtu"}), 1500);
  const std::string a = labelled_pod("a", "a");
  add("ca", a, "a");
  for (const char* link : {"eth0", "eth0p"})
    node_->in_node({"ip", "link", "set", link, "mtu", "1400"});
  ASSERT_TRUE(eventually([&] { return jsonio::get_int(node_->status(), {"mtu"}) == 1400; }));
  const std::string b = labelled_pod("b", "b");
  add("cb", b, "b");
  EXPECT_THAT(node_->in_pod(a, {"ip", "link", "show", "eth0"}), HasSubstr("mtu 1500"));
  EXPECT_THAT(node_->in_pod(b, {"ip", "link", "show", "eth0"}), HasSubstr("mtu 1400"));
}

// The agent was away for so long that the API server has forgotten what happened (410 Gone): it
// lists anew, misses nothing, and disturbs nothing.
TEST_F(AgentLiveRootTest, AnApiServerThatHasForgotten) {
  const std::string client = labelled_pod("client", "client");
  const std::string web = labelled_pod("web", "web");
  const std::string gone = labelled_pod("gone", "gone");
  add("c1", client, "client");
  const std::string to = add("c2", web, "web")[0].to_string();
  ASSERT_TRUE(node_->create(kPolicies, allow_ports("old", "client", {1})));
  ASSERT_TRUE(eventually(
      [&] { return jsonio::to_string(node_->status()).find("dev/old") != std::string::npos; }));
  ASSERT_EQ(::kill(node_->agent_pid(), SIGSTOP), 0);
  node_->stop_api();
  ASSERT_TRUE(node_->start_api({"--history-events", "20"}));
  ASSERT_TRUE(node_->create(kPolicies, allow_ports("new", "web", {9090})));
  ASSERT_TRUE(node_->remove(std::string(kPolicies) + "/old"));
  ASSERT_TRUE(node_->remove("/api/v1/namespaces/dev/pods/gone"));
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(node_->add_namespace("n" + std::to_string(i)));
  ASSERT_EQ(::kill(node_->agent_pid(), SIGCONT), 0);
  ASSERT_TRUE(eventually([&] { return reach(client, to, 8080) == 124; }));
  ASSERT_TRUE(node_->wait_ready());
  const std::string status = jsonio::to_string(node_->status());
  EXPECT_THAT(status, HasSubstr("dev/new"));
  EXPECT_THAT(status, ::testing::Not(HasSubstr("dev/old")));
  EXPECT_EQ(jsonio::get_int(node_->status(), {"policy", "pods"}), 2) << status;
  EXPECT_THAT(status, HasSubstr("\"lists\":2")) << "it never had to list anew: nothing was tested";
}

}  // namespace
}  // namespace caracal::agent::testing
