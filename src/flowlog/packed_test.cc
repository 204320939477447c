// What is packed comes out again.
#include <gtest/gtest.h>

#include <random>

#include "flowlog/packed_pods.h"
#include "flowlog/packed_policies.h"
#include "policy/testing/random_world.h"

namespace caracal::flowlog {
namespace {

model::Policy without_warnings(model::Policy policy) {
  policy.warnings.clear();
  return policy;
}

TEST(Packed, ARandomWorldComesOutAgain) {
  const auto all = [](const PackedPolicies::Target&) { return true; };
  size_t pods_seen = 0;
  size_t policies_seen = 0;
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    policy_testing::RandomWorld random(seed, {.tiers = true, .calico = true, .hosts = true});
    PackedPods pods;
    PackedPolicies policies;
    for (int i = 0; i < 150; ++i) {
      const model::Update update = random.next();
      if (const auto* pod = std::get_if<model::PodUpdate>(&update)) pods.apply(*pod);
      if (const auto* policy = std::get_if<model::PolicyUpdate>(&update)) policies.apply(*policy);
    }
    const model::World& world = random.world();
    ASSERT_EQ(pods.size(), world.pods.size());
    std::map<net::IpAddr, size_t> holders;
    for (const auto& [name, pod] : world.pods) {
      model::Pod expected = pod;
      expected.uid.clear();
      expected.name = name;
      ASSERT_EQ(pods.find(name), expected) << seed;
      ASSERT_EQ(pods.networked(name), pod.networked());
      for (const net::IpAddr& address : std::set(pod.addresses.begin(), pod.addresses.end()))
        ++holders[address];
      ++pods_seen;
    }
    for (const auto& [address, count] : holders) ASSERT_EQ(pods.at(address).size(), count);

    model::World out;
    policies.unpack("", all, out);
    std::set<std::string> namespaces;
    for (const auto& [id, policy] : world.policies) namespaces.insert(id.name.ns);
    for (const auto& [id, policy] : world.invalid_policies) namespaces.insert(id.name.ns);
    namespaces.erase("");
    for (const std::string& ns : namespaces) policies.unpack(ns, all, out);
    for (const auto& [id, policy] : world.policies) {
      if (model::is_staged(id.kind)) {
        EXPECT_FALSE(out.policies.contains(id));
        continue;
      }
      ASSERT_TRUE(out.policies.contains(id)) << seed << ": " << id.to_string();
      ASSERT_EQ(out.policies.at(id), without_warnings(policy)) << seed << ": " << id.to_string();
      ++policies_seen;
    }
    for (const auto& [id, invalid] : world.invalid_policies) {
      if (model::is_staged(id.kind)) continue;
      ASSERT_TRUE(out.invalid_policies.contains(id)) << seed << ": " << id.to_string();
      ASSERT_EQ(out.invalid_policies.at(id).reason, invalid.reason);
      ASSERT_EQ(out.invalid_policies.at(id).policy, without_warnings(invalid.policy));
    }
    EXPECT_EQ(out.policies.size() + out.invalid_policies.size(), policies.size());
  }
  EXPECT_GT(pods_seen, 100u);
  EXPECT_GT(policies_seen, 100u);
}

TEST(Packed, RulesKeepTheirNamesAndSelectorsTheirOwners) {
  PackedPolicies policies;
  model::Policy policy;
  policy.id = {model::PolicyKind::kClusterNetworkPolicy, {"", "admin"}};
  policy.selects.pods = selector::Selector::requirement(selector::Op::kExists, "app");
  policy.ingress.emplace_back().name = "first";
  policy.egress.resize(2);
  policy.egress[1].name = "third";
  policies.apply({policy.id, policy, std::nullopt});
  model::Policy other = policy;
  other.id.name.name = "other";
  policies.apply({other.id, other, std::nullopt});
  policies.apply({policy.id, std::nullopt, std::nullopt});

  model::World out;
  policies.unpack(
      "", [](const PackedPolicies::Target& t) { return !t.inherited; }, out);
  ASSERT_EQ(out.policies.size(), 1u);
  EXPECT_EQ(out.policies.at(other.id), other);
  policies.apply({other.id, std::nullopt, std::nullopt});
  EXPECT_EQ(policies.size(), 0u);
}

}  // namespace
}  // namespace caracal::flowlog
