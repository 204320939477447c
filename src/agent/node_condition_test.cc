// NodeCondition against a real API server in this process.
#include "agent/node_condition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/testing/api_fixture.h"
#include "kube/reflector.h"

namespace caracal::agent {
namespace {

constexpr const char* kNode = "/api/v1/nodes/node1";
constexpr const char* kLongAgo = "2020-01-01T00:00:00Z";

class NodeConditionTest : public apiserver::testing::ApiFixture {
 protected:
  NodeConditionTest() : ApiFixture(false) { nodes_.start(); }

  void make_node(const std::string& name) {
    create("/api/v1/nodes", yaml("{apiVersion: v1, kind: Node, metadata: {name: " + name + "}}"));
  }
  void set_condition(json::object condition) {
    const json::value patch{
        {"status", json::object{{"conditions", json::array{std::move(condition)}}}}};
    const auto done =
        admin_.patch(std::string(kNode) + "/status", kube::kStrategicMergePatch, patch);
    ASSERT_TRUE(done) << done.error().message;
  }
  json::value condition(std::string_view type) {
    const json::value node = get(kNode);
    for (const json::value& one : jsonio::get_array(node, {"status", "conditions"})) {
      if (jsonio::get_string(one, {"type"}) == type) return one;
    }
    return {};
  }
  std::string text(std::string_view type, std::string_view field) {
    return std::string(jsonio::get_string(condition(type), {field}));
  }
  std::string version() {
    return std::string(jsonio::get_string(get(kNode), {"metadata", "resourceVersion"}));
  }
  bool settle() {
    return until([&] { return condition_.settled(); });
  }

  NodeCondition condition_{
      client_,
      {.node = "node1",
       .debounce = event::Duration(20),
       .backoff = {.first = event::Duration(5), .longest = event::Duration(20)}}};
  int seen_ = 0;
  kube::Reflector nodes_{client_,
                         {.path = "/api/v1/nodes"},
                         {.on_object =
                              [this](const model::ObjectName& name, const json::value* object) {
                                ++seen_;
                                condition_.seen(name.name, object);
                              },
                          .on_synced = {},
                          .on_state = {}}};
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
  condition_.tell(false, problems);
  ASSERT_TRUE(settle());
  EXPECT_EQ(text("NetworkUnavailable", "status"), "True");
  EXPECT_EQ(text("PodNetworkDegraded", "status"), "True");
  EXPECT_EQ(text("PodNetworkDegraded", "reason"), "NetworkProblems");
  EXPECT_EQ(text("PodNetworkDegraded", "message"),
            "device tunl0: this kernel has no such tunnels; b");
  EXPECT_NE(text("PodNetworkDegraded", "lastHeartbeatTime"), "");

  condition_.tell(true, {});
  ASSERT_TRUE(settle());
  EXPECT_EQ(text("NetworkUnavailable", "status"), "False");
  EXPECT_EQ(text("NetworkUnavailable", "reason"), "CaracalIsUp");
  EXPECT_GT(text("NetworkUnavailable", "lastTransitionTime"), kLongAgo);
  EXPECT_EQ(text("PodNetworkDegraded", "status"), "False");
  EXPECT_EQ(text("Ready", "reason"), "KubeletReady");  // others' stay

  // An agent that is ready no more leaves it.
  const std::string before = version();
  condition_.tell(false, {});
  condition_.tell(true, {});
  EXPECT_TRUE(condition_.settled());
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
  condition_.tell(false, {"a"});
  EXPECT_TRUE(condition_.settled());
  // What comes and goes within a moment is not written.
  condition_.tell(false, {"a", "b"});
  condition_.tell(false, {"a"});
  event::Handle later;
  bool waited = false;
  later = loop_.after(event::Duration(60), [&] { waited = true; });
  ASSERT_TRUE(until([&] { return waited; }));
  EXPECT_EQ(version(), before);

  condition_.tell(false, {"c"});
  ASSERT_TRUE(settle());
  EXPECT_EQ(text("PodNetworkDegraded", "message"), "c");
  EXPECT_EQ(text("PodNetworkDegraded", "lastTransitionTime"), kLongAgo);
  EXPECT_GT(text("PodNetworkDegraded", "lastHeartbeatTime"), kLongAgo);

  // Somebody else's opinion is put right.
  set_condition({{"type", "PodNetworkDegraded"}, {"status", "Unknown"}});
  ASSERT_TRUE(until([&] { return !condition_.settled(); }));
  ASSERT_TRUE(settle());
  EXPECT_EQ(text("PodNetworkDegraded", "status"), "True");
  EXPECT_GT(text("PodNetworkDegraded", "lastTransitionTime"), kLongAgo);
}

TEST_F(NodeConditionTest, TriesAgainAndShortensLongTexts) {
  // The Node as somebody saw it, before there is one: refused until it comes.
  const json::value ghost{{"metadata", json::object{{"name", "node1"}}}};
  condition_.seen("node1", &ghost);
  condition_.tell(true, {std::string(1020, 'x') + "\u00e9\u00e9\u00e9\u00e9"});
  ASSERT_TRUE(until([&] { return !condition_.error().empty(); }));
  EXPECT_THAT(condition_.error(), ::testing::HasSubstr("node1"));
  make_node("node1");
  ASSERT_TRUE(settle());
  EXPECT_EQ(condition_.error(), "");
  EXPECT_EQ(text("PodNetworkDegraded", "message"), std::string(1020, 'x') + "...");
  EXPECT_EQ(text("NetworkUnavailable", "status"), "False");
}

}  // namespace
}  // namespace caracal::agent
