#include "flowlog/attribution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flowlog/world_index.h"
#include "policy/testing/question.h"
#include "policy/testing/random_world.h"
#include "policy/testing/world_updates.h"

namespace caracal::flowlog {
namespace {

namespace nft = dataplane::nft;
using ::testing::HasSubstr;

// What the excerpt says of a flow is what the whole world says.
TEST(WorldIndex, AnExcerptDecidesAsTheWorldDoes) {
  size_t asked = 0;
  size_t denied = 0;
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    policy_testing::RandomWorld worlds(seed, {.tiers = true, .calico = true, .hosts = true});
    WorldIndex index;
    std::mt19937 random(seed);
    for (int i = 0; i < 120; ++i) index.apply(worlds.next());
    index.set_local_endpoints(worlds.world().local_endpoints);
    for (const auto& question :
         policy_testing::sample_questions(worlds.world(), random, 60, true)) {
      const model::ObjectName* own = nullptr;
      if (!question.hook) own = &worlds.world().local_endpoints.at(question.interface).pod;
      const model::World part = index.excerpt(question.flow.source, question.flow.destination, own);
      const auto whole = policy_testing::ask_oracle(worlds.world(), question);
      policy_testing::Question same = question;
      if (!question.hook) {
        ASSERT_TRUE(part.local_endpoints.contains(question.interface));
      }
      const auto said = policy_testing::ask_oracle(part, same);
      ++asked;
      denied += whole.verdict == policy::oracle::Verdict::kDenied ? 1 : 0;
      ASSERT_EQ(said.verdict, whole.verdict) << seed << ": " << to_string(question);
      ASSERT_EQ(said.decision, whole.decision) << seed << ": " << to_string(question);
      EXPECT_EQ(said.policy, whole.policy);
      EXPECT_EQ(said.rule, whole.rule);
      EXPECT_EQ(said.tier, whole.tier);
      EXPECT_EQ(said.logged, whole.logged);
    }
  }
  EXPECT_GT(asked, 1000u);
  EXPECT_GT(denied, 100u);
}

class AttributionTest : public ::testing::Test {
 protected:
  AttributionTest() {
    add_pod("web", "10.0.0.2");
    add_pod("client", "10.0.0.1");
    index_.apply(model::NamespaceUpdate{"shop", model::Namespace{"shop", {}}});
    index_.apply(model::NodeUpdate{"n2", node("n2", "192.0.2.2")});
  }
  static model::Node node(const char* name, const char* address) {
    model::Node out;
    out.name = name;
    out.internal_addresses = {*net::IpAddr::parse(address)};
    return out;
  }
  void add_pod(const char* name, const char* address) {
    model::Pod pod;
    pod.name = {"shop", name};
    pod.addresses = {*net::IpAddr::parse(address)};
    index_.apply(model::PodUpdate{pod.name, pod});
  }
  void add_policy(const char* name, std::vector<model::Rule> ingress,
                  model::PolicyKind kind = model::PolicyKind::kNetworkPolicy) {
    model::Policy policy;
    policy.id = {kind, {"shop", name}};
    policy.selects.in_namespace = "shop";
    policy.applies_ingress = true;
    policy.ingress = std::move(ingress);
    index_.apply(model::PolicyUpdate{policy.id, policy, std::nullopt});
  }
  Record attribute(nft::LogMark mark, const char* source = "10.0.0.1") {
    Subject subject;
    subject.flow.mark = mark;
    subject.flow.packet.source = *net::IpAddr::parse(source);
    subject.flow.packet.destination = *net::IpAddr::parse("10.0.0.2");
    subject.flow.packet.protocol = net::kTcp;
    subject.flow.packet.source_port = 40000;
    subject.flow.packet.destination_port = 80;
    subject.interface = "cali1";
    subject.pod = model::ObjectName{"shop", "web"};
    subject.source_name = index_.name_of(subject.flow.packet.source);
    subject.destination_name = index_.name_of(subject.flow.packet.destination);
    return flowlog::attribute(
        subject,
        index_.excerpt(subject.flow.packet.source, subject.flow.packet.destination, &*subject.pod));
  }

  WorldIndex index_;
  const nft::LogMark denied_{nft::LogEvent::kDenied, nft::LogPlace::kPodIngress,
                             nft::LogReason::kPolicy};
  const nft::LogMark logged_{nft::LogEvent::kLogged, nft::LogPlace::kPodIngress,
                             nft::LogReason::kPolicy};
};

TEST_F(AttributionTest, Names) {
  EXPECT_EQ(index_.name_of(*net::IpAddr::parse("10.0.0.2")), "shop/web");
  EXPECT_EQ(index_.name_of(*net::IpAddr::parse("192.0.2.2")), "node n2");
  EXPECT_EQ(index_.name_of(*net::IpAddr::parse("10.0.0.9")), "");
  index_.apply(model::PodUpdate{{"shop", "web"}, std::nullopt});
  EXPECT_EQ(index_.name_of(*net::IpAddr::parse("10.0.0.2")), "");
  add_pod("web2", "10.0.0.2");
  EXPECT_EQ(index_.name_of(*net::IpAddr::parse("10.0.0.2")), "shop/web2");
}

TEST_F(AttributionTest, NoRuleMatches) {
  add_policy("deny-all", {});
  const Record record = attribute(denied_);
  EXPECT_EQ(record.verdict, RecordVerdict::kDenied);
  EXPECT_EQ(record.policy, "NetworkPolicy shop/deny-all");
  EXPECT_EQ(record.reason, "no rule matches");
  EXPECT_EQ(record.tier, "default");
  EXPECT_FALSE(record.rule);
  EXPECT_EQ(record.source_name, "shop/client");
  EXPECT_EQ(record.destination_name, "shop/web");
  add_policy("other", {});
  const Record several = attribute(denied_);
  EXPECT_EQ(several.policy, "");
  EXPECT_EQ(several.reason,
            "no rule matches of NetworkPolicy shop/deny-all, NetworkPolicy shop/other");
}

TEST_F(AttributionTest, ARuleDecides) {
  model::Rule log;
  log.action = model::Action::kLog;
  model::Rule deny;
  deny.action = model::Action::kDeny;
  deny.name = "no clients";
  add_policy("strict", {log, deny}, model::PolicyKind::kCalicoNetworkPolicy);
  const Record record = attribute(denied_);
  EXPECT_EQ(record.policy, "Calico NetworkPolicy shop/strict");
  EXPECT_EQ(record.rule, 1u);
  EXPECT_EQ(record.rule_name, "no clients");
  EXPECT_EQ(record.reason, "");
  const Record written = attribute(logged_);
  EXPECT_EQ(written.verdict, RecordVerdict::kLogged);
  EXPECT_EQ(written.rule, 0u);
}

TEST_F(AttributionTest, WhatPolicyCannotSay) {
  EXPECT_THAT(attribute(denied_).reason, HasSubstr("allowed by the policies of now"));
  EXPECT_THAT(attribute(logged_).reason, HasSubstr("has gone"));
  nft::LogMark mark{nft::LogEvent::kDenied, nft::LogPlace::kPodEgress, nft::LogReason::kSpoofed};
  EXPECT_EQ(attribute(mark).direction, model::Direction::kEgress);
  EXPECT_THAT(attribute(mark).reason, HasSubstr("source address is not the pod's"));
  mark.reason = nft::LogReason::kMidStream;
  EXPECT_THAT(attribute(mark).reason, HasSubstr("in the middle of a TCP connection"));
  mark.reason = nft::LogReason::kUnknownInterface;
  EXPECT_THAT(attribute(mark).reason, HasSubstr("interface is not known"));
  mark.reason = nft::LogReason::kToHost;
  EXPECT_THAT(attribute(mark).reason, HasSubstr("may not reach their node"));
}

}  // namespace
}  // namespace caracal::flowlog
