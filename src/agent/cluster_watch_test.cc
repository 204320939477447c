// ClusterWatch against a real API server in this process.
#include "agent/cluster_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/policy_status.h"
#include "apiserver/testing/api_fixture.h"
#include "model/world.h"

namespace caracal::agent {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPolicies = "/apis/projectcalico.org/v3/namespaces/default/networkpolicies";

class ClusterWatchTest : public apiserver::testing::ApiFixture {
 protected:
  ClusterWatchTest() : ApiFixture(false) { watch_.start(); }

  telemetry::Metrics metrics_;
  PolicyStatus status_{
      client_,
      {.node = "node1", .interval = event::Duration(1), .longest_wait = event::Duration(1)},
      metrics_};
  model::World world_;
  int synced_ = 0;
  ClusterWatch watch_{
      client_,
      {.on_update = [this](const model::Update& update) { world_.apply(update); },
       .on_synced = [this] { ++synced_; },
       .on_findings =
           [this](const calico::Collection& collection, const model::ObjectName& name,
                  const std::vector<calico::Finding>& findings,
                  const json::value* object) { status_.note(collection, name, findings, object); }},
      metrics_,
      "node1",
      event::Duration(100)};
};

TEST_F(ClusterWatchTest, FollowsCollectionsThatComeAndGo) {
  ASSERT_TRUE(until([&] { return synced_ > 0; })) << watch_.error();
  EXPECT_TRUE(world_.namespaces.contains("default"));
  EXPECT_FALSE(watch_.status().contains("networkpolicies.projectcalico.org"));

  serve("networkpolicies.projectcalico.org");
  create(kPolicies, yaml("{metadata: {name: p}, spec: {selector: a == 'b'}}"));
  ASSERT_TRUE(until([&] { return world_.policies.size() == 1; }));
  EXPECT_EQ(world_.policies.begin()->second.selects.pods.canonical(), "a == \"b\"");
  EXPECT_TRUE(watch_.status().contains("networkpolicies.projectcalico.org"));

  remove(
      "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
      "networkpolicies.projectcalico.org");
  ASSERT_TRUE(until([&] { return world_.policies.empty(); }));
  ASSERT_TRUE(until([&] { return watch_.connected(); })) << watch_.error();
  EXPECT_EQ(synced_, 1);
}

// The server stores the two groups apart.
TEST_F(ClusterWatchTest, OfTwoGroupsTheOneThatIsShownCounts) {
  const std::string stored = "/apis/crd.projectcalico.org/v1/namespaces/default/networkpolicies";
  const auto selects = [&] {
    std::map<std::string, std::string> out;
    for (const auto& [id, policy] : world_.policies)
      out[id.to_string()] = policy.selects.pods.canonical();
    return out;
  };
  const auto policy = [](const std::string& name, const std::string& label) {
    return yaml("{metadata: {name: " + name + "}, spec: {selector: has(" + label + ")}}");
  };
  serve("networkpolicies.crd.projectcalico.org");
  create(stored, policy("p", "stored"));
  ASSERT_TRUE(until([&] { return world_.policies.size() == 1; })) << watch_.error();
  const std::string id = selects().begin()->first;
  EXPECT_EQ(selects()[id], "has(stored)");

  // Whole, and though it came later; the other comes forward again when it goes, changed meanwhile.
  serve("networkpolicies.projectcalico.org");
  create(kPolicies, policy("p", "shown"));
  ASSERT_TRUE(until([&] { return selects()[id] == "has(shown)"; }));
  merge(stored + "/p", yaml("{spec: {selector: has(changed)}}"));
  create(stored, policy("q", "last"));
  ASSERT_TRUE(until([&] { return world_.policies.size() == 2; }));
  EXPECT_EQ(selects()[id], "has(shown)");
  remove(std::string(kPolicies) + "/p");
  ASSERT_TRUE(until([&] { return selects()[id] == "has(changed)"; }));
  remove(stored + "/p");
  ASSERT_TRUE(until([&] { return world_.policies.size() == 1; }));
  EXPECT_FALSE(selects().contains(id));
}

TEST_F(ClusterWatchTest, WhatIsNotEnforcedIsToldInTheCluster) {
  ASSERT_TRUE(until([&] { return synced_ > 0; })) << watch_.error();
  serve("networkpolicies.projectcalico.org");
  serve("adminnetworkpolicies.policy.networking.k8s.io");
  create(kPolicies, yaml(R"({metadata: {name: p},
      spec: {ingress: [{action: Allow, http: {methods: [GET]}}]}})"));
  const std::string admin_policies = "/apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies";
  create(admin_policies, yaml(R"({metadata: {name: a}, spec: {priority: 1,
      subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: {}}]}]}})"));
  json::value policy;
  ASSERT_TRUE(until_server([&] {
    policy = get(admin_policies + "/a");
    return !jsonio::get_array(policy, {"status", "conditions"}).empty();
  }));
  const json::value& condition = jsonio::get_array(policy, {"status", "conditions"}).at(0);
  EXPECT_EQ(jsonio::get_string(condition, {"type"}), "caracal.io/Enforced");
  EXPECT_EQ(jsonio::get_string(condition, {"reason"}), "PartlyEnforced");
  EXPECT_THAT(std::string(jsonio::get_string(condition, {"message"})),
              HasSubstr("nodes: is not supported"));

  json::value events;
  ASSERT_TRUE(until_server([&] {
    events = get("/api/v1/namespaces/default/events");
    return !jsonio::get_array(events, {"items"}).empty();
  }));
  ASSERT_EQ(jsonio::get_array(events, {"items"}).size(), 1U);
  EXPECT_THAT(
      std::string(jsonio::get_string(jsonio::get_array(events, {"items"}).at(0), {"message"})),
      HasSubstr("HTTP requests are not inspected"));
  EXPECT_THAT(watch_.unreadable().at("NetworkPolicy default/p"), HasSubstr("HTTP requests"));
}

}  // namespace
}  // namespace caracal::agent
