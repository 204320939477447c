#include "model/world.h"

#include <gtest/gtest.h>

namespace caracal::model {
namespace {

PolicyId id_of(const char* ns, const char* name) {
  return {PolicyKind::kNetworkPolicy, {ns, name}};
}
Policy policy_of(const PolicyId& id) {
  Policy policy;
  policy.id = id;
  policy.selects.in_namespace = id.name.ns;
  policy.applies_ingress = true;
  policy.ingress.push_back(Rule{});
  return policy;
}

TEST(World, OnlyTheLastUpdateOfAnObjectCounts) {
  World world;
  Pod pod;
  pod.name = {"dev", "a"};
  pod.labels["app"] = "one";
  world.apply(PodUpdate{pod.name, pod});
  pod.labels["app"] = "two";
  world.apply(PodUpdate{pod.name, pod});
  world.apply(PodUpdate{pod.name, pod});
  ASSERT_EQ(world.pods.size(), 1u);
  EXPECT_EQ(world.pods.begin()->second, pod);

  world.apply(NamespaceUpdate{"dev", Namespace{"dev", {{"x", "y"}}}});
  Node node;
  node.name = "n1";
  world.apply(NodeUpdate{"n1", node});
  world.apply(LocalEndpointUpdate{"cali1", LocalEndpoint{{"dev", "a"}, "cali1", {}}});
  EXPECT_NE(world, World());

  world.apply(PodUpdate{pod.name, {}});
  world.apply(PodUpdate{pod.name, {}});  // gone twice
  world.apply(NamespaceUpdate{"dev", {}});
  world.apply(NodeUpdate{"n1", {}});
  world.apply(LocalEndpointUpdate{"cali1", {}});
  EXPECT_EQ(world, World());
}

TEST(World, InvalidPolicyIsolatesWhatItIsKnownToSelect) {
  World world;
  const PolicyId id = id_of("dev", "p");
  world.apply(PolicyUpdate{id, policy_of(id), {}});
  EXPECT_EQ(world.policies.size(), 1u);

  world.apply(PolicyUpdate{id, policy_of(id), "spec.ingress[0]: bad"});
  EXPECT_TRUE(world.policies.empty());
  const InvalidPolicy& known = world.invalid_policies.at(id);
  EXPECT_EQ(known.reason, "spec.ingress[0]: bad");
  EXPECT_TRUE(known.policy.applies_ingress);
  EXPECT_FALSE(known.policy.applies_egress);
  EXPECT_TRUE(known.policy.ingress.empty());

  world.apply(PolicyUpdate{id, {}, "spec: bad"});
  const InvalidPolicy& unknown = world.invalid_policies.at(id);
  EXPECT_EQ(unknown.policy.selects.in_namespace, "dev");
  EXPECT_TRUE(unknown.policy.selects.pods.matches_everything());
  EXPECT_TRUE(unknown.policy.applies_ingress && unknown.policy.applies_egress);

  world.apply(PolicyUpdate{id, policy_of(id), {}});
  EXPECT_TRUE(world.invalid_policies.empty());
  world.apply(PolicyUpdate{id, {}, {}});
  EXPECT_EQ(world, World());
}

}  // namespace
}  // namespace caracal::model
