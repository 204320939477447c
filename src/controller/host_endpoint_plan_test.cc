#include "controller/host_endpoint_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calico/auto_host_endpoint.h"
#include "calico/decode_host_endpoint.h"
#include "jsonio/yaml.h"

namespace caracal::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const ApiKind kShown{std::string(kShownGroup), "HostEndpoint", "hostendpoints"};

json::value yaml(std::string_view text) { return jsonio::parse_yaml(text)->front(); }

const json::value kConfiguration = yaml(R"(
spec:
  controllers:
    node:
      hostEndpoint:
        autoCreate: Enabled
        templates:
        - {generateName: lan, interfaceCIDRs: [10.0.0.0/8], labels: {net: lan},
           annotations: {why: because}, nodeSelector: "zone == 'a'"}
)");

class HostEndpointPlanTest : public ::testing::Test {
 protected:
  HostEndpointPlanTest() {
    add_node("n1", "a", "10.0.0.1");
    add_node("n2", "b", "10.0.0.2");
  }
  void add_node(const std::string& name, const std::string& zone, const std::string& address) {
    model::Node node;
    node.name = name;
    node.labels = {{"zone", zone}};
    node.internal_addresses = {*net::IpAddr::parse(address)};
    nodes_[name] = node;
  }
  HostEndpointPlan plan(const json::value* configuration = &kConfiguration) const {
    return plan_host_endpoints(configuration, nodes_, existing_, kShown);
  }
  // Does what a plan asks for.
  void carry_out(const HostEndpointPlan& plan) {
    for (const ApiWrite& write : plan.writes) {
      const std::string& path = write.request.path;
      if (write.request.method == "DELETE") {
        existing_.put(kShownGroup, path.substr(path.rfind('/') + 1), nullptr);
        continue;
      }
      const json::value object = *jsonio::parse(write.request.body);
      existing_.put(kShownGroup, std::string(jsonio::get_string(object, {"metadata", "name"})),
                    &object);
    }
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, entry] : existing_.entries()) out.push_back(name);
    return out;
  }
  std::map<std::string, model::Node> nodes_;
  ObjectTable existing_;
};

TEST_F(HostEndpointPlanTest, MakesWhatIsAskedForAndThenIsDone) {
  const HostEndpointPlan first = plan();
  EXPECT_EQ(first.created, 3U);
  carry_out(first);
  EXPECT_THAT(names(), ElementsAre("n1-auto-hep", "n1-lan-auto-hep", "n2-auto-hep"));
  EXPECT_THAT(plan().writes, IsEmpty());
  const json::value& lan = *existing_.find("n1-lan-auto-hep").object;
  EXPECT_EQ(jsonio::get_string(lan, {"metadata", "annotations", "why"}), "because");
  EXPECT_EQ(jsonio::get_string(lan, {"metadata", "labels", "net"}), "lan");
  EXPECT_EQ(jsonio::get_string(lan, {"metadata", "labels", "zone"}), "a");
}

// Agents compute the endpoints without objects, and take the objects where there are some.
TEST_F(HostEndpointPlanTest, ObjectsAreWhatAgentsComputeWithoutThem) {
  carry_out(plan());
  calico::ObjectReader reader;
  const auto asked = calico::decode_auto_host_endpoints(*kConfiguration.if_object(), reader);
  size_t compared = 0;
  for (const auto& [name, node] : nodes_) {
    for (const model::HostEndpoint& computed : calico::host_endpoints_of(asked, node)) {
      const ObjectTable::Entry entry = existing_.find(computed.name);
      ASSERT_NE(entry.object, nullptr) << computed.name;
      const auto read =
          calico::decode_host_endpoint(computed.name, *entry.object->if_object(), reader);
      ASSERT_TRUE(read);
      EXPECT_EQ(*read, computed);
      ++compared;
    }
  }
  EXPECT_EQ(compared, existing_.size());
  EXPECT_TRUE(reader.ok()) << reader.problems_text();
}

TEST_F(HostEndpointPlanTest, FollowsLabelsNodesAndTheSwitch) {
  carry_out(plan());
  nodes_["n1"].labels["rack"] = "r7";
  HostEndpointPlan changed = plan();
  EXPECT_EQ(changed.updated, 2U);
  carry_out(changed);
  EXPECT_EQ(
      jsonio::get_string(*existing_.find("n1-auto-hep").object, {"metadata", "labels", "rack"}),
      "r7");
  nodes_.erase("n2");
  EXPECT_EQ(plan().deleted, 1U);
  carry_out(plan());
  EXPECT_THAT(names(), ElementsAre("n1-auto-hep", "n1-lan-auto-hep"));
  const HostEndpointPlan off = plan(nullptr);
  EXPECT_EQ(off.deleted, 2U);
  carry_out(off);
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(HostEndpointPlanTest, WhatSomebodyElseMadeIsLeftAlone) {
  const json::value own = yaml("{metadata: {name: mine}, spec: {node: gone, interfaceName: eth0}}");
  const json::value taken =
      yaml("{metadata: {name: n1-auto-hep}, spec: {node: n1, interfaceName: eth0}}");
  existing_.put(kShownGroup, "mine", &own);
  existing_.put(kShownGroup, "n1-auto-hep", &taken);
  const HostEndpointPlan now = plan();
  EXPECT_EQ(now.created, 2U);
  EXPECT_EQ(now.deleted + now.updated, 0U);
  EXPECT_THAT(now.problems, ElementsAre(HasSubstr("HostEndpoint n1-auto-hep: exists, without")));
}

TEST_F(HostEndpointPlanTest, AnObjectOfTheOldGroupIsChangedWhereItIs) {
  const json::value old = yaml(R"(
metadata:
  name: n2-auto-hep
  resourceVersion: '9'
  annotations: {projectcalico.org/metadata: '{"labels":{"projectcalico.org/created-by":"calico-kube-controllers"}}'}
spec: {node: n2, interfaceName: '*'}
)");
  existing_.put(kStoredGroup, "n2-auto-hep", &old);
  const HostEndpointPlan now = plan();
  EXPECT_EQ(now.updated, 1U);
  const ApiWrite& write = now.writes.front();
  EXPECT_EQ(write.request.path, "/apis/crd.projectcalico.org/v1/hostendpoints/n2-auto-hep");
  const json::value object = *jsonio::parse(write.request.body);
  EXPECT_EQ(jsonio::get_string(object, {"metadata", "resourceVersion"}), "9");
  EXPECT_EQ(jsonio::get(object, {"metadata", "annotations"}), nullptr)
      << "the annotation would hide the new labels";
}

}  // namespace
}  // namespace caracal::controller
