#include "calico/decode_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "jsonio/yaml.h"

namespace caracal::calico {
namespace {

using model::Action;
using model::CidrPeer;
using model::EndpointPeer;
using model::IcmpMatch;
using model::PolicyKind;
using model::PortMatch;
using net::PortRange;
using selector::Selector;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json::value yaml(std::string_view text) {
  auto documents = jsonio::parse_yaml(text);
  EXPECT_TRUE(documents.has_value()) << documents.error().message << "\n" << text;
  return documents ? documents->at(0) : json::value();
}
net::Cidr cidr(std::string_view text) { return *net::Cidr::parse(text); }

struct Read {
  model::Policy policy;
  std::vector<std::string> problems;
};

Read read(PolicyKind kind, const std::string& spec) {
  const bool global =
      kind == PolicyKind::kGlobalNetworkPolicy || kind == PolicyKind::kStagedGlobalNetworkPolicy;
  ObjectReader reader;
  const json::value object = yaml("{metadata: {name: p, namespace: dev}, spec: {" + spec + "}}");
  Read result;
  result.policy = decode_policy(kind, {global ? "" : "dev", "p"}, object.get_object(), reader);
  for (const auto& problem : reader.problems()) result.problems.push_back(problem.to_string());
  return result;
}

model::Policy valid(PolicyKind kind, const std::string& spec) {
  Read result = read(kind, spec);
  EXPECT_THAT(result.problems, IsEmpty()) << spec;
  return result.policy;
}
model::Policy namespaced(const std::string& spec) {
  return valid(PolicyKind::kCalicoNetworkPolicy, spec);
}
model::Policy global(const std::string& spec) {
  return valid(PolicyKind::kGlobalNetworkPolicy, spec);
}
model::Rule ingress_rule(PolicyKind kind, const std::string& rule) {
  const model::Policy policy = valid(kind, "ingress: [{" + rule + "}]");
  EXPECT_EQ(policy.ingress.size(), 1U) << rule;
  return policy.ingress.empty() ? model::Rule() : policy.ingress.front();
}

TEST(DecodeCalicoPolicy, PlaceAndSelector) {
  const model::Policy empty = namespaced("");
  EXPECT_EQ(empty.id.to_string(), "Calico NetworkPolicy dev/p");
  EXPECT_EQ(empty.tier, "default");
  EXPECT_EQ(empty.order, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(empty.selects.inherited);
  EXPECT_EQ(empty.selects.in_namespace, "dev");
  EXPECT_EQ(empty.selects.pods.canonical(), "all()");
  EXPECT_TRUE(empty.applies_ingress);
  EXPECT_FALSE(empty.applies_egress);

  const struct {
    PolicyKind kind;
    const char* spec;
    const char* pods;
  } kCases[] = {
      {PolicyKind::kCalicoNetworkPolicy, "selector: a == 'b'", "a == \"b\""},
      {PolicyKind::kCalicoNetworkPolicy, "selector: all(), serviceAccountSelector: x == 'y'",
       "pcsa.x == \"y\""},
      {PolicyKind::kCalicoNetworkPolicy, "serviceAccountSelector: all()",
       "has(projectcalico.org/serviceaccount)"},
      {PolicyKind::kGlobalNetworkPolicy, "selector: all()", "all()"},
      {PolicyKind::kGlobalNetworkPolicy, "namespaceSelector: all()",
       "has(projectcalico.org/namespace)"},
      {PolicyKind::kGlobalNetworkPolicy, "namespaceSelector: env == 'prod'",
       "pcns.env == \"prod\""},
      {PolicyKind::kGlobalNetworkPolicy, "selector: all(), namespaceSelector: env == 'prod'",
       "has(projectcalico.org/namespace) && pcns.env == \"prod\""},
      {PolicyKind::kGlobalNetworkPolicy,
       "selector: a == 'b' || all(), namespaceSelector: has(env), serviceAccountSelector: all()",
       "(a == \"b\" || has(projectcalico.org/namespace)) && has(pcns.env) && "
       "has(projectcalico.org/serviceaccount)"},
      {PolicyKind::kGlobalNetworkPolicy, "selector: all(), serviceAccountSelector: x == 'y'",
       "has(projectcalico.org/serviceaccount) && pcsa.x == \"y\""},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(valid(c.kind, c.spec).selects.pods.canonical(), c.pods) << c.spec;
  }
  EXPECT_EQ(global("").selects.in_namespace, std::nullopt);
  const model::Policy placed = global("tier: ops, order: -1.5");
  EXPECT_EQ(placed.tier, "ops");
  EXPECT_EQ(placed.order, -1.5);
  EXPECT_EQ(global("order: null").order, std::numeric_limits<double>::infinity());
}

TEST(DecodeCalicoPolicy, TypesInference) {
  const struct {
    const char* spec;
    bool ingress;
    bool egress;
  } kCases[] = {
      {"", true, false},
      {"types: []", true, false},
      {"ingress: [{action: Deny}]", true, false},
      {"egress: [{action: Deny}]", false, true},
      {"ingress: [{action: Deny}], egress: [{action: Deny}]", true, true},
      {"ingress: [], egress: []", true, false},
      {"types: [Egress]", false, true},
      {"types: [Egress, Ingress]", true, true},
      {"types: [Ingress], egress: [{action: Allow}]", true, false},
  };
  for (const auto& c : kCases) {
    const model::Policy policy = namespaced(c.spec);
    EXPECT_EQ(policy.applies_ingress, c.ingress) << c.spec;
    EXPECT_EQ(policy.applies_egress, c.egress) << c.spec;
    EXPECT_TRUE(c.egress || policy.egress.empty()) << c.spec;
  }
}

TEST(DecodeCalicoPolicy, Hooks) {
  EXPECT_EQ(global("").hook, model::Hook::kNormal);
  EXPECT_EQ(global("applyOnForward: true").hook, model::Hook::kForward);
  EXPECT_EQ(global("applyOnForward: true, preDNAT: true").hook, model::Hook::kPreDnat);
  EXPECT_EQ(global("applyOnForward: true, doNotTrack: true").hook, model::Hook::kUntracked);
}

// The selectors of one side, as calico.md 3.4 has them: with the policy's namespace, or without.
TEST(DecodeCalicoPolicy, SelectorsOfARule) {
  struct Side {
    const char* source;
    const char* positive;  // nullptr: none
    bool in_namespace;
    const char* negative;  // in none_of; nullptr: none
  };
  const auto check = [](PolicyKind kind, const Side& side) {
    const model::Rule rule =
        ingress_rule(kind, std::string("action: Allow, source: {") + side.source + "}");
    ASSERT_EQ(rule.peer.all_of.size(), side.positive == nullptr ? 0U : 1U) << side.source;
    if (side.positive != nullptr) {
      ASSERT_EQ(rule.peer.all_of[0].size(), 1U);
      const auto& peer = std::get<EndpointPeer>(rule.peer.all_of[0][0]);
      EXPECT_EQ(peer.pods.canonical(), side.positive) << side.source;
      EXPECT_EQ(peer.in_namespace.has_value(), side.in_namespace) << side.source;
      EXPECT_TRUE(peer.inherited);
      EXPECT_TRUE(peer.namespaces.matches_everything());
    }
    ASSERT_EQ(rule.peer.none_of.size(), side.negative == nullptr ? 0U : 1U) << side.source;
    if (side.negative != nullptr) {
      const auto& peer = std::get<EndpointPeer>(rule.peer.none_of[0]);
      EXPECT_EQ(peer.pods.canonical(), side.negative) << side.source;
      EXPECT_FALSE(peer.in_namespace.has_value());
    }
  };
  const Side kNamespaced[] = {
      {"", nullptr, false, nullptr},
      {"selector: a == 'b'", "a == \"b\"", true, nullptr},
      {"selector: all()", "all()", true, nullptr},
      {"notSelector: a == 'b'", "a != \"b\"", true, nullptr},
      {"selector: has(c), notSelector: a == 'b'", "a != \"b\" && has(c)", true, nullptr},
      {"namespaceSelector: x == 'y'", "pcns.x == \"y\"", false, nullptr},
      {"namespaceSelector: all()", "has(projectcalico.org/namespace)", false, nullptr},
      {"namespaceSelector: global()", "!has(projectcalico.org/namespace)", false, nullptr},
      {"namespaceSelector: global(), selector: a == 'b'",
       "!has(projectcalico.org/namespace) && a == \"b\"", false, nullptr},
      {"serviceAccounts: {names: [b, a]}", "projectcalico.org/serviceaccount in {\"a\", \"b\"}",
       true, nullptr},
      {"serviceAccounts: {selector: has(x), names: [a]}",
       "has(pcsa.x) && projectcalico.org/serviceaccount == \"a\"", true, nullptr},
      {"serviceAccounts: {}", "all()", true, nullptr},
  };
  for (const Side& side : kNamespaced) check(PolicyKind::kCalicoNetworkPolicy, side);
  const Side kGlobal[] = {
      {"selector: a == 'b'", "a == \"b\"", false, nullptr},
      {"selector: all()", "all()", false, nullptr},
      {"notSelector: a == 'b'", nullptr, false, "a == \"b\""},
      {"notSelector: a == 'b', nets: []", nullptr, false, "a == \"b\""},
      {"selector: all(), notSelector: a == 'b'", "a != \"b\"", false, nullptr},
      {"notSelector: a == 'b', namespaceSelector: has(x)", "a != \"b\" && has(pcns.x)", false,
       nullptr},
      {"serviceAccounts: {names: [a]}", "projectcalico.org/serviceaccount == \"a\"", false,
       nullptr},
  };
  for (const Side& side : kGlobal) check(PolicyKind::kGlobalNetworkPolicy, side);
}

TEST(DecodeCalicoPolicy, NetsAndServices) {
  const model::Rule nets =
      ingress_rule(PolicyKind::kCalicoNetworkPolicy,
                   "action: Deny, source: {nets: [10.0.0.0/8, 192.0.2.1], notNets: [10.1.0.0/16], "
                   "selector: has(a)}");
  EXPECT_EQ(nets.action, Action::kDeny);
  ASSERT_EQ(nets.peer.all_of.size(), 2U);
  EXPECT_THAT(nets.peer.all_of[0], ElementsAre(model::Peer(CidrPeer{cidr("10.0.0.0/8"), {}}),
                                               model::Peer(CidrPeer{cidr("192.0.2.1/32"), {}})));
  EXPECT_THAT(nets.peer.none_of, ElementsAre(model::Peer(CidrPeer{cidr("10.1.0.0/16"), {}})));
  EXPECT_TRUE(nets.self.any());

  const model::Policy services = namespaced(
      "egress: [{action: Allow, destination: {services: {name: db}}}, "
      "{action: Allow, source: {selector: has(a)}, "
      "destination: {services: {name: db, namespace: prod}}}]");
  ASSERT_EQ(services.egress.size(), 2U);
  EXPECT_THAT(services.egress[0].peer.all_of[0],
              ElementsAre(model::Peer(model::ServicePeer{{"dev", "db"}})));
  EXPECT_THAT(services.egress[1].peer.all_of[0],
              ElementsAre(model::Peer(model::ServicePeer{{"prod", "db"}})));
  EXPECT_EQ(services.egress[1].self.all_of.size(), 1U);
  EXPECT_FALSE(services.egress[0].ports.has_value());
}

TEST(DecodeCalicoPolicy, ProtocolsAndPorts) {
  const net::Protocol udplite{136};
  const auto ports_of = [](const std::string& rule) {
    return ingress_rule(PolicyKind::kCalicoNetworkPolicy, "action: Allow, " + rule);
  };
  EXPECT_FALSE(ports_of("source: {}").ports.has_value());
  EXPECT_THAT(*ports_of("protocol: TCP").ports, ElementsAre(PortMatch{net::kTcp, PortRange{}}));
  EXPECT_THAT(*ports_of("protocol: 136").ports, ElementsAre(PortMatch{udplite, PortRange{}}));
  EXPECT_THAT(*ports_of("protocol: UDPLite").ports, ElementsAre(PortMatch{udplite, PortRange{}}));
  const model::Rule both = ports_of(
      "protocol: TCP, source: {ports: ['1000:2000'], notPorts: [1500]}, "
      "destination: {ports: [80, '443', '8000:8080', http], notPorts: [8001]}");
  EXPECT_THAT(*both.ports, ElementsAre(PortMatch{net::kTcp, PortRange{80, 80}},
                                       PortMatch{net::kTcp, PortRange{443, 443}},
                                       PortMatch{net::kTcp, PortRange{8000, 8080}},
                                       PortMatch{net::kTcp, "http"}));
  EXPECT_THAT(both.not_ports, ElementsAre(PortMatch{net::kTcp, PortRange{8001, 8001}}));
  EXPECT_THAT(*both.source_ports, ElementsAre(PortMatch{net::kTcp, PortRange{1000, 2000}}));
  EXPECT_THAT(both.not_source_ports, ElementsAre(PortMatch{net::kTcp, PortRange{1500, 1500}}));
  EXPECT_THAT(*ports_of("destination: {ports: [http]}").ports,
              ElementsAre(PortMatch{net::kTcp, "http"}, PortMatch{net::kUdp, "http"},
                          PortMatch{net::kSctp, "http"}));
  const model::Rule negated = ports_of("notProtocol: UDP");
  EXPECT_FALSE(negated.ports.has_value());
  EXPECT_THAT(negated.not_ports, ElementsAre(PortMatch{net::kUdp, PortRange{}}));

  EXPECT_THAT(*ports_of("protocol: ICMP, icmp: {type: 8}").ports,
              ElementsAre(PortMatch{net::kIcmp, IcmpMatch{8, std::nullopt}}));
  EXPECT_THAT(*ports_of("protocol: ICMPv6, ipVersion: 6, icmp: {type: 1, code: 4}").ports,
              ElementsAre(PortMatch{net::kIcmpV6, IcmpMatch{1, uint8_t{4}}}));
  EXPECT_THAT(*ports_of("protocol: ICMP, icmp: {}").ports,
              ElementsAre(PortMatch{net::kIcmp, PortRange{}}));
  const model::Rule not_icmp = ports_of("protocol: 1, notICMP: {type: 8, code: 0}");
  EXPECT_THAT(*not_icmp.ports, ElementsAre(PortMatch{net::kIcmp, PortRange{}}));
  EXPECT_THAT(not_icmp.not_ports, ElementsAre(PortMatch{net::kIcmp, IcmpMatch{8, uint8_t{0}}}));
  EXPECT_EQ(ports_of("ipVersion: 6").family, net::Family::kIPv6);
  EXPECT_EQ(ports_of("metadata: {annotations: {name: web}}").name, "web");
}

// What cannot be enforced never opens anything, and says so.
TEST(DecodeCalicoPolicy, NeverMatches) {
  const struct {
    const char* rule;
    bool matches;
    const char* warning;
  } kCases[] = {
      {"action: Allow, http: {methods: [GET], paths: [{prefix: /a}]}", false,
       "spec.ingress[0]: HTTP requests are not inspected: the rule never matches"},
      {"action: Allow, source: {domains: [x.org]}", false,
       "spec.ingress[0].source.domains: unknown field, without effect"},
      {"action: Pass, wildcard: 1", false, "spec.ingress[0].wildcard: unknown field"},
      {"action: Deny, source: {domains: [x.org]}", true,
       "spec.ingress[0].source.domains: unknown field"},
      {"action: Log, wildcard: 1", true, "spec.ingress[0].wildcard: unknown field"},
  };
  for (const auto& c : kCases) {
    const model::Policy policy =
        namespaced(std::string("ingress: [{") + c.rule + "}, {action: Allow}]");
    ASSERT_EQ(policy.ingress.size(), 2U) << c.rule;
    EXPECT_EQ(!policy.ingress[0].ports.has_value(), c.matches) << c.rule;
    EXPECT_EQ(policy.ingress[1], model::Rule());
    ASSERT_FALSE(policy.warnings.empty()) << c.rule;
    EXPECT_THAT(policy.warnings, ::testing::Contains(HasSubstr(c.warning))) << c.rule;
  }
  EXPECT_THAT(namespaced("doNotTrack: true").warnings,
              ElementsAre("spec.doNotTrack: unknown field, without effect"));
}

TEST(DecodeCalicoPolicy, ProblemsNameFieldValueAndWhatIsValid) {
  const std::string many_ports = [] {
    std::string text;
    for (int i = 1; i <= 10'001; ++i) text += std::to_string(i) + ", ";
    return "ingress: [{action: Allow, protocol: TCP, destination: {ports: [" + text + "]}}]";
  }();
  const struct {
    PolicyKind kind;
    std::string spec;
    const char* problem;
  } kCases[] = {
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Drop}]",
       "spec.ingress[0].action: \"Drop\": must be one of \"Allow\", \"Deny\", \"Log\", \"Pass\""},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{}]", "spec.ingress[0].action: required"},
      {PolicyKind::kCalicoNetworkPolicy, "selector: a = 'b'",
       "spec.selector: \"a = 'b'\": column 3: found \"=\", expected one of"},
      {PolicyKind::kCalicoNetworkPolicy, "selector: global()",
       "spec.selector: \"global()\": column 1: global() is valid only in"},
      {PolicyKind::kGlobalNetworkPolicy, "namespaceSelector: global()",
       "spec.namespaceSelector: \"global()\": column 1: global() is valid only in"},
      {PolicyKind::kCalicoNetworkPolicy,
       "egress: [{action: Allow, destination: {namespaceSelector: global() && has(a)}}]",
       "namespaceSelector: \"global() && has(a)\": column 1: global() may only stand alone"},
      {PolicyKind::kCalicoNetworkPolicy, "types: [Ingress, Ingress]",
       "spec.types[1]: \"Ingress\": stands there twice"},
      {PolicyKind::kCalicoNetworkPolicy, "types: [ingress]",
       "spec.types[0]: \"ingress\": must be \"Ingress\" or \"Egress\""},
      {PolicyKind::kCalicoNetworkPolicy, "order: first", "spec.order: \"first\": must be a number"},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Allow, destination: {ports: [80]}}]",
       "spec.ingress[0].destination: port numbers need a protocol: TCP, UDP or SCTP"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, protocol: ICMP, destination: {ports: [http]}}]",
       "spec.ingress[0].destination: ports need protocol TCP, UDP or SCTP, not ICMP"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, protocol: TCP, destination: {ports: [0]}}]",
       "spec.ingress[0].destination.ports[0]: 0: must be a port between 1 and 65535"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, protocol: TCP, destination: {ports: ['90:80']}}]",
       "ports[0]: \"90:80\": must be a port"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, protocol: TCP, destination: {ports: ['70000']}}]",
       "ports[0]: \"70000\": must be a port"},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Allow, protocol: 0}]",
       "spec.ingress[0].protocol: 0: must be one of \"TCP\""},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Allow, icmp: {type: 8}}]",
       "spec.ingress[0].icmp: needs protocol ICMP or ICMPv6"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, protocol: ICMP, icmp: {code: 8}}]",
       "spec.ingress[0].icmp.type: required: a code needs a type"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, protocol: ICMP, icmp: {type: 255}}]",
       "spec.ingress[0].icmp.type: 255: must be a whole number between 0 and 254"},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Allow, protocol: ICMP, ipVersion: 6}]",
       "spec.ingress[0].ipVersion: protocol ICMP goes with IPv4 only"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, notProtocol: ICMPv6, ipVersion: 4}]",
       "spec.ingress[0].ipVersion: notProtocol ICMPv6 goes with IPv6 only"},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Allow, ipVersion: 5}]",
       "spec.ingress[0].ipVersion: 5: must be 4 or 6"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, source: {nets: [10.0.0.0/8]}, destination: {notNets: ['::1']}}]",
       "spec.ingress[0]: IPv4 and IPv6 CIDRs cannot stand in one rule"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, ipVersion: 6, source: {nets: [10.0.0.0/8]}}]",
       "spec.ingress[0]: the CIDRs must be of the family that ipVersion names"},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Allow, source: {nets: [10.1.0.0/8]}}]",
       "source.nets[0]: \"10.1.0.0/8\": has bits set behind the prefix; did you mean 10.0.0.0/8?"},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Allow, source: {nets: [10.1]}}]",
       "source.nets[0]: 1.01E1: must be a string"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, source: {notNets: [0.0.0.0/0]}}]",
       "source.notNets[0]: \"0.0.0.0/0\": excludes every address of its family"},
      {PolicyKind::kCalicoNetworkPolicy, many_ports,
       "spec.ingress[0].destination.ports: 10001 ports: at most 10000 are allowed"},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Allow, protocol: ''}]",
       "spec.ingress[0].protocol: \"\": must be the name or number of a protocol"},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Allow, notProtocol: ''}]",
       "spec.ingress[0].notProtocol: \"\": must be the name or number of a protocol"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, destination: {services: {name: a}}}]",
       "spec.ingress[0].destination.services: services may stand only in the source of ingress"},
      {PolicyKind::kCalicoNetworkPolicy,
       "egress: [{action: Allow, protocol: TCP, destination: {services: {name: a}, ports: [1]}}]",
       "spec.egress[0].destination.services: cannot stand beside ports"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, source: {services: {name: a}, selector: has(b)}}]",
       "spec.ingress[0].source.services: cannot stand beside selector"},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Allow, source: {services: {}}}]",
       "spec.ingress[0].source.services.name: required"},
      {PolicyKind::kGlobalNetworkPolicy,
       "ingress: [{action: Allow, source: {services: {name: a}}}]",
       "spec.ingress[0].source.services.namespace: required"},
      {PolicyKind::kCalicoNetworkPolicy, "egress: [{action: Allow, http: {methods: [GET]}}]",
       "spec.egress[0].http: may stand in ingress rules only"},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Deny, http: {methods: [GET]}}]",
       "spec.ingress[0].http: needs action Allow"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, protocol: UDP, http: {methods: [GET]}}]",
       "spec.ingress[0].http: needs protocol TCP"},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Allow, http: {methods: [GET, GET]}}]",
       "spec.ingress[0].http.methods[1]: \"GET\": stands there twice"},
      {PolicyKind::kCalicoNetworkPolicy, "ingress: [{action: Allow, http: {paths: [{exact: a}]}}]",
       "spec.ingress[0].http.paths[0].exact: \"a\": must begin with '/'"},
      {PolicyKind::kCalicoNetworkPolicy,
       "ingress: [{action: Allow, http: {paths: [{exact: /a, prefix: /b}]}}]",
       "spec.ingress[0].http.paths[0]: needs exactly one of exact and prefix"},
      {PolicyKind::kGlobalNetworkPolicy, "doNotTrack: true",
       "spec.applyOnForward: required: must be true with doNotTrack"},
      {PolicyKind::kGlobalNetworkPolicy, "doNotTrack: true, preDNAT: true, applyOnForward: true",
       "spec.preDNAT: cannot stand beside doNotTrack"},
      {PolicyKind::kGlobalNetworkPolicy,
       "preDNAT: true, applyOnForward: true, egress: [{action: Allow}]",
       "spec.egress: must be empty with preDNAT"},
      {PolicyKind::kGlobalNetworkPolicy, "preDNAT: true, applyOnForward: true, types: [Egress]",
       "spec.types: Egress cannot stand beside preDNAT"},
      {PolicyKind::kGlobalNetworkPolicy, "performanceHints: [Fast]",
       "spec.performanceHints[0]: \"Fast\": must be \"AssumeNeededOnEveryNode\""},
      {PolicyKind::kStagedNetworkPolicy, "stagedAction: Drop",
       "spec.stagedAction: \"Drop\": must be one of \"Set\", \"Delete\", \"Learn\", \"Ignore\""},
      {PolicyKind::kStagedNetworkPolicy, "stagedAction: Delete, tier: ops, selector: all()",
       "spec.selector: must be empty with stagedAction Delete"},
      {PolicyKind::kStagedKubernetesNetworkPolicy, "policyTypes: [ingress]",
       "spec.policyTypes[0]: \"ingress\""},
  };
  for (const auto& c : kCases) {
    const Read result = read(c.kind, c.spec);
    EXPECT_THAT(result.problems, ::testing::Contains(HasSubstr(c.problem))) << c.spec;
    EXPECT_TRUE(result.policy.ingress.empty() && result.policy.egress.empty()) << c.spec;
    EXPECT_TRUE(result.policy.applies_ingress || result.policy.applies_egress) << c.spec;
  }
}

TEST(DecodeCalicoPolicy, AnInvalidPolicyKeepsWhatItSelects) {
  const Read result = read(PolicyKind::kGlobalNetworkPolicy,
                           "selector: a == 'b', types: [Egress], tier: ops, order: 7, "
                           "egress: [{action: Allow}, {action: Open}]");
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_EQ(result.policy.selects.pods.canonical(), "a == \"b\"");
  EXPECT_EQ(result.policy.tier, "ops");
  EXPECT_EQ(result.policy.order, 7);
  EXPECT_FALSE(result.policy.applies_ingress);
  EXPECT_TRUE(result.policy.applies_egress);
  EXPECT_TRUE(result.policy.egress.empty());
}

TEST(DecodeCalicoPolicy, Staged) {
  EXPECT_EQ(valid(PolicyKind::kStagedNetworkPolicy, "").staged, model::StagedAction::kSet);
  const model::Policy gone =
      valid(PolicyKind::kStagedGlobalNetworkPolicy, "stagedAction: Delete, tier: ops");
  EXPECT_EQ(gone.staged, model::StagedAction::kDelete);
  EXPECT_EQ(gone.tier, "ops");
  EXPECT_EQ(namespaced("").staged, std::nullopt);
  ObjectReader reader;
  const json::value object = yaml(
      "{metadata: {name: p, namespace: dev}, spec: {stagedAction: Learn, podSelector: "
      "{matchLabels: {a: b}}, policyTypes: [Egress]}}");
  const model::Policy kubernetes = decode_policy(PolicyKind::kStagedKubernetesNetworkPolicy,
                                                 {"dev", "p"}, object.get_object(), reader);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(kubernetes.id.to_string(), "StagedKubernetesNetworkPolicy dev/p");
  EXPECT_EQ(kubernetes.staged, model::StagedAction::kLearn);
  EXPECT_FALSE(kubernetes.selects.inherited);
  EXPECT_EQ(kubernetes.selects.pods.canonical(), "a == \"b\"");
  EXPECT_TRUE(kubernetes.applies_egress);
}

}  // namespace
}  // namespace caracal::calico
