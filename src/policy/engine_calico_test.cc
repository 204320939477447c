// The engine on what Calico's policies can say, one feature a test, by verdicts of the tables and
// by what the tables look like where that matters.
#include <gmock/gmock.h>

#include "policy/engine_calico_world.h"

namespace caracal::policy::calico_test {
namespace {

using testing::ElementsAre;

TEST_F(CalicoTest, ListsOfPeersAllHoldAndNoneOfDoesNot) {
  model::Rule both = rule(Action::kAllow, {who("app == 'db'"), block("10.1.0.0/16")});
  both.peer.all_of.push_back({block("10.0.0.0/8")});
  both.peer.none_of = {block("10.1.2.0/24"), who("bad == 'yes'")};
  policy(global("p", {both}));
  pod("dev", "db", {"10.0.0.2"}, {{"app", "db"}});
  pod("dev", "bad", {"10.0.0.3"}, {{"app", "db"}, {"bad", "yes"}});
  pod("dev", "far", {"11.0.0.3"}, {{"app", "db"}});
  EXPECT_TRUE(allows("10.0.0.2"));
  EXPECT_FALSE(allows("10.0.0.3"));
  EXPECT_FALSE(allows("11.0.0.3"));  // not in 10/8
  EXPECT_TRUE(allows("10.1.1.1"));
  EXPECT_FALSE(allows("10.1.2.1"));
  EXPECT_FALSE(allows("10.2.0.1"));
  // Everything in it needs a positive match: plain rows, nothing "otherwise".
  EXPECT_TRUE(engine.tables().otherwise.empty());
}

TEST_F(CalicoTest, NegationAloneMeansEverybodyElse) {
  model::Rule others = rule(Action::kAllow);
  others.peer.none_of = {who("app == 'db'"), block("20.0.0.0/8")};
  policy(global("p", {others}));
  pod("dev", "db", {"10.0.0.2"}, {{"app", "db"}});
  pod("dev", "x", {"10.0.0.3"});
  EXPECT_FALSE(allows("10.0.0.2"));
  EXPECT_TRUE(allows("10.0.0.3"));
  EXPECT_TRUE(allows("8.8.8.8"));
  EXPECT_TRUE(allows("fd00::1"));
  EXPECT_FALSE(allows("20.1.1.1"));
  EXPECT_EQ(engine.tables().otherwise.size(), 1u);
  for (const auto& [key, row] : engine.tables().peers) EXPECT_EQ(row, 0u);
  // A thousand pods that nobody asks for cost no entry.
  const size_t before = engine.tables().peers.size();
  for (int i = 0; i < 100; ++i) pod("dev", fmt::format("p{}", i).c_str(), {"10.3.0.1"});
  flush();
  EXPECT_EQ(engine.tables().peers.size(), before);
}

TEST_F(CalicoTest, DenyPassAndTiers) {
  engine.apply(model::TierUpdate{"first", model::Tier{"first", 10, Action::kPass}});
  model::Policy deny = global("deny", {rule(Action::kDeny, {block("10.1.0.0/16")}),
                                       rule(Action::kPass, {block("10.2.0.0/16")}),
                                       rule(Action::kAllow, {block("10.3.0.0/16")})});
  deny.tier = "first";
  policy(deny);
  EXPECT_FALSE(allows("10.1.0.1"));
  EXPECT_TRUE(allows("10.2.0.1"));
  EXPECT_TRUE(allows("10.9.0.1"));  // the tier passes at its end, the profile allows
  policy(global("nothing", {}));    // in tier default: denies at its end
  EXPECT_FALSE(allows("10.2.0.1"));
  EXPECT_TRUE(allows("10.3.0.1"));
  EXPECT_FALSE(allows("10.9.0.1"));
  // The tier goes: its policies come last then, and deny at the end.
  engine.apply(model::TierUpdate{"first", {}});
  EXPECT_FALSE(allows("10.3.0.1"));
  no_policy(global("nothing", {}));
  EXPECT_TRUE(allows("10.3.0.1"));
  EXPECT_TRUE(allows("10.2.0.1"));  // passed: the profile allows
  EXPECT_FALSE(allows("10.9.0.1"));
  engine.apply(model::TierUpdate{"first", model::Tier{"first", 10, Action::kDeny}});
  EXPECT_FALSE(allows("10.9.0.1"));
  EXPECT_TRUE(allows("10.2.0.1"));
}

TEST_F(CalicoTest, OrderThenNameThenNamespaceThenKind) {
  policy(global("b", {rule(Action::kDeny)}));
  EXPECT_FALSE(allows("1.1.1.1"));
  policy(global("a", {rule(Action::kAllow)}));
  EXPECT_TRUE(allows("1.1.1.1"));
  policy(global("b", {rule(Action::kDeny)}, 50));
  EXPECT_FALSE(allows("1.1.1.1"));
  policy(global("b", {rule(Action::kDeny)}, std::numeric_limits<double>::infinity()));
  EXPECT_TRUE(allows("1.1.1.1"));
  model::Policy own = global("a", {rule(Action::kDeny)});
  own.id = {model::PolicyKind::kCalicoNetworkPolicy, {"dev", "a"}};
  own.selects.in_namespace = "dev";
  policy(own);
  EXPECT_TRUE(allows("1.1.1.1"));
  EXPECT_THAT(engine.statuses().at("cali-a").ingress_policies,
              ElementsAre(global("a", {}).id, own.id, global("b", {}).id));
}

TEST_F(CalicoTest, LogIsWrittenDownAndGoesOn) {
  model::Rule log = rule(Action::kLog, {block("10.1.0.0/16")});
  log.ports = {{tcp(80)}};
  policy(global("p", {log, rule(Action::kAllow, {block("10.0.0.0/8")})}));
  EXPECT_TRUE(decide("10.1.0.1", PortSpace::kTcp, 80).logged);
  EXPECT_TRUE(allows("10.1.0.1", 80));
  EXPECT_FALSE(decide("10.1.0.1", PortSpace::kTcp, 81).logged);
  EXPECT_FALSE(decide("10.2.0.1", PortSpace::kTcp, 80).logged);
  // A rule that only logs still isolates, and what is denied is written down, too.
  policy(global("p", {rule(Action::kLog)}));
  EXPECT_TRUE(decide("9.9.9.9", PortSpace::kTcp, 1).logged);
  EXPECT_FALSE(allows("9.9.9.9", 1));
}

TEST_F(CalicoTest, IcmpTypesAndCodes) {
  model::Rule ping = rule(Action::kAllow);
  ping.ports = {{net::kIcmp, model::IcmpMatch{8, {}}}, {net::kIcmpV6, model::IcmpMatch{128, 0}}};
  policy(global("p", {ping}));
  const auto icmp = [&](PortSpace space, uint8_t type, uint8_t code) {
    return decide("9.9.9.9", space, static_cast<uint16_t>(type * 256 + code)).verdict ==
           TableVerdict::kAllowed;
  };
  EXPECT_TRUE(icmp(PortSpace::kIcmp, 8, 0));
  EXPECT_TRUE(icmp(PortSpace::kIcmp, 8, 255));
  EXPECT_FALSE(icmp(PortSpace::kIcmp, 7, 255));
  EXPECT_FALSE(icmp(PortSpace::kIcmp, 9, 0));
  EXPECT_TRUE(icmp(PortSpace::kIcmpV6, 128, 0));
  EXPECT_FALSE(icmp(PortSpace::kIcmpV6, 128, 1));
  model::Rule rest = rule(Action::kAllow);
  rest.ports = {{net::kIcmp, net::PortRange{}}};
  rest.not_ports = {{net::kIcmp, model::IcmpMatch{8, 0}}};
  policy(global("p", {rest}));
  EXPECT_FALSE(icmp(PortSpace::kIcmp, 8, 0));
  EXPECT_TRUE(icmp(PortSpace::kIcmp, 8, 1));
  EXPECT_FALSE(icmp(PortSpace::kIcmpV6, 1, 1));
}

TEST_F(CalicoTest, PortsAndNotPortsByNumberAndName) {
  model::Rule in = rule(Action::kAllow);
  in.ports = {{tcp(80, 9000)}};
  in.not_ports = {named("http"), tcp(443)};
  policy(global("p", {in}));
  EXPECT_TRUE(allows("1.1.1.1", 80));
  EXPECT_FALSE(allows("1.1.1.1", 443));
  EXPECT_FALSE(allows("1.1.1.1", 8080));  // the pod's own http
  EXPECT_TRUE(allows("1.1.1.1", 8081));

  model::Rule out = rule(Action::kAllow);
  out.ports = {{named("api")}};
  out.not_ports = {named("secret")};
  policy(global_egress("e", {out}));
  pod("dev", "x", {"10.0.0.2"}, {}, {{"api", net::kTcp, 1000}});
  pod("dev", "y", {"10.0.0.3"}, {}, {{"api", net::kTcp, 1000}, {"secret", net::kTcp, 1000}});
  EXPECT_TRUE(egress("10.0.0.2", 1000));
  EXPECT_FALSE(egress("10.0.0.2", 1001));
  EXPECT_FALSE(egress("10.0.0.3", 1000));
  EXPECT_FALSE(egress("10.0.0.4", 1000));
  // Everything but a name: who does not have the name is not concerned.
  model::Rule all = rule(Action::kAllow);
  all.not_ports = {named("secret")};
  policy(global_egress("e", {all}));
  EXPECT_TRUE(egress("10.0.0.4", 1000));
  EXPECT_FALSE(egress("10.0.0.3", 1000));
  EXPECT_TRUE(egress("10.0.0.3", 1001));
}

TEST_F(CalicoTest, SourcePortsSplitTheGroup) {
  model::Rule in = rule(Action::kAllow, {block("10.0.0.0/8")});
  in.ports = {{tcp(80)}};
  in.source_ports = {{tcp(1000, 1999)}};
  in.not_source_ports = {tcp(1500)};
  policy(global("p", {in}));
  const auto from = [&](uint16_t source, const char* peer = "10.1.1.1") {
    return decide(peer, PortSpace::kTcp, 80, source).verdict == TableVerdict::kAllowed;
  };
  EXPECT_TRUE(from(1000));
  EXPECT_TRUE(from(1999));
  EXPECT_FALSE(from(1500));
  EXPECT_FALSE(from(2000));
  EXPECT_FALSE(from(999));
  EXPECT_FALSE(from(1000, "20.1.1.1"));
  EXPECT_FALSE(decide("10.1.1.1", PortSpace::kUdp, 80, 1000).verdict == TableVerdict::kAllowed);
  for (const PortSpace space : {PortSpace::kTcp, PortSpace::kUdp, PortSpace::kSctp}) {
    bool total = false;
    for (const auto& [key, group] : engine.tables().port_splits)
      total = total || (key.space == space && key.first == 0);
    EXPECT_TRUE(total);
  }
  no_policy(global("p", {}));
  flush();
  EXPECT_TRUE(engine.tables().port_splits.empty());
  EXPECT_EQ(engine.counts().groups, 0u);
}

TEST_F(CalicoTest, NamedSourcePortsFollowThePeers) {
  model::Rule in = rule(Action::kAllow, {who("app == 'db'")});
  in.source_ports = {{named("out"), tcp(7)}};
  policy(global("p", {in}));
  pod("dev", "x", {"10.0.0.2"}, {{"app", "db"}}, {{"out", net::kTcp, 1000}});
  pod("dev", "y", {"10.0.0.3"}, {{"app", "db"}}, {{"out", net::kTcp, 2000}});
  const auto from = [&](const char* peer, uint16_t source) {
    return decide(peer, PortSpace::kTcp, 80, source).verdict == TableVerdict::kAllowed;
  };
  EXPECT_TRUE(from("10.0.0.2", 1000));
  EXPECT_FALSE(from("10.0.0.2", 2000));
  EXPECT_TRUE(from("10.0.0.3", 2000));
  EXPECT_TRUE(from("10.0.0.3", 7));
  EXPECT_FALSE(from("10.0.0.4", 7));
  pod("dev", "y", {"10.0.0.3"}, {{"app", "db"}}, {{"out", net::kTcp, 3000}});
  EXPECT_FALSE(from("10.0.0.3", 2000));
  EXPECT_TRUE(from("10.0.0.3", 3000));
}

TEST_F(CalicoTest, FamilyOfARule) {
  model::Rule six = rule(Action::kAllow);
  six.family = net::Family::kIPv6;
  policy(global("p", {six}));
  EXPECT_FALSE(allows("10.0.0.9"));
  EXPECT_TRUE(allows("fd00::9"));
}

TEST_F(CalicoTest, ConditionsOnTheOwnEnd) {
  model::Rule mine = rule(Action::kAllow);
  mine.self.all_of = {{who("app == 'web'")}};
  mine.ports = {{tcp(80)}};
  model::Rule other = rule(Action::kAllow);
  other.self.none_of = {who("app == 'web'")};
  other.ports = {{tcp(81)}};
  policy(global("p", {mine, other}));
  EXPECT_TRUE(allows("1.1.1.1", 80));
  EXPECT_FALSE(allows("1.1.1.1", 81));
  pod("dev", "a", {"10.0.0.1"}, {{"app", "db"}});
  EXPECT_FALSE(allows("1.1.1.1", 80));
  EXPECT_TRUE(allows("1.1.1.1", 81));
}

TEST_F(CalicoTest, OwnAddressesAreToldApart) {
  pod("dev", "a", {"10.0.0.1", "10.0.0.200", "fd00::1"}, {{"app", "web"}});
  local("dev", "a", {"10.0.0.1", "10.0.0.200", "fd00::1"});
  model::Rule low = rule(Action::kAllow);
  low.self.all_of = {{block("10.0.0.0/25")}};
  policy(global("p", {low}));
  const auto to = [&](const char* own) {
    return decide("1.1.1.1", PortSpace::kTcp, 80, 1, own).verdict == TableVerdict::kAllowed;
  };
  EXPECT_TRUE(to("10.0.0.1"));
  EXPECT_FALSE(to("10.0.0.200"));
  EXPECT_FALSE(to("fd00::1"));
  EXPECT_EQ(engine.tables().own_splits.size(), 1u);
  model::Rule all = rule(Action::kAllow);
  all.self.all_of = {{block("10.0.0.0/8"), block("fd00::/8")}};
  policy(global("p", {all}));
  EXPECT_TRUE(to("10.0.0.200"));
  EXPECT_TRUE(engine.tables().own_splits.empty());
}

TEST_F(CalicoTest, NetworkSetsByLabels) {
  set("", "world", {{"role", "x"}}, {"30.0.0.0/8", "40.0.0.1/32", "fd40::/16"});
  set("dev", "own", {{"role", "y"}}, {"50.0.0.1/32"});
  policy(global("p", {rule(Action::kAllow, {who("role == 'x'")}),
                      rule(Action::kAllow, {who("role == 'y' && pcns.team == 'a'")})}));
  EXPECT_TRUE(allows("30.1.2.3"));
  EXPECT_TRUE(allows("40.0.0.1"));
  EXPECT_FALSE(allows("40.0.0.2"));
  EXPECT_TRUE(allows("fd40::1"));
  EXPECT_TRUE(allows("50.0.0.1"));
  EXPECT_TRUE(engine.tables().addresses.contains(ip("40.0.0.1")));
  EXPECT_FALSE(engine.tables().addresses.contains(ip("30.0.0.0")));
  ns("dev", {{"team", "b"}});
  EXPECT_FALSE(allows("50.0.0.1"));
  set("", "world", {{"role", "x"}}, {"30.0.0.0/8", "30.1.0.0/16", "40.0.0.2/32"});
  EXPECT_FALSE(allows("40.0.0.1"));
  EXPECT_TRUE(allows("40.0.0.2"));
  EXPECT_TRUE(allows("30.1.2.3"));
  EXPECT_FALSE(allows("fd40::1"));
  set("", "world", {{"role", "x"}}, {"30.1.0.0/16"});
  EXPECT_TRUE(allows("30.1.2.3"));
  EXPECT_FALSE(allows("30.2.2.3"));
  set("", "world", {{"role", "z"}}, {"30.1.0.0/16"});
  EXPECT_FALSE(allows("30.1.2.3"));
  EXPECT_EQ(engine.tables().ranges.size(), 2u);
  EXPECT_TRUE(engine.tables().addresses.empty());
}

TEST_F(CalicoTest, APodInsideANetworkSetIsBoth) {
  set("", "all", {{"role", "x"}}, {"10.0.0.0/8"});
  model::Rule both = rule(Action::kAllow, {who("role == 'x'")});
  both.peer.all_of.push_back({who("app == 'db'")});
  policy(global("p", {both}));
  pod("dev", "db", {"10.0.0.2"}, {{"app", "db"}});
  EXPECT_TRUE(allows("10.0.0.2"));
  EXPECT_FALSE(allows("10.0.0.3"));
  set("", "all", {{"role", "y"}}, {"10.0.0.0/8"});
  EXPECT_FALSE(allows("10.0.0.2"));
}

TEST_F(CalicoTest, OneNetOfManyCostsThatNet) {
  model::NetworkSet big{{"", "big"}, {{"role", "x"}}, {}};
  for (uint32_t i = 0; i < 20000; ++i) {
    big.nets.push_back(net::Cidr(net::IpAddr::v4(0x20000000u + i * 512), i % 2 ? 24 : 32));
  }
  engine.apply(model::NetworkSetUpdate{big.name, big});
  policy(global("p", {rule(Action::kAllow, {who("role == 'x'")})}));
  flush();
  EXPECT_EQ(engine.tables().addresses.size(), 10000u);
  model::NetworkSet less = big;
  less.nets.erase(less.nets.begin() + 777);  // a /24
  engine.apply(model::NetworkSetUpdate{less.name, less});
  EXPECT_EQ(flush().size(), 2u);
  engine.apply(model::NetworkSetUpdate{big.name, big});
  EXPECT_EQ(flush().size(), 2u);
  less = big;
  less.nets.erase(less.nets.begin() + 778);  // a single address
  engine.apply(model::NetworkSetUpdate{less.name, less});
  EXPECT_EQ(flush().size(), 1u);
}

TEST_F(CalicoTest, ServicesAreTheirEndpoints) {
  const auto slice = [&](const char* name, std::vector<net::IpAddr> addresses, uint16_t port) {
    model::EndpointSlice out{{"dev", name}, "web", std::move(addresses), {{"", net::kTcp, port}}};
    engine.apply(model::EndpointSliceUpdate{out.name, out});
  };
  slice("s1", {ip("10.0.0.2")}, 8080);
  policy(global_egress("p", {rule(Action::kAllow, {model::ServicePeer{{"dev", "web"}}})}));
  EXPECT_TRUE(egress("10.0.0.2", 8080));
  EXPECT_FALSE(egress("10.0.0.2", 8081));
  EXPECT_FALSE(egress("10.0.0.3", 8080));
  slice("s2", {ip("10.0.0.3")}, 0);
  EXPECT_TRUE(egress("10.0.0.3", 1));
  slice("s2", {ip("10.0.0.3")}, 99);
  EXPECT_FALSE(egress("10.0.0.3", 1));
  policy(global("i", {rule(Action::kAllow, {model::ServicePeer{{"dev", "web"}}})}));
  EXPECT_TRUE(allows("10.0.0.2", 1));  // as a source the address alone
  EXPECT_FALSE(allows("10.0.0.4", 1));
  engine.apply(model::EndpointSliceUpdate{{"dev", "s1"}, {}});
  EXPECT_FALSE(allows("10.0.0.2", 1));
  EXPECT_FALSE(egress("10.0.0.2", 8080));
}

TEST_F(CalicoTest, ServiceAccounts) {
  const auto account = [&](model::Labels labels) {
    model::ServiceAccount out{{"dev", "robot"}, std::move(labels)};
    engine.apply(model::ServiceAccountUpdate{out.name, out});
  };
  account({{"role", "r"}});
  pod("dev", "x", {"10.0.0.2"}, {}, {}, "robot");
  pod("dev", "y", {"10.0.0.3"}, {}, {}, "other");
  policy(global("p", {rule(Action::kAllow, {who("pcsa.role == 'r'")})}));
  EXPECT_TRUE(allows("10.0.0.2"));
  EXPECT_FALSE(allows("10.0.0.3"));
  account({{"role", "s"}});
  EXPECT_FALSE(allows("10.0.0.2"));
  policy(global("p", {rule(Action::kAllow, {who("projectcalico.org/serviceaccount == 'other'")})}));
  EXPECT_FALSE(allows("10.0.0.2"));
  EXPECT_TRUE(allows("10.0.0.3"));
  // As a target: policies may select by the account, too.
  model::Policy aimed = global("p", {rule(Action::kAllow)});
  aimed.selects.pods = sel("pcsa.role == 'q'");
  policy(aimed);
  model::Policy closed = global("z", {}, 200);
  policy(closed);
  pod("dev", "a", {"10.0.0.1"}, {}, {}, "robot");
  EXPECT_FALSE(allows("10.0.0.2"));
  account({{"role", "q"}});
  EXPECT_TRUE(allows("10.0.0.2"));
}

TEST_F(CalicoTest, StagedPoliciesAreListedAndDoNothing) {
  model::Policy staged = global("s", {});
  staged.id.kind = model::PolicyKind::kStagedGlobalNetworkPolicy;
  staged.staged = model::StagedAction::kSet;
  policy(staged);
  EXPECT_TRUE(allows("1.1.1.1"));
  EXPECT_EQ(engine.counts().groups, 0u);
  EXPECT_THAT(engine.statuses().at("cali-a").ingress_policies, ElementsAre(staged.id));
  policy(global("p", {rule(Action::kAllow)}));
  EXPECT_TRUE(allows("1.1.1.1"));
}

TEST_F(CalicoTest, UnknownNamespaceDeniesWhatNothingDecides) {
  engine.apply(model::NamespaceUpdate{"dev", {}});
  EXPECT_FALSE(allows("1.1.1.1"));
  model::Policy pass = global("p", {rule(Action::kPass), rule(Action::kAllow)});
  policy(pass);
  EXPECT_FALSE(allows("1.1.1.1"));
  ns("dev");
  EXPECT_TRUE(allows("1.1.1.1"));
}

// Ports in number times identities in number, with negations: entries stay in proportion to what
// was written.
TEST_F(CalicoTest, ManyPortsTimesManyIdentitiesDoNotMultiply) {
  std::vector<model::Rule> rules;
  for (uint16_t i = 0; i < 400; ++i) {
    model::Rule one = rule(Action::kAllow, {who(fmt::format("app == 'app-{}'", i))});
    one.ports = {{tcp(1, 65535)}};
    one.not_ports = {tcp(static_cast<uint16_t>(1000 + i))};
    rules.push_back(one);
    pod("dev", fmt::format("p{}", i).c_str(), {fmt::format("10.1.{}.{}", i / 250, i % 250).c_str()},
        {{"app", fmt::format("app-{}", i)}});
  }
  policy(global("p", rules));
  EXPECT_TRUE(allows("10.1.0.7", 1008));
  EXPECT_FALSE(allows("10.1.0.7", 1007));
  const desired::PolicyTables& tables = engine.tables();
  EXPECT_EQ(tables.wide_rows.size(), 800u);
  EXPECT_TRUE(tables.rows.empty());
  EXPECT_EQ(tables.ports.size(), 6u);
  EXPECT_EQ(tables.peers.size(), 400u);
}

}  // namespace
}  // namespace caracal::policy::calico_test
