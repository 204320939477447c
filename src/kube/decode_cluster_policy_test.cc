#include "kube/decode_cluster_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "jsonio/yaml.h"

namespace caracal::kube {
namespace {

using model::Action;
using model::CidrPeer;
using model::EndpointPeer;
using model::PolicyUpdate;
using model::PortMatch;
using net::PortRange;
using selector::Op;
using selector::Selector;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json::value object(const std::string& spec) {
  auto documents = jsonio::parse_yaml("{metadata: {name: p}, spec: {" + spec + "}}");
  EXPECT_TRUE(documents.has_value()) << documents.error().message << "\n" << spec;
  return documents ? documents->at(0) : json::value();
}
Selector label(const char* key, const char* value) {
  return Selector::requirement(Op::kIn, key, {value});
}
const std::string kSubject = "tier: Admin, priority: 5, subject: {namespaces: {}}, ";

model::Policy cluster(const std::string& spec) {
  const PolicyUpdate update = decode_cluster_network_policy(object(spec));
  EXPECT_FALSE(update.invalid) << *update.invalid;
  EXPECT_TRUE(update.value);
  return update.value.value_or(model::Policy());
}

TEST(DecodeClusterPolicy, Place) {
  const model::Policy admin = cluster(
      "tier: Admin, priority: 7, subject: {pods: {namespaceSelector: {matchLabels: {a: b}}, "
      "podSelector: {matchLabels: {c: d}}}}");
  EXPECT_EQ(admin.id.to_string(), "ClusterNetworkPolicy p");
  EXPECT_EQ(admin.tier, "kube-admin");
  EXPECT_EQ(admin.order, 7);
  EXPECT_EQ(admin.selects, (EndpointPeer{label("c", "d"), label("a", "b"), std::nullopt}));
  EXPECT_FALSE(admin.applies_ingress || admin.applies_egress);
  EXPECT_EQ(cluster("tier: Baseline, priority: 0, subject: {namespaces: {}}").tier,
            "kube-baseline");

  const PolicyUpdate anp = decode_admin_network_policy(
      object("priority: 3, subject: {namespaces: {}}, ingress: [{action: Allow, from: "
             "[{namespaces: {}}]}]"));
  EXPECT_FALSE(anp.invalid);
  EXPECT_EQ(anp.value->tier, "kube-admin");
  EXPECT_EQ(anp.value->order, 3);
  EXPECT_TRUE(anp.value->applies_ingress);
  EXPECT_FALSE(anp.value->applies_egress);
  const PolicyUpdate banp =
      decode_baseline_admin_network_policy(object("subject: {namespaces: {}}"));
  EXPECT_FALSE(banp.invalid);
  EXPECT_EQ(banp.value->tier, "kube-baseline");
  EXPECT_EQ(banp.value->order, std::numeric_limits<double>::infinity());
}

TEST(DecodeClusterPolicy, PeersAndPorts) {
  const model::Policy policy = cluster(kSubject + R"(ingress: [
    {name: web, action: Accept, from: [{namespaces: {matchLabels: {a: b}}},
      {pods: {namespaceSelector: {}, podSelector: {matchLabels: {c: d}}}}],
      protocols: [{tcp: {destinationPort: {number: 80}}},
        {udp: {destinationPort: {range: {start: 5000, end: 6000}}}},
        {destinationNamedPort: http}]},
    {action: Pass, from: [{namespaces: {}}]}],
  egress: [{action: Deny, to: [{networks: [10.0.0.0/8, '2001:db8::/32']}, {namespaces: {}}]}])");
  EXPECT_THAT(policy.warnings, IsEmpty());
  ASSERT_EQ(policy.ingress.size(), 2U);
  EXPECT_EQ(policy.ingress[0].name, "web");
  EXPECT_EQ(policy.ingress[0].action, Action::kAllow);
  EXPECT_THAT(policy.ingress[0].peer.all_of.at(0),
              ElementsAre(model::Peer(EndpointPeer{Selector(), label("a", "b"), std::nullopt}),
                          model::Peer(EndpointPeer{label("c", "d"), Selector(), std::nullopt})));
  EXPECT_THAT(*policy.ingress[0].ports,
              ElementsAre(PortMatch{net::kTcp, PortRange{80, 80}},
                          PortMatch{net::kUdp, PortRange{5000, 6000}}, PortMatch{net::kTcp, "http"},
                          PortMatch{net::kUdp, "http"}, PortMatch{net::kSctp, "http"}));
  EXPECT_EQ(policy.ingress[1].action, Action::kPass);
  EXPECT_FALSE(policy.ingress[1].ports);
  ASSERT_EQ(policy.egress.size(), 1U);
  EXPECT_EQ(policy.egress[0].action, Action::kDeny);
  EXPECT_THAT(policy.egress[0].peer.all_of.at(0),
              ElementsAre(model::Peer(CidrPeer{*net::Cidr::parse("10.0.0.0/8"), {}}),
                          model::Peer(CidrPeer{*net::Cidr::parse("2001:db8::/32"), {}}),
                          model::Peer(EndpointPeer{})));

  const PolicyUpdate admin = decode_admin_network_policy(object(
      "priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], "
      "ports: [{portNumber: {protocol: UDP, port: 53}}, {portNumber: {port: 80}}, "
      "{portRange: {protocol: SCTP, start: 1, end: 2}}, {namedPort: web}]}]"));
  ASSERT_TRUE(admin.value);
  EXPECT_THAT(
      *admin.value->ingress.at(0).ports,
      ElementsAre(PortMatch{net::kUdp, PortRange{53, 53}}, PortMatch{net::kTcp, PortRange{80, 80}},
                  PortMatch{net::kSctp, PortRange{1, 2}}, PortMatch{net::kTcp, "web"},
                  PortMatch{net::kUdp, "web"}, PortMatch{net::kSctp, "web"}));
}

// A rule that cannot be kept as written never opens anything.
TEST(DecodeClusterPolicy, RulesThatCannotBeConverted) {
  const struct {
    const char* rule;
    const char* warning;
  } kCases[] = {
      {"to: [{nodes: {}}]", "spec.egress[0].to[0].nodes: is not supported as a peer"},
      {"to: [{domainNames: [x.org]}, {namespaces: {}}]",
       "spec.egress[0].to[0].domainNames: is not supported as a peer"},
      {"to: [{networks: [10.0.0.0/33]}]",
       "spec.egress[0].to[0].networks[0]: \"10.0.0.0/33\": must be a CIDR"},
      {"to: []", "spec.egress[0].to: required: at least one peer"},
      {"to: [{}]", "spec.egress[0].to[0]: needs exactly one of namespaces and pods"},
      {"to: [{namespaces: {}, pods: {namespaceSelector: {}, podSelector: {}}}]",
       "spec.egress[0].to[0]: needs exactly one of namespaces and pods"},
      {"to: [{pods: {podSelector: {}}}]",
       "spec.egress[0].to[0].pods.namespaceSelector: required: {} selects all"},
      {"to: [{namespaces: {matchLabels: {a: 1}}}]", "spec.egress[0].to[0].namespaces.matchLabels"},
      {"to: [{namespaces: {}}], protocols: [{tcp: {}}]",
       "spec.egress[0].protocols[0]: needs exactly one of tcp, udp and sctp"},
      {"to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 0}}}]",
       "spec.egress[0].protocols[0].tcp.destinationPort.number: 0: must be a whole number"},
      {"to: [{namespaces: {}}], protocols: [{udp: {destinationPort: {range: {start: 2, end: 1}}}}]",
       "destinationPort.range: needs start and end, the end not below the start"},
      {"to: [{namespaces: {}}], when: night", "spec.egress[0].when: unknown field"},
  };
  for (const auto& c : kCases) {
    for (const char* action : {"Accept", "Deny", "Pass"}) {
      const model::Policy policy = cluster(kSubject + "egress: [{action: " + action + ", " +
                                           c.rule + "}, {action: Accept, to: [{namespaces: {}}]}]");
      ASSERT_EQ(policy.egress.size(), 2U) << c.rule;
      ASSERT_EQ(policy.warnings.size(), 1U) << c.rule;
      EXPECT_THAT(policy.warnings[0], HasSubstr(c.warning));
      const model::Rule& closed = policy.egress[0];
      EXPECT_TRUE(closed.peer.any());
      if (std::string_view(action) == "Accept") {
        EXPECT_THAT(policy.warnings[0], HasSubstr("the rule never matches"));
        ASSERT_TRUE(closed.ports) << c.rule;
        EXPECT_THAT(*closed.ports, IsEmpty());
      } else {
        EXPECT_THAT(policy.warnings[0], HasSubstr("the rule denies everything"));
        EXPECT_EQ(closed.action, Action::kDeny);
        EXPECT_FALSE(closed.ports);
      }
      EXPECT_EQ(policy.egress[1].action, Action::kAllow);
      EXPECT_FALSE(policy.egress[1].ports);
    }
  }
  // A word that is no action denies.
  const model::Policy unknown =
      cluster(kSubject + "egress: [{action: Allow, to: [{namespaces: {}}]}]");
  EXPECT_EQ(unknown.egress.at(0).action, Action::kDeny);
  EXPECT_THAT(unknown.warnings.at(0), HasSubstr("spec.egress[0].action: \"Allow\": must be one of "
                                                "\"Accept\", \"Deny\", \"Pass\""));
}

TEST(DecodeClusterPolicy, WithoutAValidSubjectItIsForNobody) {
  const struct {
    const char* spec;
    const char* problem;
  } kCases[] = {
      {"tier: Admin, priority: 1", "spec.subject: required"},
      {"tier: Admin, priority: 1, subject: {}", "spec.subject: needs exactly one of"},
      {"priority: 1, subject: {namespaces: {}}", "spec.tier: required"},
      {"tier: admin, priority: 1, subject: {namespaces: {}}",
       "spec.tier: \"admin\": must be one of \"Admin\", \"Baseline\""},
      {"tier: Admin, subject: {namespaces: {}}", "spec.priority: required"},
      {"tier: Admin, priority: 1001, subject: {namespaces: {}}",
       "spec.priority: 1001: must be a whole number between 0 and 1000"},
  };
  for (const auto& c : kCases) {
    const PolicyUpdate update = decode_cluster_network_policy(
        object(std::string(c.spec) + ", ingress: [{action: Accept, from: [{namespaces: {}}]}]"));
    ASSERT_TRUE(update.invalid) << c.spec;
    EXPECT_THAT(*update.invalid, HasSubstr(c.problem));
    ASSERT_TRUE(update.value);
    EXPECT_THAT(update.value->ingress, IsEmpty());
  }
  EXPECT_TRUE(decode_cluster_network_policy(json::value(3)).invalid.has_value());
}

}  // namespace
}  // namespace caracal::kube
