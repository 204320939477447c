// NodeCondition against a real API server in this process.
#include "agent/node_condition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/api_server.h"
#include "kube/blocking_client.h"
#include "kube/reflector.h"

namespace caracal::agent {
namespace {

constexpr event::Duration kLimit{20'000};
constexpr const char* kNode = "/api/v1/nodes/node1";
constexpr const char* kLongAgo = "2020-01-01T00:00:00Z";

class NodeConditionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    apiserver::ApiServerOptions options;
    options.listeners = {{"127.0.0.1", 0, false}};
    options.bundled_crds = false;
    auto server = apiserver::ApiServer::start(std::move(options));
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    kube::ClusterAccess access;
    access.server = server_->local_url();
    access.token = server_->admin_token();
    admin_ = std::make_unique<kube::BlockingClient>(access);
    client_ = std::make_unique<kube::Client>(loop_, access);
    condition_ = std::make_unique<NodeCondition>(
        *client_, NodeConditionOptions{
                      .node = "node1",
                      .debounce = event::Duration(20),
                      .backoff = {.first = event::Duration(5), .longest = event::Duration(20)}});
    nodes_ = std::make_unique<kube::Reflector>(
        *client_, kube::ReflectorOptions{.path = "/api/v1/nodes"},
        kube::Reflector::Callbacks{
            .on_object =
                [this](const model::ObjectName& name, const json::value* object) {
                  ++seen_;
                  condition_->seen(name.name, object);
                },
            .on_synced = {},
            .on_state = {}});
    nodes_->start();
  }
  void TearDown() override {
    nodes_.reset();
    condition_.reset();
    client_.reset();
    server_.reset();
  }

  void make_node(const std::string& name) {
    const auto made =
        admin_->create("/api/v1/nodes", json::object{{"apiVersion", "v1"},
                                                     {"kind", "Node"},
                                                     {"metadata", json::object{{"name", name}}}});
    ASSERT_TRUE(made) << made.error().message;
  }
  void set_condition(json::object condition) {
    const json::value patch{
        {"status", json::object{{"conditions", json::array{std::move(condition)}}}}};
    const auto done =
        admin_->patch(std::string(kNode) + "/status", kube::kStrategicMergePatch, patch);
    ASSERT_TRUE(done) << done.error().message;
  }
  json::value condition(std::string_view type) {
    const auto node = admin_->get(kNode);
    EXPECT_TRUE(node);
    for (const json::value& one : jsonio::get_array(*node, {"status", "conditions"})) {
      if (jsonio::get_string(one, {"type"}) == type) return one;
    }
    return {};
  }
  std::string text(std::string_view type, std::string_view field) {
    return std::string(jsonio::get_string(condition(type), {field}));
  }
  std::string version() {
    return std::string(jsonio::get_string(*admin_->get(kNode), {"metadata", "resourceVersion"}));
  }
  bool until(const std::function<bool()>& holds) { return loop_.run_until(holds, kLimit); }
  bool settle() {
    return until([&] { return condition_->settled(); });
  }

  std::unique_ptr<apiserver::ApiServer> server_;
  std::unique_ptr<kube::BlockingClient> admin_;
  event::Loop loop_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<NodeCondition> condition_;
  std::unique_ptr<kube::Reflector> nodes_;
  int seen_ = 0;
};

TEST_F(NodeConditionTest, TellsOfTheNetworkOnceReady) {
  make_node("node1");
  set_condition({{"type", "NetworkUnavailable"},
                 {"status", "True"},
                 {"reason", "NoRouteCreated"},
                 {"lastTransitionTime", kLongAgo}});
  set_condition({{"type", "Ready"}, {"status", "True"}, {"reason", "KubeletReady"}});
  ASSERT_TRUE(until([&] { return seen_ > 0; }));

  const std::vector<std::string> problems{"device tunl0: this kernel has no such tunnels", "b"};
  condition_->tell(false, problems);
  ASSERT_TRUE(settle());
  EXPECT_EQ(text("NetworkUnavailable", "status"), "True");
  EXPECT_EQ(text("PodNetworkDegraded", "status"), "True");
  EXPECT_EQ(text("PodNetworkDegraded", "reason"), "NetworkProblems");
  EXPECT_EQ(text("PodNetworkDegraded", "message"),
            "device tunl0: this kernel has no such tunnels; b");
  EXPECT_NE(text("PodNetworkDegraded", "lastHeartbeatTime"), "");

  condition_->tell(true, {});
  ASSERT_TRUE(settle());
  EXPECT_EQ(text("NetworkUnavailable", "status"), "False");
  EXPECT_EQ(text("NetworkUnavailable", "reason"), "CaracalIsUp");
  EXPECT_GT(text("NetworkUnavailable", "lastTransitionTime"), kLongAgo);
  EXPECT_EQ(text("PodNetworkDegraded", "status"), "False");
  EXPECT_EQ(text("Ready", "reason"), "KubeletReady");  // others' stay

  // An agent that is ready no more leaves it.
  const std::string before = version();
  condition_->tell(false, {});
  condition_->tell(true, {});
  EXPECT_TRUE(condition_->settled());
  EXPECT_EQ(version(), before);
}

TEST_F(NodeConditionTest, WritesOnlyDifferencesAndKeepsTheTimeOfTheTransition) {
  make_node("node0");
  make_node("node1");
  set_condition({{"type", "PodNetworkDegraded"},
                 {"status", "True"},
                 {"reason", "NetworkProblems"},
                 {"message", "a"},
                 {"lastTransitionTime", kLongAgo}});
  ASSERT_TRUE(until([&] { return seen_ >= 2; }));
  const std::string before = version();
  condition_->tell(false, {"a"});
  EXPECT_TRUE(condition_->settled());
  // What comes and goes within a moment is not written.
  condition_->tell(false, {"a", "b"});
  condition_->tell(false, {"a"});
  event::Handle later;
  bool waited = false;
  later = loop_.after(event::Duration(60), [&] { waited = true; });
  ASSERT_TRUE(until([&] { return waited; }));
  EXPECT_EQ(version(), before);

  condition_->tell(false, {"c"});
  ASSERT_TRUE(settle());
  EXPECT_EQ(text("PodNetworkDegraded", "message"), "c");
  EXPECT_EQ(text("PodNetworkDegraded", "lastTransitionTime"), kLongAgo);
  EXPECT_GT(text("PodNetworkDegraded", "lastHeartbeatTime"), kLongAgo);

  // Somebody else's opinion is put right.
  set_condition({{"type", "PodNetworkDegraded"}, {"status", "Unknown"}});
  ASSERT_TRUE(until([&] { return !condition_->settled(); }));
  ASSERT_TRUE(settle());
  EXPECT_EQ(text("PodNetworkDegraded", "status"), "True");
  EXPECT_GT(text("PodNetworkDegraded", "lastTransitionTime"), kLongAgo);
}

TEST_F(NodeConditionTest, TriesAgainAndShortensLongTexts) {
  // The Node as somebody saw it, before there is one: refused until it comes.
  const json::value ghost{{"metadata", json::object{{"name", "node1"}}}};
  condition_->seen("node1", &ghost);
  condition_->tell(true, {std::string(1020, 'x') + "\u00e9\u00e9\u00e9\u00e9"});
  ASSERT_TRUE(until([&] { return !condition_->error().empty(); }));
  EXPECT_THAT(condition_->error(), ::testing::HasSubstr("node1"));
  make_node("node1");
  ASSERT_TRUE(settle());
  EXPECT_EQ(condition_->error(), "");
  EXPECT_EQ(text("PodNetworkDegraded", "message"), std::string(1020, 'x') + "...");
  EXPECT_EQ(text("NetworkUnavailable", "status"), "False");
}

}  // namespace
}  // namespace caracal::agent
