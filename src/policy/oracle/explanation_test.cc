// What an explanation tells: the first condition of a rule that does not hold and what was
// compared, tiers, staged policies, logging, host endpoints. What the verdicts should be is the
// business of the kept cases in policy/testing/cases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "policy/oracle/oracle.h"

namespace caracal::policy::oracle {
namespace {

using selector::Op;
using selector::Selector;
using testing::HasSubstr;
using testing::Not;
using Condition = RuleCheck::Condition;
using Decision = DirectionExplanation::Decision;

net::IpAddr ip(const char* text) { return *net::IpAddr::parse(text); }
net::Cidr cidr(const char* text) { return *net::Cidr::parse(text); }
Selector is(const char* key, const char* value) {
  return Selector::requirement(Op::kIn, key, {value});
}
model::EndpointPeer inherited(Selector selector) { return {std::move(selector), {}, {}, true}; }
model::PortMatch port(uint16_t number) { return {net::kTcp, net::PortRange{number, number}}; }

// Pod dev/web (10.0.0.1) with a policy of one rule for ingress, pod dev/client (10.0.0.2).
class ExplanationTest : public testing::Test {
 protected:
  ExplanationTest() {
    world.namespaces["dev"] = {"dev", {{"team", "a"}}};
    add_pod("web", "10.0.0.1", "web");
    add_pod("client", "10.0.0.2", "client");
  }
  void add_pod(const char* name, const char* address, const char* app) {
    model::Pod pod;
    pod.name = {"dev", name};
    pod.labels = {{"app", app}};
    pod.service_account = "robot";
    pod.addresses = {ip(address)};
    pod.ports = {{"http", net::kTcp, 8080}};
    world.pods[pod.name] = pod;
  }
  model::Policy& add_policy(const char* name, double order = 1,
                            model::PolicyKind kind = model::PolicyKind::kGlobalNetworkPolicy) {
    model::Policy policy;
    policy.id = {kind, {"", name}};
    policy.order = order;
    policy.selects = inherited(is("app", "web"));
    policy.applies_ingress = true;
    return world.policies[policy.id] = policy;
  }
  DirectionExplanation ingress(const char* source = "10.0.0.2", uint16_t number = 80,
                               net::Protocol protocol = net::kTcp) const {
    Flow flow{ip(source), ip("10.0.0.1"), protocol};
    if (protocol.has_ports()) {
      flow.port = number;
      flow.source_port = 40000;
    }
    return explain(world, flow).ingress;
  }
  // The check of the only rule of the only policy.
  RuleCheck check(const model::Rule& rule, const char* source = "10.0.0.2", uint16_t number = 80,
                  net::Protocol protocol = net::kTcp) {
    world.policies.clear();
    add_policy("p").ingress = {rule};
    last = ingress(source, number, protocol);
    return last.tiers.at(0).policies.at(0).rules.at(0);
  }

  model::World world;
  DirectionExplanation last;
};

TEST_F(ExplanationTest, EveryConditionIsNamedWithWhatWasCompared) {
  model::Rule rule;
  EXPECT_EQ(check(rule).failed, Condition::kNone);

  rule.family = net::Family::kIPv6;
  EXPECT_EQ(check(rule).failed, Condition::kFamily);
  EXPECT_THAT(to_text(last), HasSubstr("for IPv6 only"));

  rule = {};
  rule.peer.all_of = {{inherited(is("app", "client"))}, {model::CidrPeer{cidr("10.9.0.0/16"), {}}}};
  EXPECT_EQ(check(rule).failed, Condition::kPeer);
  EXPECT_THAT(to_text(last), HasSubstr("from 10.9.0.0/16: 10.0.0.2 is outside"));

  rule = {};
  rule.peer.none_of = {inherited(is("projectcalico.org/serviceaccount", "robot"))};
  EXPECT_EQ(check(rule).failed, Condition::kNotPeer);
  EXPECT_THAT(to_text(last), HasSubstr("not from endpoints with "
                                       "projectcalico.org/serviceaccount == \"robot\": "
                                       "holds pod dev/client"));

  rule = {};
  rule.self.all_of = {{inherited(is("pcns.team", "b"))}};
  EXPECT_EQ(check(rule).failed, Condition::kSelf);
  EXPECT_THAT(to_text(last),
              HasSubstr("to endpoints with pcns.team == \"b\": pod dev/web has "
                        "labels app=web,pcns.projectcalico.org/name=dev,pcns.team=a,"));

  rule = {};
  rule.self.none_of = {model::CidrPeer{cidr("10.0.0.0/24"), {}}};
  EXPECT_EQ(check(rule).failed, Condition::kNotSelf);

  rule = {};
  rule.ports = {port(81), {net::kTcp, "http"}, {net::kUdp, net::PortRange{}}};
  EXPECT_EQ(check(rule).failed, Condition::kPorts);
  EXPECT_THAT(to_text(last), HasSubstr("port TCP/81: another port"));
  EXPECT_THAT(to_text(last), HasSubstr("port TCP/http: another port (the name stands for 8080)"));
  EXPECT_THAT(to_text(last), HasSubstr("port UDP: another protocol"));

  rule = {};
  rule.not_ports = {port(80)};
  EXPECT_EQ(check(rule).failed, Condition::kNotPorts);

  rule = {};
  rule.source_ports = {port(22)};
  EXPECT_EQ(check(rule).failed, Condition::kSourcePorts);
  EXPECT_THAT(to_text(last), HasSubstr("source port TCP/22: another port"));

  rule = {};
  rule.not_source_ports = {port(40000)};
  EXPECT_EQ(check(rule).failed, Condition::kNotSourcePorts);
}

TEST_F(ExplanationTest, ServicesIcmpAndNamesThatNobodyHas) {
  model::Rule rule;
  rule.peer.all_of = {{model::ServicePeer{{"dev", "db"}}}};
  EXPECT_EQ(check(rule).peer.all_of[0][0].reason, PeerCheck::Reason::kNotOfService);
  world.endpoint_slices[{"dev", "db-1"}] = {{"dev", "db-1"}, "db", {ip("10.0.0.2")}, {}};
  EXPECT_EQ(check(rule).failed, Condition::kNone);  // as a source the address alone counts

  rule = {};
  rule.ports = {{net::kIcmp, model::IcmpMatch{8, 0}}};
  EXPECT_EQ((*check(rule, "10.0.0.2", 0, net::kIcmp).ports)[0].reason,
            PortCheck::Reason::kOtherMessage);
  rule = {};
  rule.source_ports = {{net::kTcp, "http"}};
  EXPECT_EQ((*check(rule, "203.0.113.7").source_ports)[0].reason, PortCheck::Reason::kNoPod);
  rule.source_ports = {{net::kTcp, "admin"}};
  EXPECT_EQ((*check(rule).source_ports)[0].reason, PortCheck::Reason::kNameAbsent);
  rule.source_ports = {{net::kTcp, "http"}};
  rule.peer.all_of = {{inherited(is("app", "other")), model::CidrPeer{cidr("10.9.0.0/16"), {}}}};
  EXPECT_EQ((*check(rule).source_ports)[0].reason, PortCheck::Reason::kNotThePeer);
}

TEST_F(ExplanationTest, TiersTellHowTheyEnded) {
  world.apply(model::TierUpdate{"security", model::Tier{"security", 10, model::Action::kPass}});
  world.apply(model::TierUpdate{"platform", model::Tier{"platform", 20, model::Action::kDeny}});
  add_policy("a").tier = "security";
  model::Policy& b = add_policy("b");
  b.tier = "platform";
  b.ingress.resize(2);
  b.ingress[0].action = model::Action::kLog;
  b.ingress[1].action = model::Action::kPass;
  b.ingress[1].name = "to the teams";
  model::Policy& c = add_policy("c");
  c.ingress.resize(1);
  c.ingress[0].name = "all";
  add_policy("d").tier = "absent";
  const DirectionExplanation e = ingress();
  EXPECT_EQ(e.verdict, Verdict::kAllowed);
  EXPECT_EQ(e.decision, Decision::kRule);
  EXPECT_EQ(e.rule_name, "all");
  EXPECT_TRUE(e.logged);
  ASSERT_EQ(e.tiers.size(), 4u);
  EXPECT_EQ(e.tiers[0].outcome, TierCheck::Outcome::kPassedByDefault);
  EXPECT_EQ(e.tiers[1].outcome, TierCheck::Outcome::kPassedByRule);
  EXPECT_EQ(e.tiers[1].policies[0].deciding, 1u);
  EXPECT_EQ(e.tiers[2].outcome, TierCheck::Outcome::kRule);
  EXPECT_EQ(e.tiers[3].outcome, TierCheck::Outcome::kNotReached);
  EXPECT_TRUE(e.tiers[3].missing);
  EXPECT_FALSE(e.tiers[3].policies[0].reached);
  const std::string text = to_text(e);
  EXPECT_THAT(text, HasSubstr("allowed, by GlobalNetworkPolicy c ingress rule 0 \"all\"; logged"));
  EXPECT_THAT(text, HasSubstr("tier security: no rule matches, by its default action on to"));
  EXPECT_THAT(text, HasSubstr("tier absent (does not exist): decided before it"));
  EXPECT_THAT(text, HasSubstr("rule 1 \"to the teams\": matches, action Pass"));

  const json::value j = to_json(e);
  EXPECT_TRUE(jsonio::get_bool(j, {"logged"}));
  EXPECT_EQ(jsonio::get_string(j, {"ruleName"}), "all");
  const json::array& tiers = jsonio::get_array(j, {"tiers"});
  ASSERT_EQ(tiers.size(), 4u);
  EXPECT_EQ(jsonio::get_string(tiers[1], {"outcome"}), "PassedByRule");
  EXPECT_TRUE(jsonio::get(tiers[3], {"order"})->is_null());
}

TEST_F(ExplanationTest, StagedPoliciesAreShownAndDoNothing) {
  model::Policy& staged = add_policy("s", 1, model::PolicyKind::kStagedGlobalNetworkPolicy);
  staged.staged = model::StagedAction::kSet;
  staged.ingress.resize(2);
  staged.ingress[0].action = model::Action::kLog;
  staged.ingress[1].action = model::Action::kDeny;
  const DirectionExplanation e = ingress();
  EXPECT_EQ(e.verdict, Verdict::kAllowed);
  EXPECT_EQ(e.decision, Decision::kNotIsolated);
  EXPECT_FALSE(e.isolated);
  EXPECT_FALSE(e.logged);
  ASSERT_EQ(e.tiers.size(), 1u);
  EXPECT_EQ(e.tiers[0].outcome, TierCheck::Outcome::kNoPolicy);
  EXPECT_EQ(e.tiers[0].policies[0].deciding, 1u);
  EXPECT_THAT(to_text(e), HasSubstr("applies, staged: without effect, its rule 1 would Deny"));
  EXPECT_EQ(jsonio::get_string(
                jsonio::get_array(jsonio::get_array(to_json(e), {"tiers"})[0], {"policies"})[0],
                {"staged"}),
            "Set");
}

TEST_F(ExplanationTest, WarningsAndLongListsStayReadable) {
  model::Policy& policy = add_policy("p");
  policy.warnings = {"spec.ingress[0].http: is not enforced"};
  policy.ingress.resize(1);
  auto& peers = policy.ingress[0].peer.all_of.emplace_back();
  for (uint32_t i = 0; i < 100; ++i)
    peers.push_back(model::CidrPeer{net::Cidr::host(net::IpAddr::v4(0xc0000200u + i)), {}});
  for (int i = 0; i < 30; ++i)
    add_policy(("other" + std::to_string(i)).c_str(), 2).selects = inherited(is("app", "x"));
  const DirectionExplanation e = ingress();
  const std::string text = to_text(e);
  EXPECT_THAT(text, HasSubstr("note: spec.ingress[0].http: is not enforced"));
  EXPECT_THAT(text, HasSubstr("and 92 more"));
  EXPECT_THAT(text, HasSubstr("and 10 policies that do not apply"));
  EXPECT_THAT(text, Not(HasSubstr("192.0.2.50")));
  EXPECT_THAT(jsonio::to_string(to_json(e)), HasSubstr("192.0.2.50"));
}

class HostExplanationTest : public ExplanationTest {
 protected:
  HostExplanationTest() {
    model::Node node;
    node.name = "n0";
    node.internal_addresses = {ip("192.0.2.10")};
    world.nodes["n0"] = node;
    for (auto& [name, pod] : world.pods) pod.node = "n0";
  }
  void add_host(const char* name, const char* interface) {
    model::HostEndpoint host;
    host.name = name;
    host.node = "n0";
    host.interface = interface;
    host.labels = {{"role", "host"}};
    world.host_endpoints[name] = host;
  }
  DirectionExplanation to_node(uint16_t number, const char* source = "203.0.113.7") const {
    return explain(world, {ip(source), ip("192.0.2.10"), net::kTcp, number}).ingress;
  }
};

TEST_F(HostExplanationTest, AnEndOnANodeIsJudgedByItsHostEndpoint) {
  EXPECT_EQ(to_node(80).decision, Decision::kNotAPod);
  add_host("star", "*");
  EXPECT_EQ(to_node(80).verdict, Verdict::kDenied);
  EXPECT_EQ(to_node(80).decision, Decision::kNoProfile);
  EXPECT_EQ(to_node(80).host_endpoint, "star");
  EXPECT_EQ(to_node(80).hook, HostHook::kIngress);
  EXPECT_EQ(to_node(22).decision, Decision::kFailsafe);
  EXPECT_THAT(to_text(to_node(80)), HasSubstr("ingress of host endpoint star (input): denied, no "
                                              "tier decided, and it has no profile"));
  world.host_endpoints["star"].profiles = {"projectcalico-default-allow"};
  EXPECT_EQ(to_node(80).verdict, Verdict::kAllowed);
  EXPECT_EQ(to_node(80).profile, "projectcalico-default-allow");

  // A preDNAT policy speaks before.
  model::Policy& early = add_policy("early");
  early.selects = inherited(is("role", "host"));
  early.hook = model::Hook::kPreDnat;
  early.ingress.resize(1);
  early.ingress[0].action = model::Action::kDeny;
  early.ingress[0].ports = {port(80)};
  EXPECT_EQ(to_node(80).hook, HostHook::kPreDnat);
  EXPECT_EQ(to_node(80).verdict, Verdict::kDenied);
  EXPECT_EQ(to_node(81).hook, HostHook::kIngress);
  EXPECT_EQ(ingress("203.0.113.7").decision, Decision::kNotIsolated);  // says nothing of pods
}

TEST_F(HostExplanationTest, PodsTowardsTheirOwnNode) {
  add_host("star", "*");
  EXPECT_EQ(to_node(80, "10.0.0.1").decision, Decision::kToOwnNode);
  EXPECT_EQ(to_node(80, "10.0.0.1").verdict, Verdict::kAllowed);
  world.settings.to_host = model::ToHostAction::kDrop;
  EXPECT_EQ(to_node(80, "10.0.0.1").verdict, Verdict::kDenied);
  const Explanation from_node = explain(world, {ip("192.0.2.10"), ip("10.0.0.1"), net::kTcp, 80});
  EXPECT_EQ(from_node.ingress.decision, Decision::kFromOwnNode);
  EXPECT_EQ(from_node.egress.decision, Decision::kFromOwnNode);
  EXPECT_EQ(from_node.verdict, Verdict::kAllowed);
}

TEST_F(HostExplanationTest, WithoutHostEndpointTheHookSaysNothing) {
  const DirectionExplanation e = explain_host(world, "n0", HostHook::kIngress, "eth0",
                                              {ip("203.0.113.7"), ip("192.0.2.10"), net::kTcp, 80});
  EXPECT_EQ(e.verdict, Verdict::kUndecided);
  EXPECT_EQ(e.decision, Decision::kNoHostEndpoint);
  // A policy that selects pods by label only is nothing to a host endpoint.
  add_host("named", "eth0");
  model::Policy& policy = add_policy("pods");
  policy.selects = {};
  const DirectionExplanation pods_only =
      explain_host(world, "n0", HostHook::kIngress, "eth0",
                   {ip("203.0.113.7"), ip("192.0.2.10"), net::kTcp, 80});
  EXPECT_EQ(pods_only.tiers[0].policies[0].reason, PolicyCheck::Reason::kPodsOnly);
}

}  // namespace
}  // namespace caracal::policy::oracle
