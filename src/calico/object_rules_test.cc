#include "calico/object_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jsonio/yaml.h"

namespace caracal::calico {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json::value yaml(std::string_view text) {
  auto documents = jsonio::parse_yaml(text);
  EXPECT_TRUE(documents.has_value()) << documents.error().message << "\n" << text;
  return documents ? documents->at(0) : json::value();
}

std::string check(std::string_view group, std::string_view kind, std::string_view object) {
  const ObjectRules* rules = find_rules(group, kind);
  if (rules == nullptr) return "no rules";
  ObjectReader reader;
  rules->check(yaml(object), reader);
  return reader.problems_text();
}

json::value defaulted(std::string_view kind, std::string_view object) {
  const ObjectRules* rules = find_rules("projectcalico.org", kind);
  json::value value = yaml(object);
  rules->apply_defaults(value);
  json::value again = value;
  rules->apply_defaults(again);
  EXPECT_EQ(again, value) << object;
  return value;
}

TEST(ObjectRules, WhoHasRules) {
  EXPECT_EQ(find_rules("networking.k8s.io", "NetworkPolicy"), nullptr);
  EXPECT_EQ(find_rules("projectcalico.org", "IPAMHandle"), nullptr);
  EXPECT_TRUE(find_rules("crd.projectcalico.org", "NetworkPolicy")->in_tier);
  EXPECT_FALSE(find_rules("projectcalico.org", "Tier")->in_tier);
}

TEST(ObjectRules, NamesOfPolicies) {
  const std::string long_word(100, 'a');
  for (const std::string& name :
       {std::string("a"), std::string("a-1"), std::string("default.a"),
        std::string("knp.default.a.b"), std::string("ossg.default.x"), "default." + long_word}) {
    EXPECT_EQ(check("projectcalico.org", "NetworkPolicy",
                    "{metadata: {name: " + name + ", namespace: dev}, spec: {}}"),
              "")
        << name;
  }
  EXPECT_THAT(check("projectcalico.org", "NetworkPolicy",
                    "{metadata: {name: a.b.c, namespace: dev}, spec: {}}"),
              HasSubstr("metadata.name: \"a.b.c\": must be NAME or TIER.NAME"));
  EXPECT_THAT(check("projectcalico.org", "GlobalNetworkPolicy",
                    "{metadata: {name: knp.default.a}, spec: {}}"),
              HasSubstr("metadata.name"));
  EXPECT_THAT(check("projectcalico.org", "Tier", "{metadata: {name: a.b}, spec: {}}"),
              HasSubstr("metadata.name: \"a.b\": must be lower-case"));
  EXPECT_THAT(check("projectcalico.org", "Tier", "{metadata: {name: " + long_word + "}, spec: {}}"),
              HasSubstr("at most 63 characters"));
  EXPECT_EQ(check("projectcalico.org", "NetworkPolicy",
                  "{metadata: {generateName: a-, namespace: dev}, spec: {}}"),
            "");
}

TEST(ObjectRules, EachKindIsChecked) {
  const struct {
    const char* kind;
    const char* object;
    const char* problem;
  } kCases[] = {
      {"GlobalNetworkPolicy", "{metadata: {name: a}, spec: {doNotTrack: true}}",
       "spec.applyOnForward: required: must be true with doNotTrack"},
      {"StagedGlobalNetworkPolicy", "{metadata: {name: a}, spec: {stagedAction: Delete, order: 1}}",
       "spec.order: must be empty with stagedAction Delete"},
      {"StagedKubernetesNetworkPolicy",
       "{metadata: {name: a, namespace: b}, spec: {ingress: [{ports: [{port: 0}]}]}}",
       "spec.ingress[0].ports[0].port: 0: must be between 1 and 65535"},
      {"Tier", "{metadata: {name: default}, spec: {order: 5}}",
       "spec.order: 5: is 1000000 for this tier, always"},
      {"Tier", "{metadata: {name: kube-admin}, spec: {defaultAction: Deny}}",
       "spec.defaultAction: \"Deny\": is Pass for this tier, always"},
      {"NetworkSet", "{metadata: {name: a, namespace: b}, spec: {nets: [10.0.0.0/8, x]}}",
       "spec.nets[1]: \"x\": must be an address or a CIDR"},
      {"GlobalNetworkSet",
       "{metadata: {name: a, labels: {projectcalico.org/namespace: b}}, spec: {}}",
       "metadata.labels.projectcalico.org/namespace: is the namespace's, it cannot be set"},
      {"HostEndpoint", "{metadata: {name: a}, spec: {node: n}}",
       "spec.interfaceName: required: or expectedIPs, at least one of them"},
      {"HostEndpoint", "{metadata: {name: a}, spec: {interfaceName: eth0}}", "spec.node: required"},
      {"FelixConfiguration",
       "{metadata: {name: default}, spec: {failsafeInboundHostPorts: [{port: 1}]}}",
       "spec.failsafeInboundHostPorts[0].protocol: required"},
      {"KubeControllersConfiguration", "{metadata: {name: a}, spec: {}}",
       "metadata.name: \"a\": must be \"default\""},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(check("projectcalico.org", c.kind, c.object), HasSubstr(c.problem)) << c.object;
    EXPECT_THAT(check("crd.projectcalico.org", c.kind, c.object), HasSubstr(c.problem));
  }
  EXPECT_THAT(check("policy.networking.k8s.io", "ClusterNetworkPolicy",
                    "{metadata: {name: a}, spec: {tier: Admin, priority: 1, subject: {}}}"),
              HasSubstr("spec.subject: needs exactly one of namespaces and pods"));
}

TEST(ObjectRules, WhatCannotBeEnforcedIsAWarning) {
  ObjectReader reader;
  find_rules("policy.networking.k8s.io", "AdminNetworkPolicy")
      ->check(yaml("{metadata: {name: a}, spec: {priority: 1, subject: {namespaces: {}}, egress: "
                   "[{action: Deny, to: [{nodes: {}}]}]}}"),
              reader);
  EXPECT_TRUE(reader.ok());
  ASSERT_EQ(reader.warnings().size(), 1U);
  EXPECT_THAT(reader.warnings()[0],
              HasSubstr("spec.egress[0].to[0].nodes: is not supported as a peer: the rule denies"));
}

TEST(ObjectRules, Defaults) {
  const json::value policy =
      defaulted("NetworkPolicy", "{metadata: {name: a}, spec: {egress: [{action: Allow}]}}");
  EXPECT_EQ(jsonio::get_string(policy, {"spec", "tier"}), "default");
  EXPECT_EQ(jsonio::get_string(policy, {"metadata", "labels", kTierLabel}), "default");
  EXPECT_THAT(jsonio::get_array(policy, {"spec", "types"}), ElementsAre(json::value("Egress")));
  const json::value other = defaulted(
      "GlobalNetworkPolicy", "{metadata: {name: a}, spec: {tier: ops, types: [Egress, Ingress]}}");
  EXPECT_EQ(jsonio::get_string(other, {"metadata", "labels", kTierLabel}), "ops");
  EXPECT_EQ(jsonio::get_array(other, {"spec", "types"}).size(), 2U);
  EXPECT_THAT(jsonio::get_array(defaulted("StagedNetworkPolicy", "{metadata: {name: a}}"),
                                {"spec", "types"}),
              ElementsAre(json::value("Ingress")));
  EXPECT_EQ(
      jsonio::get_string(defaulted("Tier", "{metadata: {name: a}}"), {"spec", "defaultAction"}),
      "Deny");
  EXPECT_EQ(jsonio::get_string(defaulted("Tier", "{metadata: {name: kube-admin}}"),
                               {"spec", "defaultAction"}),
            "Pass");
}

// Calico masks these, so that objects exist which rely on it.
TEST(ObjectRules, HostBitsInListsOfRangesAreMasked) {
  const struct {
    const char* kind;
    const char* object;
    const char* warning;
  } kCases[] = {
      {"NetworkSet", "{metadata: {name: a, namespace: b}, spec: {nets: [10.1.0.0/8, 10.9.9.9]}}",
       "spec.nets[0]: \"10.1.0.0/8\" has bits set behind the prefix: taken as 10.0.0.0/8"},
      {"GlobalNetworkSet", "{metadata: {name: a}, spec: {nets: ['fd00::1/64']}}",
       "spec.nets[0]: \"fd00::1/64\" has bits set behind the prefix: taken as fd00::/64"},
      {"IPReservation", "{metadata: {name: a}, spec: {reservedCIDRs: [10.0.0.9/24]}}",
       "spec.reservedCIDRs[0]: \"10.0.0.9/24\" has bits set behind the prefix: taken as "
       "10.0.0.0/24"},
      {"FelixConfiguration",
       "{metadata: {name: default}, spec: {failsafeInboundHostPorts: "
       "[{protocol: tcp, port: 22, net: 10.0.0.9/24}]}}",
       "spec.failsafeInboundHostPorts[0].net: \"10.0.0.9/24\" has bits set behind the prefix"},
  };
  for (const auto& c : kCases) {
    ObjectReader reader;
    find_rules("projectcalico.org", c.kind)->check(yaml(c.object), reader);
    EXPECT_EQ(reader.problems_text(), "") << c.object;
    EXPECT_THAT(reader.warnings(), ElementsAre(HasSubstr(c.warning)));
  }
  EXPECT_THAT(check("projectcalico.org", "IPReservation",
                    "{metadata: {name: a}, spec: {reservedCIDRs: [ten]}}"),
              HasSubstr("must be an address or a CIDR"));
}

TEST(ObjectRules, PoolsKeepAwayFromLinkLocalAddresses) {
  for (const char* cidr : {"169.254.0.0/20", "168.0.0.0/6", "0.0.0.0/0", "fe80::/64", "::/0"}) {
    EXPECT_THAT(check("projectcalico.org", "IPPool",
                      std::string("{metadata: {name: a}, spec: {cidr: '") + cidr + "'}}"),
                HasSubstr("the link-local addresses"))
        << cidr;
  }
}

// What was stored before the API had a limit of its own.
TEST(ObjectRules, LongListsOfPoliciesAreTaken) {
  std::string nets;
  for (int i = 0; i < 1'000; ++i) {
    nets += "10." + std::to_string(i / 256) + "." + std::to_string(i % 256) + ".0/24, ";
  }
  std::string rules;
  for (int i = 0; i < 1'500; ++i) rules += "{action: Allow}, ";
  EXPECT_EQ(check("crd.projectcalico.org", "GlobalNetworkPolicy",
                  "{metadata: {name: a}, spec: {ingress: [{action: Allow, source: {nets: [" + nets +
                      "]}}], egress: [" + rules + "]}}"),
            "");
}

TEST(ObjectRules, BuiltinTiers) {
  const std::vector<json::value> tiers = builtin_tiers();
  ASSERT_EQ(tiers.size(), 3U);
  for (const json::value& tier : tiers) {
    ObjectReader reader;
    find_rules("projectcalico.org", "Tier")->check(tier, reader);
    EXPECT_THAT(reader.problems_text(), IsEmpty());
    EXPECT_TRUE(is_builtin_tier(jsonio::get_string(tier, {"metadata", "name"})));
  }
  EXPECT_FALSE(is_builtin_tier("ops"));
}

}  // namespace
}  // namespace caracal::calico
