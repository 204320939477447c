#include "policy/oracle/oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::policy::oracle {
namespace {

using selector::Op;
using selector::Selector;
using testing::HasSubstr;
using Decision = DirectionExplanation::Decision;

net::IpAddr ip(const char* text) { return *net::IpAddr::parse(text); }
net::Cidr cidr(const char* text) { return *net::Cidr::parse(text); }
Selector is(const char* key, const char* value) {
  return Selector::requirement(Op::kIn, key, {value});
}

model::EndpointPeer pods_in(const char* ns, Selector pods = {}) {
  return {std::move(pods), {}, ns};
}
model::EndpointPeer namespaces_with(Selector namespaces, Selector pods = {}) {
  return {std::move(pods), std::move(namespaces), {}};
}
model::PortMatch port(uint16_t first, uint16_t last = 0) {
  return {net::kTcp, net::PortRange{first, last ? last : first}};
}
model::PortMatch named(const char* name, net::Protocol protocol = net::kTcp) {
  return {protocol, name};
}

// Two namespaces, a pod "web" and a pod "client" in each, on two nodes, both families.
class OracleTest : public testing::Test {
 protected:
  OracleTest() {
    add_namespace("dev", {{"team", "a"}});
    add_namespace("prod", {{"team", "b"}});
    add_node("n0", "192.0.2.10");
    add_node("n1", "192.0.2.11");
    add_pod("dev", "web", "10.0.0.1", "fd00::1", "n0", {{"app", "web"}});
    add_pod("dev", "client", "10.0.0.2", "fd00::2", "n1", {{"app", "client"}});
    add_pod("prod", "web", "10.0.1.1", "fd00::1:1", "n0", {{"app", "web"}});
    add_pod("prod", "client", "10.0.1.2", "fd00::1:2", "n1", {{"app", "client"}});
  }
  void add_namespace(const char* name, model::Labels labels) {
    world.namespaces[name] = {name, labels};
  }
  void add_node(const char* name, const char* address) {
    model::Node node;
    node.name = name;
    node.internal_addresses = {ip(address)};
    world.nodes[name] = node;
  }
  void add_pod(const char* ns, const char* name, const char* v4, const char* v6, const char* node,
               model::Labels labels) {
    model::Pod pod;
    pod.name = {ns, name};
    pod.node = node;
    pod.labels = std::move(labels);
    pod.addresses = {ip(v4), ip(v6)};
    pod.ports = {{"http", net::kTcp, 8080}, {"dns", net::kUdp, 53}};
    world.pods[pod.name] = pod;
  }
  model::Policy& add_policy(const char* ns, const char* name, bool ingress, bool egress) {
    model::Policy policy;
    policy.id = {model::PolicyKind::kNetworkPolicy, {ns, name}};
    policy.selects.in_namespace = ns;
    policy.applies_ingress = ingress;
    policy.applies_egress = egress;
    return world.policies[policy.id] = policy;
  }
  bool allowed(const char* from, const char* to, uint16_t number = 80,
               net::Protocol protocol = net::kTcp) {
    Flow flow{ip(from), ip(to), protocol, {}, {}, {}};
    if (protocol.has_ports()) flow.port = number;
    const Explanation explanation = explain(world, flow);
    EXPECT_EQ(explanation.verdict, evaluate(world, flow));
    return explanation.verdict == Verdict::kAllowed;
  }
  static model::Rule act(model::Action action, model::Rule rule) {
    rule.action = action;
    return rule;
  }
  static model::Rule rule(std::optional<std::vector<model::Peer>> peers,
                          std::optional<std::vector<model::PortMatch>> ports = {}) {
    model::Rule out;
    if (peers) out.peer.all_of.push_back(std::move(*peers));
    out.ports = std::move(ports);
    return out;
  }

  static constexpr const char* kDevWeb = "10.0.0.1";
  static constexpr const char* kDevClient = "10.0.0.2";
  static constexpr const char* kProdWeb = "10.0.1.1";
  static constexpr const char* kProdClient = "10.0.1.2";
  static constexpr const char* kOutside = "203.0.113.5";
  model::World world;
};

TEST_F(OracleTest, WithoutPolicyEverythingPasses) {
  EXPECT_TRUE(allowed(kDevClient, kProdWeb));
  EXPECT_TRUE(allowed(kOutside, kDevWeb));
  EXPECT_TRUE(allowed(kDevWeb, kOutside));
  EXPECT_TRUE(allowed("fd00::2", "fd00::1:1"));
  EXPECT_TRUE(allowed(kOutside, kDevWeb, 0, net::kIcmp));
}

TEST_F(OracleTest, PolicyWithoutRulesIsolatesItsDirectionOnly) {
  add_policy("dev", "deny", true, false);
  EXPECT_FALSE(allowed(kProdClient, kDevWeb));
  EXPECT_FALSE(allowed(kDevClient, kDevWeb));
  EXPECT_FALSE(allowed("fd00::2", "fd00::1"));
  EXPECT_FALSE(allowed(kOutside, kDevWeb, 0, net::kIcmp));
  EXPECT_TRUE(allowed(kDevWeb, kProdWeb));
  EXPECT_TRUE(allowed(kProdClient, kProdWeb));

  world.policies.clear();
  add_policy("dev", "deny", false, true);
  EXPECT_TRUE(allowed(kProdClient, kDevWeb));
  EXPECT_FALSE(allowed(kDevWeb, kProdWeb));
  EXPECT_FALSE(allowed(kDevWeb, kOutside));
}

TEST_F(OracleTest, BothSidesMustAllow) {
  add_policy("dev", "out", false, true).egress = {rule({{pods_in("prod")}})};
  add_policy("prod", "in", true, false).ingress = {rule({{pods_in("dev", is("app", "client"))}})};
  EXPECT_TRUE(allowed(kDevClient, kProdWeb));
  EXPECT_FALSE(allowed(kDevWeb, kProdWeb));    // ingress says no
  EXPECT_FALSE(allowed(kDevClient, kDevWeb));  // egress says no
}

TEST_F(OracleTest, PoliciesAdd) {
  add_policy("dev", "deny", true, false);
  add_policy("dev", "one", true, false).ingress = {rule({{pods_in("dev")}})};
  add_policy("dev", "two", true, false).ingress = {
      rule({{namespaces_with(is("team", "b"))}}, {{port(443)}})};
  EXPECT_TRUE(allowed(kDevClient, kDevWeb, 1));
  EXPECT_TRUE(allowed(kProdClient, kDevWeb, 443));
  EXPECT_FALSE(allowed(kProdClient, kDevWeb, 444));
  EXPECT_FALSE(allowed(kOutside, kDevWeb, 443));
}

TEST_F(OracleTest, EmptyAndMissingLists) {
  model::Policy& policy = add_policy("dev", "p", true, false);
  policy.ingress = {rule({}, {})};
  EXPECT_TRUE(allowed(kOutside, kDevWeb, 0, net::kIcmp));
  policy.ingress = {rule(std::vector<model::Peer>{}, {})};
  EXPECT_FALSE(allowed(kDevClient, kDevWeb));
  policy.ingress = {rule({}, std::vector<model::PortMatch>{})};
  EXPECT_FALSE(allowed(kDevClient, kDevWeb));
}

TEST_F(OracleTest, PeersOfOneEntryAreAndedEntriesAreOred) {
  model::Policy& policy = add_policy("dev", "p", true, false);
  policy.ingress = {rule({{namespaces_with(is("team", "b"), is("app", "client"))}})};
  EXPECT_TRUE(allowed(kProdClient, kDevWeb));
  EXPECT_FALSE(allowed(kProdWeb, kDevWeb));
  EXPECT_FALSE(allowed(kDevClient, kDevWeb));
  policy.ingress = {
      rule({{namespaces_with(is("team", "b")), pods_in("dev", is("app", "client"))}})};
  EXPECT_TRUE(allowed(kProdWeb, kDevWeb));
  EXPECT_TRUE(allowed(kDevClient, kDevWeb));
}

TEST_F(OracleTest, NamespaceThatIsNotKnownMatchesOnlyEverything) {
  model::Policy& policy = add_policy("dev", "p", true, false);
  policy.ingress = {rule({{namespaces_with(Selector::requirement(Op::kNotExists, "x"))}})};
  EXPECT_TRUE(allowed(kProdClient, kDevWeb));
  world.namespaces.erase("prod");
  const auto from_prod = [&] {
    return explain(world, {ip(kProdClient), ip(kDevWeb), net::kTcp, 80});
  };
  EXPECT_EQ(from_prod().ingress.verdict, Verdict::kDenied);
  policy.ingress = {rule({{namespaces_with(Selector())}})};
  EXPECT_EQ(from_prod().ingress.verdict, Verdict::kAllowed);
  // The pod itself has no profile that allows what no tier decides.
  EXPECT_EQ(from_prod().egress.decision, Decision::kNamespaceUnknown);
  EXPECT_EQ(from_prod().verdict, Verdict::kDenied);
}

TEST_F(OracleTest, IpBlockMatchesPodsTooAndHonoursExcept) {
  add_policy("dev", "p", true, false).ingress = {rule(
      {{model::CidrPeer{cidr("10.0.0.0/16"), {cidr("10.0.1.2/32")}}}}, {{port(80), port(443)}})};
  EXPECT_TRUE(allowed(kProdWeb, kDevWeb, 80));
  EXPECT_TRUE(allowed(kProdWeb, kDevWeb, 443));
  EXPECT_FALSE(allowed(kProdWeb, kDevWeb, 8080));
  EXPECT_FALSE(allowed(kProdClient, kDevWeb, 80));
  EXPECT_FALSE(allowed("fd00::1:1", "fd00::1", 80));
  EXPECT_FALSE(allowed(kOutside, kDevWeb, 80));
}

TEST_F(OracleTest, Ports) {
  model::Policy& policy = add_policy("dev", "p", true, false);
  policy.ingress = {rule({}, {{port(1000, 2000)}})};
  EXPECT_FALSE(allowed(kOutside, kDevWeb, 999));
  EXPECT_TRUE(allowed(kOutside, kDevWeb, 1000));
  EXPECT_TRUE(allowed(kOutside, kDevWeb, 2000));
  EXPECT_FALSE(allowed(kOutside, kDevWeb, 2001));
  EXPECT_FALSE(allowed(kOutside, kDevWeb, 1500, net::kUdp));
  policy.ingress = {rule({}, {{model::PortMatch{net::kSctp, net::PortRange{}}}})};
  EXPECT_TRUE(allowed(kOutside, kDevWeb, 1, net::kSctp));
  EXPECT_FALSE(allowed(kOutside, kDevWeb, 1, net::kTcp));
  EXPECT_FALSE(allowed(kOutside, kDevWeb, 0, net::kIcmp));
}

TEST_F(OracleTest, NamedPortsMeanTheDestinationPods) {
  add_policy("dev", "in", true, false).ingress = {
      rule({}, {{named("http"), named("dns", net::kUdp)}})};
  EXPECT_TRUE(allowed(kOutside, kDevWeb, 8080));
  EXPECT_FALSE(allowed(kOutside, kDevWeb, 80));
  EXPECT_TRUE(allowed(kOutside, kDevWeb, 53, net::kUdp));
  EXPECT_FALSE(allowed(kOutside, kDevWeb, 53, net::kTcp));
  world.pods[{"dev", "web"}].ports[0].port = 81;
  EXPECT_TRUE(allowed(kOutside, kDevWeb, 81));
  EXPECT_FALSE(allowed(kOutside, kDevWeb, 8080));

  add_policy("prod", "out", false, true).egress = {rule({}, {{named("http")}})};
  EXPECT_TRUE(allowed(kProdClient, kDevWeb, 81));
  EXPECT_TRUE(allowed(kProdClient, kProdWeb, 8080));
  EXPECT_FALSE(allowed(kProdClient, kProdWeb, 81));
  EXPECT_FALSE(allowed(kProdClient, kOutside, 8080));  // nobody to ask what the name means
}

TEST_F(OracleTest, HostNetworkAndFinishedPodsArePlainAddresses) {
  add_policy("dev", "deny", true, true);
  world.pods[{"dev", "web"}].host_network = true;
  EXPECT_TRUE(allowed(kOutside, kDevWeb));
  EXPECT_TRUE(allowed(kDevWeb, kOutside));
  world.pods[{"dev", "client"}].finished = true;
  EXPECT_TRUE(allowed(kOutside, kDevClient));
  add_policy("prod", "in", true, false).ingress = {rule({{pods_in("dev")}})};
  EXPECT_FALSE(allowed(kDevWeb, kProdWeb));
}

TEST_F(OracleTest, OwnNodeAndSelf) {
  add_policy("dev", "deny", true, true);
  EXPECT_TRUE(allowed("192.0.2.10", kDevWeb));
  EXPECT_FALSE(allowed("192.0.2.11", kDevWeb));
  EXPECT_FALSE(allowed(kDevWeb, "192.0.2.10"));
  EXPECT_TRUE(allowed(kDevWeb, kDevWeb));
  const Explanation self = explain(world, {ip(kDevWeb), ip("fd00::1"), net::kTcp, 80, {}, {}});
  EXPECT_EQ(self.ingress.decision, Decision::kSamePod);
}

TEST_F(OracleTest, LocalInterfaceAddressCountsBeforeStatusAndAloneIsClosed) {
  world.local_endpoints["cali1"] = {{"dev", "new"}, "cali1", {ip("10.0.0.9")}};
  EXPECT_FALSE(allowed(kOutside, "10.0.0.9"));
  EXPECT_FALSE(allowed("10.0.0.9", kOutside));
  add_pod("dev", "new", "10.0.0.99", "fd00::99", "n0", {{"app", "client"}});
  EXPECT_TRUE(allowed(kOutside, "10.0.0.9"));
  add_policy("prod", "in", true, false).ingress = {rule({{pods_in("dev", is("app", "client"))}})};
  EXPECT_TRUE(allowed("10.0.0.9", kProdWeb));
}

TEST_F(OracleTest, InvalidPolicyIsolates) {
  model::PolicyUpdate update{
      {model::PolicyKind::kNetworkPolicy, {"dev", "bad"}}, {}, "spec: unreadable"};
  world.apply(update);
  EXPECT_FALSE(allowed(kOutside, kDevWeb));
  const Explanation why = explain(world, {ip(kOutside), ip(kDevWeb), net::kTcp, 80, {}, {}});
  ASSERT_EQ(why.ingress.tiers.size(), 1u);
  ASSERT_EQ(why.ingress.tiers[0].policies.size(), 1u);
  EXPECT_EQ(why.ingress.tiers[0].policies[0].invalid, "spec: unreadable");
  EXPECT_THAT(to_text(why), HasSubstr("is invalid and allows nothing: spec: unreadable"));
}

TEST_F(OracleTest, TiersInOrderPassAndDeny) {
  world.tiers = {{"second", 20, model::Action::kDeny},
                 {"first", 10, model::Action::kPass},
                 model::kDefaultTier};
  model::Policy& first = add_policy("dev", "z", true, false);
  first.tier = "first";
  first.order = 2;
  first.ingress = {act(model::Action::kDeny, rule({{pods_in("prod", is("app", "web"))}})),
                   act(model::Action::kPass, rule({{pods_in("prod")}})),
                   act(model::Action::kAllow, rule({{pods_in("dev")}}))};
  EXPECT_FALSE(allowed(kProdWeb, kDevWeb));
  EXPECT_TRUE(allowed(kProdClient, kDevWeb));  // passed on, no tier behind applies
  EXPECT_TRUE(allowed(kOutside, kDevWeb));     // the tier's default is Pass
  model::Policy& second = add_policy("dev", "a", true, false);
  second.tier = "second";
  EXPECT_FALSE(allowed(kProdClient, kDevWeb));
  EXPECT_FALSE(allowed(kOutside, kDevWeb));
  EXPECT_TRUE(allowed(kDevClient, kDevWeb));
  // An earlier order in the same tier decides first.
  model::Policy& earlier = add_policy("dev", "zz", true, false);
  earlier.tier = "first";
  earlier.order = 1;
  earlier.ingress = {rule({}, {{port(22)}})};
  EXPECT_TRUE(allowed(kProdWeb, kDevWeb, 22));
  EXPECT_FALSE(allowed(kProdWeb, kDevWeb, 23));
}

TEST_F(OracleTest, ExplanationNamesTheRuleAndTheReasons) {
  add_policy("dev", "a", true, false).ingress = {
      rule({{pods_in("dev", is("app", "db"))}}),
      rule({{namespaces_with(is("team", "a"))}}, {{port(443)}})};
  add_policy("dev", "b", true, false).ingress = {
      rule({{model::CidrPeer{cidr("10.0.0.0/8"), {cidr("10.0.0.0/31")}}}}, {{port(80)}})};
  add_policy("dev", "c", true, false).selects.pods = is("app", "other");
  add_policy("prod", "d", true, false);
  const Explanation e = explain(world, {ip(kDevClient), ip(kDevWeb), net::kTcp, 80, {}, {}});
  EXPECT_EQ(e.verdict, Verdict::kAllowed);
  EXPECT_EQ(e.egress.decision, Decision::kNotIsolated);
  EXPECT_EQ(e.ingress.decision, Decision::kRule);
  EXPECT_EQ(e.ingress.policy->name.name, "b");
  EXPECT_EQ(e.ingress.rule, 0u);
  EXPECT_EQ(e.ingress.other_namespaces, 1u);
  ASSERT_EQ(e.ingress.tiers.size(), 1u);
  EXPECT_EQ(e.ingress.tiers[0].outcome, TierCheck::Outcome::kRule);
  ASSERT_EQ(e.ingress.tiers[0].policies.size(), 3u);
  const PolicyCheck& a = e.ingress.tiers[0].policies[0];
  ASSERT_EQ(a.rules.size(), 2u);
  EXPECT_EQ(a.rules[0].failed, RuleCheck::Condition::kPeer);
  EXPECT_EQ(a.rules[0].peer.all_of[0][0].reason, PeerCheck::Reason::kPodLabels);
  EXPECT_EQ(a.rules[0].peer.all_of[0][0].labels.at("app"), "client");
  EXPECT_EQ(a.rules[1].failed, RuleCheck::Condition::kPorts);
  EXPECT_TRUE(a.rules[1].peer.all_of[0][0].matches());
  EXPECT_EQ((*a.rules[1].ports)[0].reason, PortCheck::Reason::kOtherPort);
  const PolicyCheck& c = e.ingress.tiers[0].policies[2];
  EXPECT_EQ(c.reason, PolicyCheck::Reason::kPodLabels);

  const std::string text = to_text(e);
  EXPECT_THAT(text, HasSubstr("dev/client (10.0.0.2) -> dev/web (10.0.0.1) TCP/80: allowed\n"));
  EXPECT_THAT(text,
              HasSubstr("egress of pod dev/client: allowed, no policy isolates it for egress"));
  EXPECT_THAT(text, HasSubstr("by NetworkPolicy dev/b ingress rule 0"));
  EXPECT_THAT(
      text,
      HasSubstr("pods with app == \"db\" in namespace dev: pod dev/client has labels app=client"));
  EXPECT_THAT(text, HasSubstr("1 policy of other namespaces"));

  const json::value j = to_json(e);
  EXPECT_EQ(jsonio::get_string(j, {"verdict"}), "allowed");
  EXPECT_EQ(jsonio::get_string(j, {"ingress", "policy"}), "NetworkPolicy dev/b");
  EXPECT_EQ(jsonio::get_int(j, {"ingress", "rule"}, -1), 0);
  EXPECT_EQ(jsonio::get_string(j, {"source", "pod"}), "dev/client");
  const json::array& tiers = jsonio::get_array(j, {"ingress", "tiers"});
  ASSERT_EQ(tiers.size(), 1u);
  const json::array& policies = jsonio::get_array(tiers[0], {"policies"});
  ASSERT_EQ(policies.size(), 3u);
  EXPECT_EQ(jsonio::get_string(policies[2], {"reason"}), "PodLabels");

  const Explanation denied = explain(world, {ip(kProdWeb), ip(kDevWeb), net::kUdp, 80, {}, {}});
  EXPECT_EQ(denied.ingress.decision, Decision::kTierDefault);
  EXPECT_THAT(to_text(denied), HasSubstr("denied, isolated for ingress, and no rule matches"));
}

TEST_F(OracleTest, TwoPodsAtOneAddress) {
  world.pods[{"prod", "client"}].addresses = {ip(kDevClient)};
  add_policy("dev", "in", true, false).ingress = {rule({{namespaces_with(is("team", "b"))}})};
  EXPECT_TRUE(allowed(kDevClient, kDevWeb));  // the address is one of prod's
  // A name, on the pod that the peer selects and on no other.
  world.pods[{"prod", "client"}].ports = {{"http", net::kTcp, 81}};
  add_policy("dev", "out", false, true).egress = {
      rule({{namespaces_with(is("team", "b"))}}, {{named("http")}})};
  EXPECT_EQ(explain(world, {ip(kDevWeb), ip(kDevClient), net::kTcp, 81, {}, {}}).egress.verdict,
            Verdict::kAllowed);
  EXPECT_EQ(explain(world, {ip(kDevWeb), ip(kDevClient), net::kTcp, 8080, {}, {}}).egress.verdict,
            Verdict::kDenied);
}

}  // namespace
}  // namespace caracal::policy::oracle
