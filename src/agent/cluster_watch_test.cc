// ClusterWatch against a real API server in this process.
#include "agent/cluster_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/policy_status.h"
#include "apimachinery/crd.h"
#include "apiserver/api_server.h"
#include "kube/blocking_client.h"
#include "model/world.h"

namespace caracal::agent {
namespace {

using ::testing::HasSubstr;

constexpr event::Duration kLimit{20'000};
constexpr const char* kCrds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
constexpr const char* kPolicies = "/apis/projectcalico.org/v3/namespaces/default/networkpolicies";

class ClusterWatchTest : public ::testing::Test {
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
    status_ = std::make_unique<PolicyStatus>(
        *client_,
        PolicyStatusOptions{
            .node = "node1", .interval = event::Duration(1), .longest_wait = event::Duration(1)},
        metrics_);
    watch_ = std::make_unique<ClusterWatch>(
        *client_,
        ClusterWatch::Callbacks{
            .on_update = [this](const model::Update& update) { world_.apply(update); },
            .on_synced = [this] { ++synced_; },
            .on_findings =
                [this](const calico::Collection& collection, const model::ObjectName& name,
                       const std::vector<calico::Finding>& findings, const json::value* object) {
                  status_->note(collection, name, findings, object);
                }},
        metrics_, "node1", event::Duration(100));
    watch_->start();
  }
  void TearDown() override {
    watch_.reset();
    status_.reset();
    client_.reset();
    server_.reset();
  }

  json::value crd(std::string_view name) {
    auto crds = apimachinery::bundled_crds();
    EXPECT_TRUE(crds);
    for (json::value& one : *crds) {
      if (jsonio::get_string(one, {"metadata", "name"}) == name) return std::move(one);
    }
    ADD_FAILURE() << "no CRD " << name;
    return {};
  }
  bool until(const std::function<bool()>& condition) { return loop_.run_until(condition, kLimit); }

  std::unique_ptr<apiserver::ApiServer> server_;
  std::unique_ptr<kube::BlockingClient> admin_;
  event::Loop loop_;
  telemetry::Metrics metrics_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<PolicyStatus> status_;
  std::unique_ptr<ClusterWatch> watch_;
  model::World world_;
  int synced_ = 0;
};

TEST_F(ClusterWatchTest, FollowsCollectionsThatComeAndGo) {
  ASSERT_TRUE(until([&] { return synced_ > 0; })) << watch_->error();
  EXPECT_TRUE(world_.namespaces.contains("default"));
  EXPECT_FALSE(watch_->status().contains("networkpolicies.projectcalico.org"));

  ASSERT_TRUE(admin_->create(kCrds, crd("networkpolicies.projectcalico.org")));
  const auto created = admin_->create(
      kPolicies, *jsonio::parse(R"({"metadata":{"name":"p"},"spec":{"selector":"a == 'b'"}})"));
  ASSERT_TRUE(created) << created.error().message;
  ASSERT_TRUE(until([&] { return world_.policies.size() == 1; }));
  EXPECT_EQ(world_.policies.begin()->second.selects.pods.canonical(), "a == \"b\"");
  EXPECT_TRUE(watch_->status().contains("networkpolicies.projectcalico.org"));

  ASSERT_TRUE(admin_->remove(std::string(kCrds) + "/networkpolicies.projectcalico.org"));
  ASSERT_TRUE(until([&] { return world_.policies.empty(); }));
  ASSERT_TRUE(until([&] { return watch_->connected(); })) << watch_->error();
  EXPECT_EQ(synced_, 1);
}

TEST_F(ClusterWatchTest, WhatIsNotEnforcedIsToldInTheCluster) {
  ASSERT_TRUE(until([&] { return synced_ > 0; })) << watch_->error();
  ASSERT_TRUE(admin_->create(kCrds, crd("networkpolicies.projectcalico.org")));
  ASSERT_TRUE(admin_->create(kCrds, crd("adminnetworkpolicies.policy.networking.k8s.io")));
  const json::value http = *jsonio::parse(
      R"({"metadata":{"name":"p"},
          "spec":{"ingress":[{"action":"Allow","http":{"methods":["GET"]}}]}})");
  ASSERT_TRUE(admin_->create(kPolicies, http));
  const std::string admin_policies = "/apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies";
  const json::value nodes = *jsonio::parse(
      R"({"metadata":{"name":"a"},"spec":{"priority":1,"subject":{"namespaces":{}},
          "egress":[{"action":"Deny","to":[{"nodes":{}}]}]}})");
  ASSERT_TRUE(admin_->create(admin_policies, nodes));
  json::value policy;
  ASSERT_TRUE(until([&] {
    policy = admin_->get(admin_policies + "/a").value_or(json::value());
    return !jsonio::get_array(policy, {"status", "conditions"}).empty();
  }));
  const json::value& condition = jsonio::get_array(policy, {"status", "conditions"}).at(0);
  EXPECT_EQ(jsonio::get_string(condition, {"type"}), "caracal.io/Enforced");
  EXPECT_EQ(jsonio::get_string(condition, {"reason"}), "PartlyEnforced");
  EXPECT_THAT(std::string(jsonio::get_string(condition, {"message"})),
              HasSubstr("nodes: is not supported"));

  json::value events;
  ASSERT_TRUE(until([&] {
    events = admin_->list("/api/v1/namespaces/default/events").value_or(json::value());
    return !jsonio::get_array(events, {"items"}).empty();
  }));
  ASSERT_EQ(jsonio::get_array(events, {"items"}).size(), 1U);
  EXPECT_THAT(
      std::string(jsonio::get_string(jsonio::get_array(events, {"items"}).at(0), {"message"})),
      HasSubstr("HTTP requests are not inspected"));
  EXPECT_THAT(watch_->unreadable().at("NetworkPolicy default/p"), HasSubstr("HTTP requests"));
}

}  // namespace
}  // namespace caracal::agent
