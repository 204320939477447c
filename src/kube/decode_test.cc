#include "kube/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jsonio/yaml.h"

namespace caracal::kube {
namespace {

using model::CidrPeer;
using model::EndpointPeer;
using model::NamedPort;
using model::PortMatch;
using net::PortRange;
using selector::Op;
using selector::Selector;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

json::value yaml(std::string_view text) {
  auto documents = jsonio::parse_yaml(text);
  EXPECT_TRUE(documents.has_value()) << documents.error().message;
  return documents->at(0);
}

net::IpAddr ip(std::string_view text) { return *net::IpAddr::parse(text); }
net::Cidr cidr(std::string_view text) { return *net::Cidr::parse(text); }
Selector label(const char* key, const char* value) {
  return Selector::requirement(Op::kIn, key, {value});
}

// ---- Pod, Namespace, Node ----

TEST(DecodePodTest, TakesWhatTheNetworkNeeds) {
  const auto pod = decode_pod(yaml(R"(
metadata:
  name: web-0
  namespace: dev
  uid: 6f1c
  labels: {app: web, tier: front}
  deletionTimestamp: "2024-05-01T00:00:00Z"
spec:
  nodeName: node1
  serviceAccountName: builder
  initContainers:
  - name: once
    ports: [{name: once, containerPort: 1}]
  - name: sidecar
    restartPolicy: Always
    ports: [{name: metrics, containerPort: 9090}]
  containers:
  - name: a
    ports:
    - {name: http, containerPort: 80, protocol: TCP}
    - {containerPort: 81}
    - {name: dns, containerPort: 53, protocol: UDP}
  - name: b
    ports: [{name: assoc, containerPort: 9899, protocol: SCTP}]
status:
  phase: Running
  podIP: 10.0.0.9
  podIPs: [{ip: 10.0.0.9}, {ip: "fd00::9"}]
)"));
  ASSERT_TRUE(pod.has_value()) << pod.error().message;
  model::Pod expected;
  expected.name = {"dev", "web-0"};
  expected.uid = "6f1c";
  expected.labels = {{"app", "web"}, {"tier", "front"}};
  expected.service_account = "builder";
  expected.node = "node1";
  expected.addresses = {ip("10.0.0.9"), ip("fd00::9")};
  expected.ports = {{"http", net::kTcp, 80},
                    {"dns", net::kUdp, 53},
                    {"assoc", net::kSctp, 9899},
                    {"metrics", net::kTcp, 9090}};
  EXPECT_EQ(*pod, expected);
  EXPECT_TRUE(pod->networked());
}

TEST(DecodePodTest, Variants) {
  const auto decode = [](const std::string& spec, const std::string& status) {
    return *decode_pod(yaml("{metadata: {name: p, namespace: n}, spec: {" + spec + "}, status: {" +
                            status + "}}"));
  };
  EXPECT_EQ(decode("", ""), (model::Pod{.name = {"n", "p"}}));
  EXPECT_THAT(decode("", "podIP: 10.0.0.1").addresses, ElementsAre(ip("10.0.0.1")));
  EXPECT_THAT(decode("", "podIPs: [], podIP: 10.0.0.1").addresses, ElementsAre(ip("10.0.0.1")));
  EXPECT_THAT(decode("", "podIPs: null, podIP: ''").addresses, ElementsAre());
  EXPECT_THAT(decode("", "podIPs: [{ip: nonsense}, {ip: 'fd00::1'}, {}]").addresses,
              ElementsAre(ip("fd00::1")));
  EXPECT_TRUE(decode("hostNetwork: true", "").host_network);
  EXPECT_EQ(decode("serviceAccount: old", "").service_account, "old");
  EXPECT_TRUE(decode("", "phase: Succeeded").finished);
  EXPECT_TRUE(decode("", "phase: Failed").finished);
  for (const char* phase : {"Pending", "Running", "Unknown"}) {
    EXPECT_FALSE(decode("", std::string("phase: ") + phase).finished);
  }
}

TEST(DecodePodTest, ErrorsNameObjectFieldAndValue) {
  const struct {
    const char* text;
    const char* message;
  } kCases[] = {
      {"7", "7: must be an object"},
      {"{kind: Pod}", "metadata: required"},
      {"{metadata: {namespace: a}}", "metadata.name: required"},
      {"{metadata: {name: 7}}", "metadata.name: 7: must be a string"},
      {"{metadata: [1]}", "metadata: [1]: must be an object"},
      {"{metadata: {name: p, namespace: n, labels: {a: 1}}}",
       "Pod n/p: metadata.labels.a: 1: must be a string"},
      {"{metadata: {name: p, namespace: n}, spec: 4}", "Pod n/p: spec: 4: must be an object"},
      {"{metadata: {name: p, namespace: n}, spec: {hostNetwork: 'yes'}}",
       "Pod n/p: spec.hostNetwork: \"yes\": must be true or false"},
      {"{metadata: {name: p, namespace: n}, spec: {containers: [{ports: [{name: a, containerPort: "
       "0}]}]}}",
       "Pod n/p: spec.containers[0].ports[0].containerPort: 0: must be between 1 and 65535"},
      {"{metadata: {name: p, namespace: n}, spec: {containers: [{}, {ports: [{name: a}]}]}}",
       "Pod n/p: spec.containers[1].ports[0].containerPort: required"},
      {"{metadata: {name: p, namespace: n}, spec: {containers: [{ports: [{name: a, containerPort: "
       "1, "
       "protocol: tcp}]}]}}",
       "Pod n/p: spec.containers[0].ports[0].protocol: \"tcp\": unsupported, must be one of "
       "\"SCTP\", "
       "\"TCP\", \"UDP\""},
      {"{metadata: {name: p, namespace: n}, spec: {containers: {a: b}}}",
       "Pod n/p: spec.containers: {\"a\":\"b\"}: must be a list"},
  };
  for (const auto& c : kCases) {
    const auto pod = decode_pod(yaml(c.text));
    ASSERT_FALSE(pod.has_value()) << c.text;
    EXPECT_EQ(pod.error().message, c.message);
    EXPECT_EQ(pod.error().code, Errc::kInvalid);
  }
}

TEST(DecodeNamespaceTest, NameAndLabels) {
  const auto ns = decode_namespace(
      yaml("{metadata: {name: dev, labels: {kubernetes.io/metadata.name: dev, env: test}}}"));
  ASSERT_TRUE(ns.has_value());
  EXPECT_EQ(*ns,
            (model::Namespace{"dev", {{"kubernetes.io/metadata.name", "dev"}, {"env", "test"}}}));
}

TEST(DecodeNodeTest, CidrsAndAddresses) {
  const auto node = decode_node(yaml(R"(
metadata: {name: node1, labels: {a: b}, annotations: {x: "1"}}
spec: {podCIDR: 10.9.0.0/24, podCIDRs: [10.1.1.0/24, "fd00:1::/64"]}
status:
  addresses:
  - {type: Hostname, address: node1}
  - {type: ExternalIP, address: 192.0.2.9}
  - {type: InternalIP, address: 192.0.2.1}
  - {type: InternalIP, address: 192.0.2.2}
  - {type: InternalIP, address: "2001:db8::1"}
)"));
  ASSERT_TRUE(node.has_value()) << node.error().message;
  EXPECT_EQ(node->name, "node1");
  EXPECT_EQ(node->labels, (model::Labels{{"a", "b"}}));
  EXPECT_EQ(node->annotations, (model::Labels{{"x", "1"}}));
  EXPECT_THAT(node->pod_cidrs, ElementsAre(cidr("10.1.1.0/24"), cidr("fd00:1::/64")));
  EXPECT_THAT(node->internal_addresses, ElementsAre(ip("192.0.2.1"), ip("2001:db8::1")));

  EXPECT_THAT(decode_node(yaml("{metadata: {name: n}, spec: {podCIDR: 10.9.0.0/24}}"))->pod_cidrs,
              ElementsAre(cidr("10.9.0.0/24")));
  EXPECT_THAT(decode_node(yaml("{metadata: {name: n}, spec: {podCIDR: ''}}"))->pod_cidrs,
              ElementsAre());
  EXPECT_EQ(
      decode_node(yaml("{metadata: {name: n}, spec: {podCIDRs: [10.9.0.0/99]}}")).error().message,
      "Node n: spec.podCIDRs[0]: \"10.9.0.0/99\": must be a CIDR such as 10.0.1.0/24");
}

// ---- NetworkPolicy ----

model::PolicyUpdate policy(const std::string& spec) {
  return decode_network_policy(
      yaml("{metadata: {name: web, namespace: dev}, spec: {" + spec + "}}"));
}

// A policy that is valid.
model::Policy valid(const std::string& spec) {
  model::PolicyUpdate update = policy(spec);
  EXPECT_EQ(update.key.to_string(), "NetworkPolicy dev/web");
  EXPECT_FALSE(update.invalid.has_value()) << *update.invalid;
  EXPECT_TRUE(update.value.has_value());
  return *update.value;
}

TEST(DecodeNetworkPolicyTest, PolicyTypesAndTheirInference) {
  const struct {
    const char* spec;
    bool ingress;
    bool egress;
  } kCases[] = {
      {"podSelector: {}", true, false},
      {"podSelector: {}, policyTypes: null", true, false},
      {"podSelector: {}, policyTypes: []", true, false},
      {"podSelector: {}, ingress: [{}]", true, false},
      {"podSelector: {}, egress: [{}]", true, true},
      {"podSelector: {}, egress: []", true, false},
      {"podSelector: {}, policyTypes: [Egress]", false, true},
      {"podSelector: {}, policyTypes: [Egress], ingress: [{}]", false, true},
      {"podSelector: {}, policyTypes: [Ingress], egress: [{}]", true, false},
      {"podSelector: {}, policyTypes: [Ingress, Egress]", true, true},
      {"", true, false},
  };
  for (const auto& c : kCases) {
    const model::Policy p = valid(c.spec);
    EXPECT_EQ(p.applies_ingress, c.ingress) << c.spec;
    EXPECT_EQ(p.applies_egress, c.egress) << c.spec;
    EXPECT_TRUE(c.ingress || p.ingress.empty()) << c.spec;
    EXPECT_TRUE(c.egress || p.egress.empty()) << c.spec;
  }
}

TEST(DecodeNetworkPolicyTest, SelectsPodsOfItsNamespace) {
  const model::Policy all = valid("podSelector: {}");
  EXPECT_EQ(all.selects, (EndpointPeer{Selector(), Selector(), "dev"}));
  EXPECT_EQ(all.tier, "default");
  EXPECT_EQ(all.order, 1000);
  const model::Policy some = valid("podSelector: {matchLabels: {app: web}}");
  EXPECT_EQ(some.selects, (EndpointPeer{label("app", "web"), Selector(), "dev"}));
}

TEST(DecodeNetworkPolicyTest, AbsentNullAndEmptyListsMeanEverything) {
  for (const char* rule : {"{}", "{from: null, ports: null}", "{from: [], ports: []}"}) {
    const model::Policy p = valid(std::string("ingress: [") + rule + "]");
    ASSERT_EQ(p.ingress.size(), 1u) << rule;
    EXPECT_EQ(p.ingress[0], model::Rule{}) << rule;
  }
  for (const char* ingress : {"ingress: []", "ingress: null", ""}) {
    EXPECT_TRUE(valid(ingress).ingress.empty());
  }
}

TEST(DecodeNetworkPolicyTest, Peers) {
  const model::Policy p = valid(R"(
  ingress: [{from: [
    {podSelector: {matchLabels: {a: b}}},
    {namespaceSelector: {matchLabels: {c: d}}},
    {namespaceSelector: {}, podSelector: {matchLabels: {a: b}}},
    {podSelector: {}},
    {namespaceSelector: {}, podSelector: null},
    {ipBlock: {cidr: 172.17.0.0/16, except: [172.17.1.0/24, 172.17.2.3/32]}},
    {ipBlock: {cidr: "2001:db8::/32", except: null}}]}],
  egress: [{to: [{ipBlock: {cidr: 10.1.2.3/8}}]}])");
  ASSERT_EQ(p.ingress.size(), 1u);
  ASSERT_EQ(p.ingress[0].peer.all_of.size(), 1u);
  EXPECT_THAT(p.ingress[0].peer.all_of[0],
              ElementsAre(model::Peer(EndpointPeer{label("a", "b"), Selector(), "dev"}),
                          model::Peer(EndpointPeer{Selector(), label("c", "d"), std::nullopt}),
                          model::Peer(EndpointPeer{label("a", "b"), Selector(), std::nullopt}),
                          model::Peer(EndpointPeer{Selector(), Selector(), "dev"}),
                          model::Peer(EndpointPeer{Selector(), Selector(), std::nullopt}),
                          model::Peer(CidrPeer{cidr("172.17.0.0/16"),
                                               {cidr("172.17.1.0/24"), cidr("172.17.2.3/32")}}),
                          model::Peer(CidrPeer{cidr("2001:db8::/32"), {}})));
  ASSERT_EQ(p.egress.size(), 1u);
  EXPECT_THAT(p.egress[0].peer.all_of[0],
              ElementsAre(model::Peer(CidrPeer{cidr("10.0.0.0/8"), {}})));
  EXPECT_FALSE(p.egress[0].ports.has_value());
}

TEST(DecodeNetworkPolicyTest, Ports) {
  const model::Policy p = valid(R"(
  ingress: [{ports: [
    {port: 80},
    {port: 443, protocol: TCP},
    {port: 53, protocol: UDP},
    {protocol: SCTP},
    {},
    {port: http},
    {port: dns-tcp2, protocol: UDP},
    {port: 32000, endPort: 32768},
    {port: 65535, endPort: 65535},
    {port: null, protocol: null}]}])");
  ASSERT_TRUE(p.ingress.at(0).ports.has_value());
  EXPECT_THAT(
      *p.ingress[0].ports,
      ElementsAre(
          PortMatch{net::kTcp, PortRange{80, 80}}, PortMatch{net::kTcp, PortRange{443, 443}},
          PortMatch{net::kUdp, PortRange{53, 53}}, PortMatch{net::kSctp, PortRange{}},
          PortMatch{net::kTcp, PortRange{}}, PortMatch{net::kTcp, "http"},
          PortMatch{net::kUdp, "dns-tcp2"}, PortMatch{net::kTcp, PortRange{32000, 32768}},
          PortMatch{net::kTcp, PortRange{65535, 65535}}, PortMatch{net::kTcp, PortRange{}}));
  EXPECT_TRUE(p.ingress[0].peer.any());
}

TEST(DecodeNetworkPolicyTest, ErrorsNameEverythingThatIsWrong) {
  const struct {
    const char* spec;
    const char* message;  // behind "NetworkPolicy dev/web: "
  } kCases[] = {
      {"ingress: [{ports: [{port: 80}, {port: 70000}]}]",
       "spec.ingress[0].ports[1].port: 70000: must be between 1 and 65535"},
      {"ingress: [{ports: [{port: 0}]}]",
       "spec.ingress[0].ports[0].port: 0: must be between 1 and 65535"},
      {"ingress: [{ports: [{port: -1}]}]",
       "spec.ingress[0].ports[0].port: -1: must be between 1 and 65535"},
      {"ingress: [{ports: [{port: 1.5}]}]",
       "spec.ingress[0].ports[0].port: 1.5E0: must be a number between 1 and 65535"},
      {"ingress: [{ports: [{port: '80'}]}]",
       "spec.ingress[0].ports[0].port: \"80\": a port name holds at least one letter; a port "
       "number is "
       "written without quotes"},
      {"ingress: [{ports: [{port: Http}]}]",
       "spec.ingress[0].ports[0].port: \"Http\": a port name holds only lower-case letters, digits "
       "and "
       "'-'"},
      {"ingress: [{ports: [{port: a-very-long-port-name}]}]",
       "spec.ingress[0].ports[0].port: \"a-very-long-port-name\": a port name has 1 to 15 "
       "characters"},
      {"ingress: [{ports: [{port: ''}]}]",
       "spec.ingress[0].ports[0].port: \"\": a port name has 1 to 15 characters"},
      {"ingress: [{ports: [{port: a--b}]}]",
       "spec.ingress[0].ports[0].port: \"a--b\": in a port name '-' stands alone between letters "
       "or "
       "digits"},
      {"ingress: [{ports: [{port: 80, protocol: ICMP}]}]",
       "spec.ingress[0].ports[0].protocol: \"ICMP\": unsupported, must be one of \"SCTP\", "
       "\"TCP\", "
       "\"UDP\""},
      {"egress: [{ports: [{endPort: 90}]}]",
       "spec.egress[0].ports[0].endPort: 90: needs a numeric port beside it"},
      {"egress: [{ports: [{port: http, endPort: 90}]}]",
       "spec.egress[0].ports[0].endPort: 90: needs a numeric port beside it"},
      {"egress: [{ports: [{port: 91, endPort: 90}]}]",
       "spec.egress[0].ports[0].endPort: 90: must not be below port 91"},
      {"egress: [{ports: [{port: 91, endPort: 65536}]}]",
       "spec.egress[0].ports[0].endPort: 65536: must be between 1 and 65535"},
      {"egress: [{ports: {port: 91}}]", "spec.egress[0].ports: {\"port\":91}: must be a list"},
      {"egress: [null]", "spec.egress[0]: null: must be an object"},
      {"egress: [{to: [{}]}]",
       "spec.egress[0].to[0]: needs a peer: podSelector, namespaceSelector, both, or ipBlock"},
      {"egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]",
       "spec.egress[0].to[0]: ipBlock cannot stand beside podSelector or namespaceSelector"},
      {"egress: [{to: [{ipBlock: {}}]}]", "spec.egress[0].to[0].ipBlock.cidr: required"},
      {"egress: [{to: [{ipBlock: {cidr: 10.0.0.0/33}}]}]",
       "spec.egress[0].to[0].ipBlock.cidr: \"10.0.0.0/33\": must be a CIDR such as 10.9.8.0/24 or "
       "2001:db8::/64"},
      {"egress: [{to: [{ipBlock: {cidr: 10.0.0.1}}]}]",
       "spec.egress[0].to[0].ipBlock.cidr: \"10.0.0.1\": must be a CIDR such as 10.9.8.0/24 or "
       "2001:db8::/64"},
      {"egress: [{to: [{ipBlock: {cidr: 7}}]}]",
       "spec.egress[0].to[0].ipBlock.cidr: 7: must be a string"},
      {"egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]",
       "spec.egress[0].to[0].ipBlock.except[0]: \"11.0.0.0/16\": must be inside 10.0.0.0/8 and "
       "smaller "
       "than it"},
      {"egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]",
       "spec.egress[0].to[0].ipBlock.except[0]: \"10.0.0.0/8\": must be inside 10.0.0.0/8 and "
       "smaller "
       "than it"},
      {"egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: ['fd00::/64']}}]}]",
       "spec.egress[0].to[0].ipBlock.except[0]: \"fd00::/64\": must be inside 10.0.0.0/8 and "
       "smaller than "
       "it"},
      {"policyTypes: [Ingress, ingress]",
       "spec.policyTypes[1]: \"ingress\": unsupported, must be \"Ingress\" or \"Egress\""},
      {"policyTypes: Egress", "spec.policyTypes: \"Egress\": must be a list"},
      {"podSelector: [a]", "spec.podSelector: [\"a\"]: must be an object"},
      {"ingress: {from: []}", "spec.ingress: {\"from\":[]}: must be a list"},
      {"policyTypes: [X], ingress: [{ports: [{port: 0}]}, {from: [{}]}]",
       "spec.policyTypes[0]: \"X\": unsupported, must be \"Ingress\" or \"Egress\"; "
       "spec.ingress[0].ports[0].port: 0: must be between 1 and 65535; spec.ingress[1].from[0]: "
       "needs a "
       "peer: podSelector, namespaceSelector, both, or ipBlock"},
  };
  for (const auto& c : kCases) {
    const model::PolicyUpdate update = policy(c.spec);
    ASSERT_TRUE(update.invalid.has_value()) << c.spec;
    EXPECT_EQ(*update.invalid, std::string("NetworkPolicy dev/web: ") + c.message);
    ASSERT_TRUE(update.value.has_value()) << c.spec;
    EXPECT_TRUE(update.value->ingress.empty()) << c.spec;
    EXPECT_TRUE(update.value->egress.empty()) << c.spec;
    EXPECT_EQ(update.value->selects.in_namespace, "dev") << c.spec;
  }
}

TEST(DecodeNetworkPolicyTest, AnInvalidPolicyKeepsWhatIsKnownAndAllowsNothing) {
  const model::PolicyUpdate update = policy(
      "podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], "
      "egress: [{}, {ports: [{port: 99999}]}]");
  ASSERT_TRUE(update.invalid.has_value());
  ASSERT_TRUE(update.value.has_value());
  EXPECT_EQ(update.value->selects, (EndpointPeer{label("app", "web"), Selector(), "dev"}));
  EXPECT_FALSE(update.value->applies_ingress);
  EXPECT_TRUE(update.value->applies_egress);
  EXPECT_TRUE(update.value->egress.empty());
}

TEST(DecodeNetworkPolicyTest, BadSelectorsNameTheirField) {
  const model::PolicyUpdate update = policy(
      "podSelector: {matchExpressions: [{key: a, operator: Near, values: [x]}]}, "
      "ingress: [{from: [{namespaceSelector: {matchLabels: {c: 7}}}]}]");
  ASSERT_TRUE(update.invalid.has_value());
  EXPECT_THAT(*update.invalid, HasSubstr("spec.podSelector.matchExpressions[0].operator: "));
  EXPECT_THAT(*update.invalid, HasSubstr("\"Near\""));
  EXPECT_THAT(*update.invalid,
              HasSubstr("; spec.ingress[0].from[0].namespaceSelector.matchLabels"));
  // The selector is not known, so it selects the whole namespace: closed, not open.
  EXPECT_TRUE(update.value->selects.pods.matches_everything());
}

TEST(DecodeNetworkPolicyTest, WithoutANameOrANamespace) {
  const model::PolicyUpdate nameless = decode_network_policy(yaml("{metadata: {namespace: dev}}"));
  EXPECT_EQ(nameless.invalid, "NetworkPolicy: metadata.name: required");
  EXPECT_FALSE(nameless.value.has_value());
  const model::PolicyUpdate homeless = decode_network_policy(yaml("{metadata: {name: web}}"));
  EXPECT_EQ(homeless.invalid, "NetworkPolicy web: metadata.namespace: required");
}

}  // namespace
}  // namespace caracal::kube
