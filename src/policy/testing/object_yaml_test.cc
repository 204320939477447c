// Worlds survive the way to YAML and back, and shrinking keeps what is wrong.
#include "policy/testing/object_yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/testing/case_file.h"
#include "policy/testing/random_world.h"
#include "policy/testing/shrink.h"
#include "policy/testing/world_updates.h"

namespace caracal::policy_testing {
namespace {

using testing::HasSubstr;

TEST(ObjectYamlTest, RandomWorldsSurvive) {
  size_t policies = 0;
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    RandomWorld source(seed, {.tiers = true, .calico = true, .hosts = true});
    for (int i = 0; i < 80; ++i) source.next();
    Case before;
    before.title = "seed";
    std::mt19937 random(seed);
    for (const Question& q : sample_questions(source.world(), random, 20, true))
      before.expectations.push_back({q, policy::oracle::Verdict::kDenied, true});
    before.world = source.world();
    const auto after = parse_case(to_yaml(before));
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_EQ(after->world, before.world) << to_yaml(after->world) << to_yaml(before.world);
    ASSERT_EQ(after->expectations.size(), before.expectations.size());
    for (size_t i = 0; i < before.expectations.size(); ++i) {
      EXPECT_EQ(to_string(after->expectations[i].question),
                to_string(before.expectations[i].question));
    }
    policies += before.world.policies.size();
  }
  EXPECT_GT(policies, 100u);
}

TEST(ObjectYamlTest, PortTexts) {
  for (const char* text :
       {"TCP", "UDP:53-53", "SCTP:http", "ICMP:type 8", "ICMPv6:type 1 code 4"}) {
    const auto port = parse_port(text);
    ASSERT_TRUE(port) << text;
    EXPECT_EQ(port_text(*port), text);
  }
  EXPECT_FALSE(parse_port("nothing:80"));
  EXPECT_FALSE(parse_port("ICMP:type x"));
}

TEST(ObjectYamlTest, ErrorsNameObjectAndField) {
  const auto wrong = update_from_json(
      json::object{{"kind", "Pod"}, {"name", "web"}, {"addresses", json::array{"10.0.0.300"}}});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("Pod web: "));
  EXPECT_FALSE(update_from_json(json::object{{"kind", "Chicken"}}));
}

TEST(ShrinkTest, KeepsWhatIsNeededOnly) {
  RandomWorld source(7, {.tiers = true, .calico = true, .hosts = true});
  for (int i = 0; i < 150; ++i) source.next();
  // Wrong: a policy that denies with a peer, and a pod with an address.
  const auto wrong = [](const model::World& world) {
    bool pod = false;
    bool rule = false;
    for (const auto& [name, p] : world.pods) pod = pod || !p.addresses.empty();
    for (const auto& [id, policy] : world.policies) {
      for (const model::Rule& r : policy.ingress)
        rule = rule || (r.action == model::Action::kDeny && !r.peer.all_of.empty());
    }
    return pod && rule;
  };
  ASSERT_TRUE(wrong(source.world()));
  const model::World small = shrink(source.world(), wrong);
  EXPECT_TRUE(wrong(small));
  EXPECT_EQ(updates_of(small).size(), 2u) << to_yaml(small);
  EXPECT_EQ(small.pods.begin()->second.addresses.size(), 1u);
  ASSERT_EQ(small.policies.size(), 1u);
  EXPECT_EQ(small.policies.begin()->second.ingress.size(), 1u);
  EXPECT_TRUE(small.policies.begin()->second.egress.empty());
}

}  // namespace
}  // namespace caracal::policy_testing
