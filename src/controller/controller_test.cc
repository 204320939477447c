// Controllers against a real API server in this process: who acts, and what they do.
#include "controller/controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/testing/api_fixture.h"
#include "base/timestamp.h"
#include "ipam/block_json.h"

namespace caracal::controller {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

// Far longer than the fixture waits, so that a lease that is taken over was given back.
constexpr LeaseTimings kLongLease{
    .duration = milliseconds(600'000), .renew = milliseconds(400'000), .retry = milliseconds(100)};
constexpr const char* kLease =
    "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/caracal-controller";
const std::string kV3 = "/apis/projectcalico.org/v3/";
const std::string kCrd = "/apis/crd.projectcalico.org/v1/";
const std::string kConfiguration = kV3 + "kubecontrollersconfigurations/default";

class ControllerTest : public apiserver::testing::ApiFixture {
 protected:
  ControllerTest() : ApiFixture(true) {}

  struct Running {
    std::unique_ptr<telemetry::Metrics> metrics = std::make_unique<telemetry::Metrics>();
    std::unique_ptr<kube::Client> client;
    std::unique_ptr<Controller> controller;
    Controller* operator->() const { return controller.get(); }
  };
  Running start(const std::string& identity, Options options = {},
                LeaseTimings timings = kLongLease) {
    options.identity = identity;
    options.version = "1.2.3";
    options.timings = timings;
    Running out;
    out.client = std::make_unique<kube::Client>(loop_, access_);
    out.controller = std::make_unique<Controller>(*out.client, options, *out.metrics);
    out.controller->start();
    return out;
  }
  bool exists(const std::string& path) { return !get(path).is_null(); }
  void patch(const std::string& path, std::string_view text) { merge(path, yaml(text)); }
  std::string holder() {
    return std::string(jsonio::get_string(get(kLease), {"spec", "holderIdentity"}));
  }

  void create_node(const std::string& name) {
    create("/api/v1/nodes", yaml("{apiVersion: v1, kind: Node, metadata: {name: " + name + "}}"));
    patch("/api/v1/nodes/" + name + "/status",
          "{status: {addresses: [{type: InternalIP, address: 172.16.0.1}]}}");
  }
  void create_pod(const std::string& name, const std::string& node, const std::string& address) {
    create("/api/v1/namespaces/default/pods",
           yaml("{apiVersion: v1, kind: Pod, metadata: {name: " + name +
                "}, spec: {nodeName: " + node + ", containers: [{name: c, image: i}]}}"));
    patch("/api/v1/namespaces/default/pods/" + name + "/status",
          "{status: {phase: Running, podIP: " + address + ", podIPs: [{ip: " + address + "}]}}");
  }
  // A block of a node with these addresses taken by pods of the namespace default.
  void create_block(const std::string& node, const std::string& range,
                    const std::map<std::string, std::string>& pods) {
    ipam::Block block(*net::Cidr::parse(range), ipam::Owner::host(node), 1000);
    for (const auto& [address, pod] : pods) {
      ASSERT_TRUE(block.assign_address(*net::IpAddr::parse(address), "k8s-pod-network." + pod,
                                       {{"pod", pod}, {"namespace", "default"}, {"node", node}}));
    }
    json::value object = ipam::encode(ipam::StoredBlock{block, json::object()});
    object.as_object()["apiVersion"] = "crd.projectcalico.org/v1";
    object.as_object()["kind"] = "IPAMBlock";
    create(kCrd + "ipamblocks", object);
    json::value claim = ipam::encode(ipam::StoredAffinity{
        {ipam::Owner::host(node), block.cidr(), ipam::ClaimState::kConfirmed}, json::object()});
    claim.as_object()["apiVersion"] = "crd.projectcalico.org/v1";
    claim.as_object()["kind"] = "BlockAffinity";
    create(kCrd + "blockaffinities", claim);
  }
  std::string block_path(const std::string& range) {
    return kCrd + "ipamblocks/" + ipam::block_name(*net::Cidr::parse(range));
  }
  std::string claim_path(const std::string& node, const std::string& range) {
    return kCrd + "blockaffinities/" +
           ipam::affinity_name(ipam::Owner::host(node), *net::Cidr::parse(range));
  }
  // How many addresses are taken; -1: there is no such block.
  int taken(const std::string& range) {
    const json::value object = get(block_path(range));
    if (object.is_null()) return -1;
    const auto block = ipam::decode_block(object);
    EXPECT_TRUE(block) << block.error().message;
    return static_cast<int>(block->value.size() - block->value.free_count());
  }
};

TEST_F(ControllerTest, OneActsAndTheOtherTakesOverWhenItIsKilled) {
  constexpr LeaseTimings kShort{
      .duration = milliseconds(3000), .renew = milliseconds(2000), .retry = milliseconds(100)};
  Running a = start("a", {}, kShort);
  ASSERT_TRUE(until([&] { return a->settled(); })) << a->error();
  Running b = start("b", {}, kShort);
  ASSERT_TRUE(until([&] { return jsonio::get_string(b->status(), {"leader"}) == "a"; }));
  EXPECT_FALSE(b->acting());
  EXPECT_EQ(holder(), "a");

  a.controller.reset();  // killed: it gives nothing back
  const std::string renewed(jsonio::get_string(get(kLease), {"spec", "renewTime"}));
  ASSERT_TRUE(until([&] { return b->acting(); }));
  const std::string acquired(jsonio::get_string(get(kLease), {"spec", "acquireTime"}));
  // Whole seconds, cut off on either side.
  EXPECT_GE((*parse_time(acquired) - *parse_time(renewed)).count(), 2) << renewed << acquired;
  EXPECT_EQ(holder(), "b");
  EXPECT_EQ(jsonio::get_int(get(kLease), {"spec", "leaseTransitions"}), 1);
}

TEST_F(ControllerTest, OneThatEndsGivesTheLeaseBack) {
  Running a = start("a");
  ASSERT_TRUE(until([&] { return a->acting(); }));
  Running b = start("b");
  ASSERT_TRUE(until([&] { return jsonio::get_string(b->status(), {"leader"}) == "a"; }));
  bool ended = false;
  a->stop([&] { ended = true; });
  EXPECT_FALSE(a->acting()) << "at once";
  ASSERT_TRUE(until([&] { return ended; }));
  ASSERT_TRUE(until([&] { return b->acting(); })) << "it waits for the end of the lease";
}

TEST_F(ControllerTest, OneThatHasLostTheLeaseStopsActing) {
  Running a = start(
      "a", {},
      {.duration = milliseconds(600'000), .renew = milliseconds(2000), .retry = milliseconds(100)});
  ASSERT_TRUE(until([&] { return a->acting(); }));
  // Somebody takes it away.
  patch(kLease, "{spec: {holderIdentity: x, leaseDurationSeconds: 3600}}");
  ASSERT_TRUE(until([&] {
    return !a->acting() && a->error().find("another controller acts: x") != std::string::npos;
  })) << a->error();
  // Given back, it is taken again.
  patch(kLease, "{spec: {holderIdentity: null}}");
  ASSERT_TRUE(until([&] { return a->acting(); }));
  // Without a server there is no lease.
  server_.reset();
  ASSERT_TRUE(until([&] { return !a->acting(); })) << "long before others may take over";
}

TEST_F(ControllerTest, ObjectsOfTheClusterAreMadeAndWhatSomebodySaidStays) {
  create(kV3 + "clusterinformations",
         yaml("{apiVersion: projectcalico.org/v3, kind: ClusterInformation, metadata: {name: "
              "default}, spec: {datastoreReady: false}}"));
  Running a = start("a");
  ASSERT_TRUE(until([&] { return a->settled(); })) << a->error();
  const json::value information = get(kV3 + "clusterinformations/default");
  EXPECT_EQ(jsonio::get_string(information, {"spec", "clusterGUID"}).size(), 32U);
  EXPECT_EQ(jsonio::get_string(information, {"spec", "calicoVersion"}), "caracal-1.2.3");
  EXPECT_FALSE(jsonio::get_bool(information, {"spec", "datastoreReady"}, true)) << "a lock stays";
  ASSERT_TRUE(until_server([&] {
    return jsonio::get_string(get(kConfiguration), {"status", "runningConfig", "controllers",
                                                    "node", "leakGracePeriod"}) == "15m0s";
  }));
  patch(kConfiguration, "{spec: {controllers: {node: {leakGracePeriod: 1h}}}}");
  ASSERT_TRUE(until_server([&] {
    return jsonio::get_string(get(kConfiguration), {"status", "runningConfig", "controllers",
                                                    "node", "leakGracePeriod"}) == "1h0m0s";
  }));
}

TEST_F(ControllerTest, HostEndpointsFollowNodesAndTheSwitch) {
  create_node("n1");
  create(kV3 + "hostendpoints",
         yaml("{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: mine}, "
              "spec: {node: n9, interfaceName: eth0}}"));
  Running a = start("a");
  ASSERT_TRUE(until([&] { return a->settled(); })) << a->error();
  EXPECT_FALSE(exists(kV3 + "hostendpoints/n1-auto-hep"));
  patch(kConfiguration, "{spec: {controllers: {node: {hostEndpoint: {autoCreate: Enabled}}}}}");
  ASSERT_TRUE(until_server([&] { return exists(kV3 + "hostendpoints/n1-auto-hep"); }));
  create_node("n2");
  patch("/api/v1/nodes/n1", "{metadata: {labels: {rack: r1}}}");
  ASSERT_TRUE(until_server([&] {
    return exists(kV3 + "hostendpoints/n2-auto-hep") &&
           jsonio::get_string(get(kV3 + "hostendpoints/n1-auto-hep"),
                              {"metadata", "labels", "rack"}) == "r1";
  }));
  remove("/api/v1/nodes/n2");
  ASSERT_TRUE(until_server([&] { return !exists(kV3 + "hostendpoints/n2-auto-hep"); }));
  patch(kConfiguration, "{spec: {controllers: {node: {hostEndpoint: {autoCreate: Disabled}}}}}");
  ASSERT_TRUE(until_server([&] { return !exists(kV3 + "hostendpoints/n1-auto-hep"); }));
  EXPECT_TRUE(exists(kV3 + "hostendpoints/mine"));
}

TEST_F(ControllerTest, APoolThatIsDeletedGoesWhenItIsEmpty) {
  const std::string path = kV3 + "ippools/p";
  create_node("n1");
  create(kV3 + "ippools",
         yaml("{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: p}, spec: {cidr: "
              "10.1.0.0/16}}"));
  create_pod("web", "n1", "10.1.0.3");
  create_block("n1", "10.1.0.0/26", {{"10.1.0.3", "web"}});
  create_block("n1", "10.1.0.64/26", {});
  Running a = start("a");
  const auto condition = [&]() -> json::value {
    const json::value pool = get(path);
    for (const json::value& one : jsonio::get_array(pool, {"status", "conditions"})) {
      if (jsonio::get_string(one, {"type"}) == "Allocatable") return one;
    }
    return nullptr;
  };
  ASSERT_TRUE(until_server([&] { return jsonio::get_string(condition(), {"status"}) == "True"; }))
      << a->error();
  remove(path);
  ASSERT_TRUE(until_server([&] {
    return taken("10.1.0.64/26") == -1 && !exists(claim_path("n1", "10.1.0.64/26"));
  })) << "the empty one goes";
  ASSERT_TRUE(until_server([&] {
    const json::value now = condition();
    return jsonio::get_string(now, {"reason"}) == "Terminating" &&
           jsonio::get_string(now, {"message"}).find("pod default/web") != std::string_view::npos;
  }));
  EXPECT_EQ(taken("10.1.0.0/26"), 1);
  json::value events;
  ASSERT_TRUE(until_server([&] {
    events = get("/api/v1/namespaces/default/events");
    return !jsonio::get_array(events, {"items"}).empty();
  }));
  EXPECT_EQ(jsonio::get_string(jsonio::get_array(events, {"items"}).front(), {"reason"}),
            "PoolInUse");

  // The plugin gives the last address back.
  json::value object = get(block_path("10.1.0.0/26"));
  ipam::StoredBlock stored = *ipam::decode_block(object);
  stored.value.release_handle("k8s-pod-network.web", Time(), 0);
  stored.value.next_sequence();
  json::value freed = ipam::encode(stored);
  freed.as_object()["apiVersion"] = "crd.projectcalico.org/v1";
  freed.as_object()["kind"] = "IPAMBlock";
  const auto replaced = admin_.replace(block_path("10.1.0.0/26"), freed);
  ASSERT_TRUE(replaced) << replaced.error().message;
  ASSERT_TRUE(until_server([&] { return !exists(path); }));
  EXPECT_EQ(taken("10.1.0.0/26"), -1);
}

TEST_F(ControllerTest, WhatANodeThatIsGoneHadIsGivenBackAtOnce) {
  create_node("n1");
  create_node("n2");
  create_pod("a", "n1", "10.1.0.1");
  create_pod("b", "n2", "10.1.0.65");
  create_block("n1", "10.1.0.0/26", {{"10.1.0.1", "a"}});
  create_block("n2", "10.1.0.64/26", {{"10.1.0.65", "b"}});
  Running a = start("a");
  ASSERT_TRUE(until([&] { return a->settled(); })) << a->error();
  EXPECT_EQ(taken("10.1.0.0/26"), 1);
  EXPECT_EQ(taken("10.1.0.64/26"), 1);
  ASSERT_TRUE(admin_.remove("/api/v1/namespaces/default/pods/b", {{"gracePeriodSeconds", "0"}}));
  remove("/api/v1/nodes/n2");
  ASSERT_TRUE(until_server([&] {
    return taken("10.1.0.64/26") == -1 && !exists(claim_path("n2", "10.1.0.64/26"));
  })) << a->error();
  EXPECT_EQ(taken("10.1.0.0/26"), 1) << "a live address stays";
  EXPECT_TRUE(exists(claim_path("n1", "10.1.0.0/26")));
}

TEST_F(ControllerTest, AnAddressWithoutItsPodIsReleasedAfterTheGracePeriodAndALiveOneNever) {
  create_node("n1");
  create_pod("live", "n1", "10.1.0.1");
  create_block("n1", "10.1.0.0/26", {{"10.1.0.1", "live"}, {"10.1.0.2", "gone"}});
  Options options;
  options.leak_grace = milliseconds(3000);
  options.period = milliseconds(1000);
  const auto began = event::Clock::now();
  Running a = start("a", options);
  ASSERT_TRUE(until_server([&] { return taken("10.1.0.0/26") == 1; })) << a->error();
  EXPECT_GE(event::Clock::now() - began, milliseconds(2000));
  const json::value block = get(block_path("10.1.0.0/26"));
  const auto stored = ipam::decode_block(block);
  ASSERT_TRUE(stored);
  EXPECT_TRUE(stored->value.allocation_of(*net::IpAddr::parse("10.1.0.1")));
}

}  // namespace
}  // namespace caracal::controller
