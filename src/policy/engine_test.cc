// The engine on small worlds made by hand: what the tables look like, what a change costs, and what
// happens at the edges. Whether verdicts are right at large is random_world_test's business.
#include "policy/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace caracal::policy {
namespace {

using desired::Disposition;
using desired::PortSpace;
using selector::Op;
using selector::Selector;
using testing::ElementsAre;
using testing::HasSubstr;

net::IpAddr ip(const char* text) { return *net::IpAddr::parse(text); }
Selector is(const char* key, const char* value) {
  return Selector::requirement(Op::kIn, key, {value});
}
model::PolicyId id_of(const char* ns, const char* name) {
  return {model::PolicyKind::kNetworkPolicy, {ns, name}};
}

model::Update pod(const char* ns, const char* name, const char* address, model::Labels labels,
                  std::vector<model::NamedPort> ports = {}) {
  model::Pod out;
  out.name = {ns, name};
  out.labels = std::move(labels);
  out.addresses = {ip(address)};
  out.ports = std::move(ports);
  return model::PodUpdate{out.name, out};
}
model::Update no_pod(const char* ns, const char* name) { return model::PodUpdate{{ns, name}, {}}; }
model::Update local(const char* ns, const char* name, const char* address) {
  const std::string interface = std::string("cali-") + name;
  return model::LocalEndpointUpdate{interface,
                                    model::LocalEndpoint{{ns, name}, interface, {ip(address)}}};
}
model::Update ns(const char* name, model::Labels labels = {}) {
  return model::NamespaceUpdate{name, model::Namespace{name, std::move(labels)}};
}
model::Policy ingress_policy(const char* ns, const char* name, std::vector<model::Rule> rules) {
  model::Policy out;
  out.id = id_of(ns, name);
  out.selects.in_namespace = ns;
  out.applies_ingress = true;
  out.ingress = std::move(rules);
  return out;
}
model::Update update(const model::Policy& policy) {
  return model::PolicyUpdate{policy.id, policy, {}};
}
model::Update no_policy(const char* ns, const char* name) {
  return model::PolicyUpdate{id_of(ns, name), {}, {}};
}
model::Rule from(model::EndpointPeer peer,
                 std::optional<std::vector<model::PortMatch>> ports = {}) {
  model::Rule out;
  out.peer.all_of = {{std::move(peer)}};
  out.ports = std::move(ports);
  return out;
}
model::Rule anyone(std::optional<std::vector<model::PortMatch>> ports = {}) {
  model::Rule out;
  out.ports = std::move(ports);
  return out;
}
model::Rule from_block(const char* net, std::vector<net::Cidr> except = {},
                       std::optional<std::vector<model::PortMatch>> ports = {}) {
  model::Rule out = anyone(std::move(ports));
  out.peer.all_of = {{model::CidrPeer{*net::Cidr::parse(net), std::move(except)}}};
  return out;
}
model::EndpointPeer pods_in(const char* ns, Selector pods = {}) {
  return {std::move(pods), {}, ns};
}
model::PortMatch tcp(uint16_t port) { return {net::kTcp, net::PortRange{port, port}}; }

class EngineTest : public testing::Test {
 protected:
  desired::PolicyDelta play(const std::vector<model::Update>& updates) {
    for (const model::Update& u : updates) engine.apply(u);
    return engine.flush();
  }
  bool allows(const char* interface, const char* peer, uint16_t port,
              desired::Direction direction = desired::Direction::kIngress) {
    return desired::allows(engine.tables(), direction, interface, ip(peer), PortSpace::kTcp, port);
  }
  Disposition disposition(const char* interface, desired::Direction direction) {
    return engine.tables().interfaces.at({direction, interface}).disposition;
  }
  Engine engine;
};

TEST_F(EngineTest, FirstFlushFillsTheTotalTables) {
  const desired::PolicyDelta delta = engine.flush();
  EXPECT_EQ(delta.ranges.set.size(), 2u);
  EXPECT_EQ(delta.ports.set.size(), 6u);
  EXPECT_EQ(delta.size(), 8u);
  EXPECT_EQ(engine.tables().ranges.at(ip("::")), desired::kUnknownIdentity);
  EXPECT_TRUE(engine.flush().empty());
}

TEST_F(EngineTest, EndpointIsClosedUntilItsPodIsKnownThenOpenThenPoliced) {
  play({local("dev", "a", "10.0.0.1")});
  EXPECT_EQ(disposition("cali-a", desired::Direction::kIngress), Disposition::kClosed);
  EXPECT_EQ(disposition("cali-a", desired::Direction::kEgress), Disposition::kClosed);
  EXPECT_TRUE(engine.tables().sources.contains({"cali-a", ip("10.0.0.1")}));
  EXPECT_THAT(engine.statuses().at("cali-a").errors,
              ElementsAre(HasSubstr("pod dev/a is not known")));

  play({pod("dev", "a", "10.0.0.1", {})});
  EXPECT_EQ(disposition("cali-a", desired::Direction::kIngress), Disposition::kClosed);
  EXPECT_THAT(engine.statuses().at("cali-a").errors,
              ElementsAre(HasSubstr("namespace dev is not known")));
  play({ns("dev")});
  EXPECT_EQ(disposition("cali-a", desired::Direction::kIngress), Disposition::kOpen);
  EXPECT_THAT(engine.statuses().at("cali-a").errors, ElementsAre());

  play({update(ingress_policy("dev", "deny", {}))});
  EXPECT_EQ(disposition("cali-a", desired::Direction::kIngress), Disposition::kPoliced);
  EXPECT_EQ(disposition("cali-a", desired::Direction::kEgress), Disposition::kOpen);
  EXPECT_FALSE(allows("cali-a", "1.2.3.4", 80));
  EXPECT_THAT(engine.statuses().at("cali-a").ingress_policies, ElementsAre(id_of("dev", "deny")));
  EXPECT_THAT(engine.statuses().at("cali-a").egress_policies, ElementsAre());

  play({no_pod("dev", "a")});
  EXPECT_EQ(disposition("cali-a", desired::Direction::kIngress), Disposition::kClosed);
  play({model::LocalEndpointUpdate{"cali-a", {}}});
  EXPECT_TRUE(engine.tables().interfaces.empty());
  EXPECT_TRUE(engine.tables().sources.empty());
  EXPECT_TRUE(engine.statuses().empty());
}

TEST_F(EngineTest, InvalidPolicyClosesATierThatPassesOn) {
  play({ns("dev"), pod("dev", "web", "10.0.0.1", {{"app", "web"}}), local("dev", "web", "10.0.0.1"),
        pod("dev", "db", "10.0.0.2", {{"app", "db"}}), local("dev", "db", "10.0.0.2")});
  const auto reaches = [&](const char* peer, const char* interface) {
    engine.flush();
    return allows(interface, peer, 80);
  };
  engine.apply(model::TierUpdate{"soft", model::Tier{"soft", 10, model::Action::kPass}});
  model::Policy bad;
  bad.id = {model::PolicyKind::kGlobalNetworkPolicy, {"", "bad"}};
  bad.tier = "soft";
  bad.selects.inherited = true;
  bad.selects.pods = is("app", "web");
  bad.applies_ingress = true;
  engine.apply(model::PolicyUpdate{bad.id, bad, {}});
  EXPECT_TRUE(reaches("10.0.0.9", "cali-web"));  // as written it passes on
  engine.apply(model::PolicyUpdate{bad.id, bad, "spec.ingress[0].protocol: unknown"});
  EXPECT_FALSE(reaches("10.0.0.9", "cali-web"));
  EXPECT_TRUE(reaches("10.0.0.9", "cali-db"));
  // What others of the tier allow or pass on stays so.
  model::Policy good = bad;
  good.id.name.name = "good";
  good.order = 2000;
  model::Rule pass, allow;
  pass.action = model::Action::kPass;
  pass.peer.all_of = {{model::CidrPeer{*net::Cidr::parse("10.0.0.8/31"), {}}}};
  allow.peer.all_of = {{model::CidrPeer{*net::Cidr::parse("10.0.0.7/32"), {}}}};
  good.ingress = {pass, allow};
  engine.apply(model::PolicyUpdate{good.id, good, {}});
  EXPECT_TRUE(reaches("10.0.0.9", "cali-web"));
  EXPECT_TRUE(reaches("10.0.0.7", "cali-web"));
  EXPECT_FALSE(reaches("10.0.0.6", "cali-web"));
  engine.apply(model::PolicyUpdate{bad.id, {}, {}});
  EXPECT_TRUE(reaches("10.0.0.6", "cali-web"));
}

TEST_F(EngineTest, InvalidPolicyIsolatesAndSaysSo) {
  play({ns("dev"), local("dev", "a", "10.0.0.1"), pod("dev", "a", "10.0.0.1", {}),
        model::PolicyUpdate{id_of("dev", "bad"), {}, "spec.ingress[0]: no"}});
  EXPECT_FALSE(allows("cali-a", "1.2.3.4", 80));
  EXPECT_FALSE(allows("cali-a", "1.2.3.4", 80, desired::Direction::kEgress));
  EXPECT_THAT(
      engine.statuses().at("cali-a").errors,
      ElementsAre("NetworkPolicy dev/bad is invalid, it isolates the pod and allows nothing: "
                  "spec.ingress[0]: no"));
  play({no_policy("dev", "bad")});
  EXPECT_TRUE(allows("cali-a", "1.2.3.4", 80));
}

TEST_F(EngineTest, OnlyAddressesThatAnActiveSelectorMatchesAreListed) {
  play({ns("dev"), ns("prod"), pod("dev", "a", "10.0.0.1", {{"app", "web"}}),
        pod("dev", "b", "10.0.0.2", {{"app", "db"}}), pod("prod", "c", "10.0.0.3", {{"app", "db"}}),
        update(ingress_policy("dev", "p", {from(pods_in("dev", is("app", "db")), {{tcp(80)}})}))});
  EXPECT_TRUE(engine.tables().addresses.empty());  // nothing local: nothing is compiled
  play({local("dev", "a", "10.0.0.1")});
  EXPECT_EQ(engine.tables().addresses.size(), 1u);
  EXPECT_TRUE(engine.tables().addresses.contains(ip("10.0.0.2")));
  EXPECT_TRUE(allows("cali-a", "10.0.0.2", 80));
  EXPECT_FALSE(allows("cali-a", "10.0.0.2", 81));
  EXPECT_FALSE(allows("cali-a", "10.0.0.3", 80));
  play({model::LocalEndpointUpdate{"cali-a", {}}});
  EXPECT_TRUE(engine.tables().addresses.empty());
  EXPECT_TRUE(engine.tables().rows.empty());
}

TEST_F(EngineTest, LocalInterfaceAddressIsKnownBeforeTheStatusIs) {
  model::Pod b;
  b.name = {"dev", "b"};
  b.labels = {{"app", "db"}};  // no address yet
  play({ns("dev"), pod("dev", "a", "10.0.0.1", {}), local("dev", "a", "10.0.0.1"),
        model::PodUpdate{b.name, b},
        update(ingress_policy("dev", "p", {from(pods_in("dev", is("app", "db")))}))});
  EXPECT_FALSE(allows("cali-a", "10.0.0.2", 80));
  play({local("dev", "b", "10.0.0.2")});
  EXPECT_TRUE(allows("cali-a", "10.0.0.2", 80));
  b.addresses = {ip("10.0.0.2")};
  EXPECT_TRUE(play({model::PodUpdate{b.name, b}}).empty());
  EXPECT_TRUE(play({model::PodUpdate{b.name, b}}).empty());
}

TEST_F(EngineTest, EndpointsWithTheSamePoliciesShareAGroup) {
  play({ns("dev"), pod("dev", "a", "10.0.0.1", {{"app", "web"}}),
        pod("dev", "b", "10.0.0.2", {{"app", "web"}}), pod("dev", "c", "10.0.0.3", {{"app", "db"}}),
        local("dev", "a", "10.0.0.1"), local("dev", "b", "10.0.0.2"),
        local("dev", "c", "10.0.0.3")});
  model::Policy policy = ingress_policy("dev", "p", {from(pods_in("dev"))});
  policy.selects.pods = is("app", "web");
  play({update(policy)});
  EXPECT_EQ(engine.counts().groups, 1u);
  const auto group = [&](const char* interface) {
    return engine.tables().interfaces.at({desired::Direction::kIngress, interface}).group;
  };
  EXPECT_EQ(group("cali-a"), group("cali-b"));
  EXPECT_EQ(disposition("cali-c", desired::Direction::kIngress), Disposition::kOpen);
  play({pod("dev", "b", "10.0.0.2", {{"app", "db"}})});
  EXPECT_EQ(disposition("cali-b", desired::Direction::kIngress), Disposition::kOpen);
}

TEST_F(EngineTest, ARelabelledPodCostsOneAddress) {
  std::vector<model::Update> updates = {ns("dev"), pod("dev", "a", "10.0.0.1", {{"app", "web"}}),
                                        local("dev", "a", "10.0.0.1")};
  for (const char* app : {"one", "two"}) {
    for (int i = 0; i < 20; ++i) {
      const std::string name = std::string(app) + std::to_string(i);
      const std::string address = "10.1." + std::to_string(app[0] == 'o') + "." + std::to_string(i);
      updates.push_back(pod("dev", name.c_str(), address.c_str(), {{"app", app}}));
    }
  }
  updates.push_back(update(ingress_policy("dev", "p",
                                          {from(pods_in("dev", is("app", "one")), {{tcp(1)}}),
                                           from(pods_in("dev", is("app", "two")), {{tcp(2)}})})));
  play(updates);
  EXPECT_EQ(engine.tables().addresses.size(), 40u);
  EXPECT_EQ(engine.counts().identities, 3u);  // one, two, everybody else
  desired::PolicyDelta delta = play({pod("dev", "one3", "10.1.1.3", {{"app", "two"}})});
  EXPECT_EQ(delta.size(), 1u);
  EXPECT_EQ(delta.addresses.set.size(), 1u);
  delta = play({pod("dev", "one3", "10.1.1.3", {{"app", "three"}})});
  EXPECT_EQ(delta.size(), 1u);
  EXPECT_EQ(delta.addresses.erase.size(), 1u);
  // Labels that no selector asks for change nothing.
  EXPECT_TRUE(play({pod("dev", "one4", "10.1.1.4", {{"app", "one"}, {"version", "2"}})}).empty());
}

TEST_F(EngineTest, APolicyLikeAnotherAddsNoIdentityAndNoRow) {
  play({ns("dev"), pod("dev", "a", "10.0.0.1", {}), pod("dev", "b", "10.0.0.2", {{"app", "db"}}),
        local("dev", "a", "10.0.0.1"),
        update(ingress_policy("dev", "p", {from(pods_in("dev", is("app", "db")))}))});
  const auto before = engine.tables();
  play({update(ingress_policy("dev", "q", {from(pods_in("dev", is("app", "db")))}))});
  EXPECT_EQ(engine.tables().addresses, before.addresses);
  EXPECT_EQ(engine.tables().rows, before.rows);
  EXPECT_EQ(engine.tables().ports, before.ports);
}

TEST_F(EngineTest, WhatAnyoneMayDoNeedsNoEntryPerIdentity) {
  model::Policy policy =
      ingress_policy("dev", "p", {from(pods_in("dev", is("app", "db")), {{tcp(80)}})});
  policy.ingress.push_back(anyone({{tcp(80)}}));
  play({ns("dev"), pod("dev", "a", "10.0.0.1", {}), pod("dev", "b", "10.0.0.2", {{"app", "db"}}),
        local("dev", "a", "10.0.0.1"), update(policy)});
  ASSERT_EQ(engine.tables().peers.size(), 1u);
  EXPECT_EQ(engine.tables().peers.begin()->first.identity, desired::kAnyone);
}

TEST_F(EngineTest, NamedPortsOnIngressAreTheEndpointsOwn) {
  const model::Policy policy =
      ingress_policy("dev", "p", {anyone({{model::PortMatch{net::kTcp, "http"}}})});
  play({ns("dev"), pod("dev", "a", "10.0.0.1", {}, {{"http", net::kTcp, 8080}}),
        pod("dev", "b", "10.0.0.2", {}, {{"http", net::kTcp, 9090}}), local("dev", "a", "10.0.0.1"),
        local("dev", "b", "10.0.0.2"), update(policy)});
  EXPECT_TRUE(allows("cali-a", "1.1.1.1", 8080));
  EXPECT_FALSE(allows("cali-a", "1.1.1.1", 9090));
  EXPECT_TRUE(allows("cali-b", "1.1.1.1", 9090));
  EXPECT_EQ(engine.counts().groups, 2u);
  play({pod("dev", "b", "10.0.0.2", {}, {{"http", net::kTcp, 8080}})});
  EXPECT_TRUE(allows("cali-b", "1.1.1.1", 8080));
  EXPECT_EQ(engine.counts().groups, 1u);
}

TEST_F(EngineTest, NamedPortsOnEgressAreThePeers) {
  model::Policy policy;
  policy.id = id_of("dev", "p");
  policy.selects.in_namespace = "dev";
  policy.applies_egress = true;
  policy.egress = {
      from(pods_in("prod", is("app", "web")), {{model::PortMatch{net::kTcp, "http"}}})};
  play({ns("dev"), ns("prod"), pod("dev", "a", "10.0.0.1", {}), local("dev", "a", "10.0.0.1"),
        pod("prod", "x", "10.0.1.1", {{"app", "web"}}, {{"http", net::kTcp, 8080}}),
        pod("prod", "y", "10.0.1.2", {{"app", "web"}}, {{"http", net::kTcp, 9090}}),
        pod("prod", "z", "10.0.1.3", {{"app", "web"}}), update(policy)});
  const auto out = [&](const char* peer, uint16_t port) {
    return allows("cali-a", peer, port, desired::Direction::kEgress);
  };
  EXPECT_TRUE(out("10.0.1.1", 8080));
  EXPECT_FALSE(out("10.0.1.1", 9090));
  EXPECT_TRUE(out("10.0.1.2", 9090));
  EXPECT_FALSE(out("10.0.1.3", 8080));
  EXPECT_FALSE(engine.tables().addresses.contains(ip("10.0.1.3")));
  play({pod("prod", "y", "10.0.1.2", {{"app", "web"}}, {{"http", net::kTcp, 8080}})});
  EXPECT_TRUE(out("10.0.1.2", 8080));
  EXPECT_FALSE(out("10.0.1.2", 9090));
}

TEST_F(EngineTest, NamespaceLabelsAndTheirChange) {
  model::EndpointPeer peer;
  peer.namespaces = is("team", "a");
  play({ns("dev"), ns("prod", {{"team", "a"}}), pod("dev", "a", "10.0.0.1", {}),
        local("dev", "a", "10.0.0.1"), pod("prod", "x", "10.0.1.1", {}),
        update(ingress_policy("dev", "p", {from(peer)}))});
  EXPECT_TRUE(allows("cali-a", "10.0.1.1", 80));
  play({ns("prod", {{"team", "b"}})});
  EXPECT_FALSE(allows("cali-a", "10.0.1.1", 80));
  play({ns("prod", {{"team", "a"}})});
  EXPECT_TRUE(allows("cali-a", "10.0.1.1", 80));
  play({model::NamespaceUpdate{"prod", {}}});
  EXPECT_FALSE(allows("cali-a", "10.0.1.1", 80));
}

TEST_F(EngineTest, CidrsCutRangesAndMarkPodsInside) {
  model::Policy policy = ingress_policy("dev", "p", {});
  policy.ingress = {from_block("10.0.0.0/8", {*net::Cidr::parse("10.1.0.0/16")}, {{tcp(80)}}),
                    from(pods_in("dev", is("app", "db")), {{tcp(443)}})};
  play({ns("dev"), pod("dev", "a", "10.0.0.1", {}), local("dev", "a", "10.0.0.1"),
        pod("dev", "b", "10.0.0.2", {{"app", "db"}}), pod("dev", "c", "10.1.0.2", {{"app", "db"}}),
        update(policy)});
  EXPECT_EQ(engine.tables().ranges.size(), 6u);  // 0, 10.0, 10.1, 10.2, 11.0; ::
  EXPECT_TRUE(allows("cali-a", "10.255.255.255", 80));
  EXPECT_FALSE(allows("cali-a", "11.0.0.0", 80));
  EXPECT_TRUE(allows("cali-a", "10.0.0.2", 80));
  EXPECT_TRUE(allows("cali-a", "10.0.0.2", 443));
  EXPECT_FALSE(allows("cali-a", "10.1.0.2", 80));
  EXPECT_TRUE(allows("cali-a", "10.1.0.2", 443));
  EXPECT_FALSE(allows("cali-a", "10.0.0.3", 443));
}

TEST(EngineTiersTest, WhoMayDoLessThanAnyoneHasAnEntryOfItsOwn) {
  Engine engine;
  model::Policy policy = ingress_policy("dev", "p", {from(pods_in("dev", is("app", "bad")))});
  policy.ingress[0].action = model::Action::kDeny;
  policy.ingress.push_back(anyone());
  for (const model::Update& u :
       {ns("dev"), pod("dev", "a", "10.0.0.1", {}), local("dev", "a", "10.0.0.1"),
        pod("dev", "b", "10.0.0.2", {{"app", "bad"}}), update(policy)}) {
    engine.apply(u);
  }
  engine.flush();
  const auto allows = [&](const char* peer) {
    return desired::allows(engine.tables(), desired::Direction::kIngress, "cali-a", ip(peer),
                           PortSpace::kTcp, 80);
  };
  EXPECT_FALSE(allows("10.0.0.2"));
  EXPECT_TRUE(allows("10.0.0.3"));
  ASSERT_EQ(engine.tables().peers.size(), 1u);  // the one that is told apart
  EXPECT_EQ(engine.tables().peers.begin()->second, 0u);
  EXPECT_EQ(engine.tables().otherwise.size(), 1u);
  engine.apply(pod("dev", "b", "10.0.0.2", {{"app", "good"}}));
  engine.flush();
  EXPECT_TRUE(allows("10.0.0.2"));
}

// A list of states, entered in every way: forwards, backwards, each twice, all at once, with
// everything torn down in between. The tables must always say what a fresh engine says.
class StateListTest : public testing::Test {
 protected:
  using State = std::vector<model::Update>;  // what exists
  static std::vector<State> states() {
    const State base = {ns("dev", {{"team", "a"}}), ns("prod"), local("dev", "a", "10.0.0.1"),
                        pod("dev", "a", "10.0.0.1", {{"app", "web"}}, {{"http", net::kTcp, 80}})};
    std::vector<State> out = {{}, base};
    const auto extend = [&](std::vector<model::Update> more) {
      State state = base;
      state.insert(state.end(), more.begin(), more.end());
      out.push_back(std::move(state));
    };
    extend({update(ingress_policy("dev", "p", {}))});
    extend({update(ingress_policy("dev", "p", {from(pods_in("dev"), {{tcp(80), tcp(443)}})})),
            pod("dev", "b", "10.0.0.2", {{"app", "db"}})});
    model::Policy named = ingress_policy(
        "dev", "p", {from(pods_in("prod"), {{model::PortMatch{net::kTcp, "http"}}})});
    extend({update(named), pod("prod", "b", "10.0.0.2", {})});
    model::Policy block = ingress_policy("dev", "q", {});
    block.ingress = {from_block("10.0.0.0/30")};
    extend({update(block), update(named), pod("dev", "b", "10.0.0.2", {}),
            pod("prod", "b", "10.0.0.2", {})});
    return out;
  }
  static std::string key_of(const model::Update& u) {
    const auto key = [](const auto& x) -> std::string {
      using Type = std::remove_cvref_t<decltype(x)>;
      if constexpr (std::is_same_v<Type, model::PolicySettingsUpdate>) {
        return "";
      } else if constexpr (std::is_same_v<decltype(Type::key), std::string>) {
        return x.key;
      } else {
        return x.key.to_string();
      }
    };
    return std::to_string(u.index()) + std::visit(key, u);
  }
  static model::Update removal(const model::Update& u) {
    model::Update out = u;
    std::visit([](auto& x) { x.value.reset(); }, out);
    return out;
  }
  // From one state to the next: what is not there any more goes, the rest is said.
  static void enter(Engine& engine, const State& from, const State& to) {
    for (const model::Update& u : from) {
      const bool stays =
          std::any_of(to.begin(), to.end(), [&](const auto& v) { return key_of(v) == key_of(u); });
      if (!stays) engine.apply(removal(u));
    }
    for (const model::Update& u : to) engine.apply(u);
  }
  static std::vector<bool> verdicts(const Engine& engine) {
    std::vector<bool> out;
    for (const char* peer :
         {"10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "8.8.8.8", "::1"}) {
      for (const uint16_t port : std::initializer_list<uint16_t>{1, 79, 80, 81, 443, 65535}) {
        for (const auto direction : {desired::Direction::kIngress, desired::Direction::kEgress}) {
          out.push_back(desired::allows(engine.tables(), direction, "cali-a", ip(peer),
                                        PortSpace::kTcp, port));
        }
      }
    }
    return out;
  }
  static void expect_like_fresh(const Engine& engine, const State& state) {
    Engine fresh;
    for (auto it = state.rbegin(); it != state.rend(); ++it) fresh.apply(*it);
    fresh.flush();
    EXPECT_EQ(verdicts(engine), verdicts(fresh));
    EXPECT_EQ(engine.statuses(), fresh.statuses());
    EXPECT_EQ(engine.tables().peers.size(), fresh.tables().peers.size());
    EXPECT_EQ(engine.tables().rows.size(), fresh.tables().rows.size());
    EXPECT_EQ(engine.tables().ranges.size(), fresh.tables().ranges.size());
    EXPECT_EQ(engine.tables().addresses.size(), fresh.tables().addresses.size());
  }
  static void walk(const std::vector<State>& list, bool flush_between, int repeats) {
    Engine engine;
    desired::PolicyTables sum;
    State now;
    for (const State& state : list) {
      for (int i = 0; i < repeats; ++i) enter(engine, now, state);
      now = state;
      if (!flush_between) continue;
      desired::apply(sum, engine.flush());
      EXPECT_EQ(sum, engine.tables());
      expect_like_fresh(engine, state);
    }
    desired::apply(sum, engine.flush());
    EXPECT_EQ(sum, engine.tables());
    expect_like_fresh(engine, now);
  }
};

TEST_F(StateListTest, Forwards) { walk(states(), true, 1); }
TEST_F(StateListTest, Backwards) {
  std::vector<State> list = states();
  std::reverse(list.begin(), list.end());
  walk(list, true, 1);
}
TEST_F(StateListTest, EachSaidTwice) { walk(states(), true, 2); }
TEST_F(StateListTest, SquashedIntoOneFlush) { walk(states(), false, 1); }
TEST_F(StateListTest, TornDownInBetween) {
  std::vector<State> list;
  for (const State& state : states()) {
    list.push_back(state);
    list.push_back({});
  }
  walk(list, true, 1);
  walk(list, false, 1);
}
TEST_F(StateListTest, FromEveryStateToEveryOther) {
  const std::vector<State> list = states();
  for (const State& from : list) {
    for (const State& to : list) walk({from, to}, true, 1);
  }
}

}  // namespace
}  // namespace caracal::policy
