#include "lab/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jsonio/yaml.h"
#include "lab/pod_status.h"

namespace caracal::lab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

PodSpec spec_of(std::string_view yaml) { return read_pod_spec(jsonio::parse_yaml(yaml)->front()); }

const std::vector<SchedulableNode> kNodes = {{.name = "node1", .labels = {{"zone", "a"}}},
                                             {.name = "node2", .labels = {{"zone", "b"}}},
                                             {.name = "node3", .labels = {{"zone", "b"}}}};

TEST(ChooseNode, TakesTheEmptiestAndTheFirstAmongEquals) {
  const PodSpec pod = spec_of("metadata: {name: p, namespace: dev}");
  EXPECT_EQ(*choose_node(pod, kNodes, {}), "node1");
  EXPECT_EQ(*choose_node(pod, kNodes, {{{"dev", "a"}, {}, "node1"}}), "node2");
  EXPECT_EQ(
      *choose_node(
          pod, kNodes,
          {{{"dev", "a"}, {}, "node1"}, {{"dev", "b"}, {}, "node2"}, {{"x", "c"}, {}, "node3"}}),
      "node1");
}

TEST(ChooseNode, HonoursSelectorAndAffinity) {
  const PodSpec zone =
      spec_of("{metadata: {name: p, namespace: dev}, spec: {nodeSelector: {zone: b}}}");
  EXPECT_EQ(*choose_node(zone, kNodes, {{{"dev", "a"}, {}, "node2"}}), "node3");
  const PodSpec beside =
      spec_of(R"({metadata: {name: p, namespace: dev}, spec: {affinity: {podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname,
      labelSelector: {matchLabels: {tier: web}, matchExpressions: [{key: old, operator: DoesNotExist}]}}]}}}})");
  EXPECT_EQ(*choose_node(beside, kNodes, {{{"dev", "w"}, {{"tier", "web"}}, "node3"}}), "node3");
  EXPECT_FALSE(choose_node(beside, kNodes, {{{"prod", "w"}, {{"tier", "web"}}, "node3"}}));
  EXPECT_FALSE(
      choose_node(beside, kNodes, {{{"dev", "w"}, {{"tier", "web"}, {"old", ""}}, "node3"}}));
}

TEST(ChooseNode, SaysWhyNoneFits) {
  auto nodes = kNodes;
  nodes[0].unschedulable = true;
  nodes[1].ready = false;
  const auto none =
      choose_node(spec_of("{metadata: {name: p}, spec: {nodeSelector: {zone: c}}}"), nodes, {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message,
            "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 "
            "node(s) were not ready, 1 "
            "node(s) were unschedulable.");
}

constexpr const char* kPod = R"(
metadata:
  name: pod1
  namespace: dev
  uid: u-1
  annotations: {kubernetes.io/ingress-bandwidth: 10M}
spec:
  nodeName: node1
  containers:
  - name: a
    image: x:1
    ports: [{containerPort: 80, hostPort: 8080}, {containerPort: 53, protocol: UDP}]
  - name: b
    image: y:1
    ports: [{containerPort: 80}]
)";

TEST(ReadPodSpec, CollectsPortsOnceAndCniCapabilities) {
  const PodSpec spec = spec_of(kPod);
  EXPECT_EQ(spec.name.to_string(), "dev/pod1");
  EXPECT_THAT(spec.containers, ElementsAre("a", "b"));
  EXPECT_THAT(spec.ports, ElementsAre(ServedPort{ServedPort::Protocol::kTcp, 80},
                                      ServedPort{ServedPort::Protocol::kUdp, 53}));
  EXPECT_EQ(jsonio::to_string(spec.port_mappings),
            R"([{"hostPort":8080,"containerPort":80,"protocol":"tcp"}])");
  EXPECT_EQ(jsonio::get_int(spec.bandwidth, {"ingressRate"}), 10'000'000);
  EXPECT_EQ(spec.problem, "");
  EXPECT_TRUE(spec.command.empty());
}

TEST(ReadPodSpec, RunsAHostCommandOnlyWhenAsked) {
  const char* kBody =
      "spec: {containers: [{name: c, command: [sh, -c], args: [echo], env: [{name: A, value: "
      "\"1\"}]}]}";
  EXPECT_TRUE(spec_of(std::string("metadata: {name: p}\n") + kBody).command.empty());
  const PodSpec host = spec_of(
      std::string("metadata: {name: p, annotations: {caracal.io/lab-exec: host}}\n") + kBody);
  EXPECT_THAT(host.command, ElementsAre("sh", "-c", "echo"));
  EXPECT_THAT(host.environment, ElementsAre("A=1"));
  EXPECT_THAT(spec_of("metadata: {name: p, annotations: {caracal.io/lab-exec: pod}}").problem,
              HasSubstr("\"pod\": the only value is \"host\""));
  EXPECT_THAT(spec_of("metadata: {name: p, annotations: {caracal.io/lab-exec: host}}").problem,
              HasSubstr("names no command"));
  EXPECT_THAT(
      spec_of("metadata: {name: p, annotations: {kubernetes.io/egress-bandwidth: fast}}").problem,
      HasSubstr("kubernetes.io/egress-bandwidth: bandwidth \"fast\": must be a whole number"));
}

TEST(ParseBandwidth, KnowsTheUnits) {
  EXPECT_EQ(*parse_bandwidth("1Mi"), 1U << 20);
  EXPECT_EQ(*parse_bandwidth("5k"), 5000U);
  EXPECT_EQ(*parse_bandwidth("7"), 7U);
  for (const char* bad : {"", "0", "M", "-1", "1.5M", "99999999999999999G"})
    EXPECT_FALSE(parse_bandwidth(bad)) << bad;
}

TEST(PodStatus, ARunningPodIsReadyAndKeepsItsTimes) {
  const PodSpec spec = spec_of(kPod);
  PodCondition condition;
  condition.phase = PodCondition::Phase::kRunning;
  condition.pod_addresses = {*net::IpAddr::parse("10.0.0.5"), *net::IpAddr::parse("fd00::5")};
  condition.host_addresses = {*net::IpAddr::parse("172.31.255.11")};
  condition.start_time = "2026-01-01T00:00:00Z";
  const json::value first = make_pod_status(spec, condition, {}, "T1");
  EXPECT_EQ(jsonio::get_string(first, {"phase"}), "Running");
  EXPECT_EQ(jsonio::get_string(first, {"podIP"}), "10.0.0.5");
  EXPECT_EQ(jsonio::get_array(first, {"podIPs"}).size(), 2U);
  EXPECT_EQ(jsonio::get_string(first, {"hostIP"}), "172.31.255.11");
  EXPECT_EQ(jsonio::get_array(first, {"containerStatuses"}).size(), 2U);
  for (const json::value& c : jsonio::get_array(first, {"conditions"}))
    EXPECT_EQ(jsonio::get_string(c, {"status"}), "True");

  condition.phase = PodCondition::Phase::kRestarting;
  const json::value second = make_pod_status(spec, condition, first, "T2");
  for (const json::value& c : jsonio::get_array(second, {"conditions"})) {
    const bool changed = jsonio::get_string(c, {"type"}) == "Ready" ||
                         jsonio::get_string(c, {"type"}) == "ContainersReady";
    EXPECT_EQ(jsonio::get_string(c, {"lastTransitionTime"}), changed ? "T2" : "T1");
  }
}

TEST(PodStatus, APodThatCannotStartSaysWhy) {
  PodCondition condition;
  condition.message = "plugin caracal: try again (code 11)";
  const json::value status = make_pod_status(spec_of(kPod), condition, {}, "T");
  EXPECT_EQ(jsonio::get_string(status, {"phase"}), "Pending");
  EXPECT_EQ(jsonio::get(status, {"podIP"}), nullptr);
  const json::value& container = jsonio::get_array(status, {"containerStatuses"})[0];
  EXPECT_EQ(jsonio::get_string(container, {"state", "waiting", "message"}), condition.message);
}

}  // namespace
}  // namespace caracal::lab
