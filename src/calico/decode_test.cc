#include "calico/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "jsonio/yaml.h"
#include "model/world.h"

namespace caracal::calico {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

json::value yaml(std::string_view text) {
  auto documents = jsonio::parse_yaml(text);
  EXPECT_TRUE(documents.has_value()) << documents.error().message << "\n" << text;
  return documents ? documents->at(0) : json::value();
}

// A world behind a decoder.
struct Follower {
  ObjectDecoder decoder{"node1"};
  model::World world;

  std::vector<Finding> put(std::string_view text) {
    return take(decoder.apply(yaml(text)).value());
  }
  void gone(std::string_view version, std::string_view kind, model::ObjectName name) {
    const Collection* collection = find_collection(version, kind);
    ASSERT_NE(collection, nullptr);
    take(decoder.apply(*collection, name, nullptr));
  }
  std::vector<Finding> take(const Decoded& decoded) {
    for (const model::Update& update : decoded.updates) world.apply(update);
    return decoded.findings;
  }
  std::vector<std::string> policies() const {
    std::vector<std::string> names;
    for (const auto& [id, policy] : world.policies) names.push_back(id.to_string());
    return names;
  }
  std::string selects(std::string_view name) const {
    for (const auto& [id, policy] : world.policies) {
      if (id.name.to_string() == name) return policy.selects.pods.canonical();
    }
    return "absent";
  }
};

std::string policy(std::string_view version, std::string_view name, std::string_view selector) {
  return "{apiVersion: " + std::string(version) +
         ", kind: NetworkPolicy, metadata: {name: " + std::string(name) +
         ", namespace: dev}, spec: {selector: " + std::string(selector) + "}}";
}
constexpr std::string_view kShown = "projectcalico.org/v3";
constexpr std::string_view kStored = "crd.projectcalico.org/v1";

TEST(ObjectDecoder, Collections) {
  EXPECT_EQ(find_collection("v1", "Pod")->path(), "/api/v1/pods");
  EXPECT_EQ(find_collection(kStored, "NetworkPolicy")->path(),
            "/apis/crd.projectcalico.org/v1/networkpolicies");
  EXPECT_EQ(find_collection("v1", "ConfigMap"), nullptr);
  ObjectDecoder decoder;
  const auto other = decoder.apply(yaml("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::kUnsupported);
  EXPECT_EQ(decoder.apply(yaml("{apiVersion: v1, kind: Pod}")).error().code, Errc::kInvalid);
  EXPECT_EQ(decoder.apply(json::value(3)).error().code, Errc::kUnsupported);
}

TEST(ObjectDecoder, KubernetesKinds) {
  Follower f;
  EXPECT_THAT(f.put("{apiVersion: v1, kind: Namespace, metadata: {name: dev}}"), IsEmpty());
  f.put("{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: dev}, spec: {}}");
  f.put(
      "{apiVersion: v1, kind: ServiceAccount, metadata: {name: sa, namespace: dev, labels: "
      "{x: y}}}");
  f.put(R"({apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {
      name: db-1, namespace: dev, labels: {kubernetes.io/service-name: db}}, endpoints: [
      {addresses: [10.0.0.1], conditions: {ready: true}}, {addresses: [10.0.0.2], conditions:
      {ready: false}}, {addresses: [10.0.0.3]}], ports: [{name: sql, port: 5432}, {protocol: UDP}]})");
  f.put(
      "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: "
      "dev}, spec: {podSelector: {}}}");
  EXPECT_TRUE(f.world.namespaces.contains("dev"));
  EXPECT_TRUE(f.world.pods.contains({"dev", "a"}));
  EXPECT_EQ(f.world.service_accounts.at({"dev", "sa"}).labels.at("x"), "y");
  const model::EndpointSlice& slice = f.world.endpoint_slices.at({"dev", "db-1"});
  EXPECT_EQ(slice.service, "db");
  EXPECT_THAT(slice.addresses,
              ElementsAre(*net::IpAddr::parse("10.0.0.1"), *net::IpAddr::parse("10.0.0.3")));
  EXPECT_THAT(slice.ports, ElementsAre(model::ServicePort{"sql", net::kTcp, 5432},
                                       model::ServicePort{"", net::kUdp, 0}));
  EXPECT_THAT(f.policies(), ElementsAre("NetworkPolicy dev/p"));

  const auto findings = f.put(
      "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: dev, labels: 3}, spec: {}}");
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_TRUE(findings[0].invalid);
  EXPECT_EQ(findings[0].title(), "Pod dev/a");
  EXPECT_EQ(findings[0].text, "metadata.labels: 3: must be an object");
  EXPECT_TRUE(f.world.pods.empty());

  f.gone("v1", "ServiceAccount", {"dev", "sa"});
  f.gone("discovery.k8s.io/v1", "EndpointSlice", {"dev", "db-1"});
  f.gone("networking.k8s.io/v1", "NetworkPolicy", {"dev", "p"});
  f.gone("v1", "Namespace", {"", "dev"});
  EXPECT_EQ(f.world, model::World());
}

TEST(ObjectDecoder, BothGroupsAreOneObject) {
  Follower f;
  f.put(policy(kStored, "web", "has(stored)"));
  EXPECT_EQ(f.selects("dev/web"), "has(stored)");
  f.put(policy(kShown, "web", "has(shown)"));
  EXPECT_EQ(f.selects("dev/web"), "has(shown)");
  f.put(policy(kStored, "web", "has(later)"));  // what v3 says holds
  EXPECT_EQ(f.selects("dev/web"), "has(shown)");
  f.gone(kShown, "NetworkPolicy", {"dev", "web"});
  EXPECT_EQ(f.selects("dev/web"), "has(later)");
  f.gone(kStored, "NetworkPolicy", {"dev", "web"});
  EXPECT_THAT(f.policies(), IsEmpty());
  f.put(policy(kShown, "web", "has(shown)"));
  f.gone(kShown, "NetworkPolicy", {"dev", "web"});
  f.gone(kShown, "NetworkPolicy", {"dev", "web"});
  EXPECT_EQ(f.world, model::World());
}

TEST(ObjectDecoder, NamesWithTheTierInFront) {
  Follower f;
  f.put(policy(kStored, "default.web", "has(stored)"));
  EXPECT_EQ(f.selects("dev/default.web"), "has(stored)");
  f.put(policy(kShown, "web", "has(shown)"));
  EXPECT_EQ(f.selects("dev/default.web"), "absent");
  EXPECT_EQ(f.selects("dev/web"), "has(shown)");
  // Both names stored: two objects.
  f.put(policy(kStored, "web", "has(x)"));
  EXPECT_EQ(f.selects("dev/default.web"), "has(stored)");
  EXPECT_EQ(f.selects("dev/web"), "has(shown)");
  f.gone(kStored, "NetworkPolicy", {"dev", "web"});
  EXPECT_EQ(f.selects("dev/default.web"), "absent");
  f.gone(kShown, "NetworkPolicy", {"dev", "web"});
  EXPECT_THAT(f.policies(), ElementsAre("Calico NetworkPolicy dev/default.web"));
}

TEST(ObjectDecoder, DerivedPoliciesAreHiddenBehindTheirOriginals) {
  Follower f;
  f.put(policy(kShown, "knp.default.web", "has(shown)"));
  EXPECT_EQ(f.selects("dev/knp.default.web"), "has(shown)");
  f.put(
      "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: "
      "dev}, spec: {podSelector: {}}}");
  EXPECT_THAT(f.policies(), ElementsAre("NetworkPolicy dev/web"));
  f.put(policy(kShown, "knp.default.web", "has(again)"));
  EXPECT_THAT(f.policies(), ElementsAre("NetworkPolicy dev/web"));
  f.gone("networking.k8s.io/v1", "NetworkPolicy", {"dev", "web"});
  EXPECT_EQ(f.selects("dev/knp.default.web"), "has(again)");
}

TEST(ObjectDecoder, InvalidPolicies) {
  Follower f;
  const auto findings = f.put(policy(kShown, "web", "a ="));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_TRUE(findings[0].invalid);
  EXPECT_EQ(findings[0].title(), "NetworkPolicy dev/web");
  EXPECT_THAT(findings[0].text, HasSubstr("spec.selector: \"a =\": column 3"));
  ASSERT_EQ(f.world.invalid_policies.size(), 1U);
  EXPECT_EQ(f.world.invalid_policies.begin()->second.policy.selects.in_namespace, "dev");
  EXPECT_THAT(f.put(policy(kShown, "web", "has(a)")), IsEmpty());
  EXPECT_TRUE(f.world.invalid_policies.empty());
}

TEST(ObjectDecoder, Tiers) {
  Follower f;
  f.put(
      "{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: ops}, spec: {order: 5, "
      "defaultAction: Pass}}");
  f.put("{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: last}}");
  ASSERT_EQ(f.world.tiers.size(), 5U);
  EXPECT_EQ(f.world.tiers[0], (model::Tier{"ops", 5, model::Action::kPass}));
  EXPECT_EQ(f.world.tiers[4],
            (model::Tier{"last", std::numeric_limits<double>::infinity(), model::Action::kDeny}));
  const auto fixed = f.put(
      "{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: default}, spec: {order: "
      "1}}");
  ASSERT_EQ(fixed.size(), 1U);
  EXPECT_EQ(fixed[0].text, "spec.order: 1: is 1000000 for this tier, always");
  EXPECT_EQ(f.world.tiers[2], model::kDefaultTier);
  const auto bad = f.put(
      "{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: ops}, spec: {order: x}}");
  ASSERT_EQ(bad.size(), 1U);
  EXPECT_TRUE(bad[0].invalid);
  EXPECT_EQ(f.world.tiers.size(), 4U);
}

TEST(ObjectDecoder, NetworkSetsKeepWhatCanBeRead) {
  Follower f;
  const auto findings =
      f.put(R"({apiVersion: crd.projectcalico.org/v1, kind: NetworkSet, metadata: {
      name: s, namespace: dev, labels: {own: x}, annotations: {projectcalico.org/metadata:
      '{"labels": {"role": "db"}}'}}, spec: {nets: [10.0.0.0/8, 192.0.2.300, 10.0.0.0/8, "::1"]}})");
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_FALSE(findings[0].invalid);
  EXPECT_THAT(findings[0].text, HasSubstr("spec.nets[1]: \"192.0.2.300\": must be an address"));
  const model::NetworkSet& set = f.world.network_sets.at({"dev", "s"});
  EXPECT_THAT(set.labels, ElementsAre(Pair("role", "db")));
  EXPECT_THAT(set.nets, ElementsAre(*net::Cidr::parse("10.0.0.0/8"), *net::Cidr::parse("::1/128")));
  f.put("{apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, metadata: {name: g}}");
  EXPECT_TRUE(f.world.network_sets.contains({"", "g"}));
}

TEST(ObjectDecoder, HostEndpoints) {
  Follower f;
  f.put(R"({apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: h, labels:
      {a: b}}, spec: {node: node1, interfaceName: eth0, expectedIPs: [192.0.2.1, "2001:db8::1"],
      profiles: [projectcalico-default-allow], ports: [{name: ssh, protocol: TCP, port: 22}]}})");
  const model::HostEndpoint& endpoint = f.world.host_endpoints.at("h");
  EXPECT_EQ(endpoint.node, "node1");
  EXPECT_EQ(endpoint.interface, "eth0");
  EXPECT_EQ(endpoint.addresses.size(), 2U);
  EXPECT_THAT(endpoint.ports, ElementsAre(model::NamedPort{"ssh", net::kTcp, 22}));
  const auto findings = f.put(
      "{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: h}, spec: {node: "
      "node1, interfaceName: a-name-that-is-too-long}}");
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_THAT(findings[0].text, HasSubstr("at most 15 bytes"));
  EXPECT_TRUE(findings[0].invalid);
  EXPECT_TRUE(f.world.host_endpoints.empty());
}

TEST(ObjectDecoder, AutomaticHostEndpoints) {
  Follower f;
  const char* node = R"({apiVersion: v1, kind: Node, metadata: {name: n1, labels: {zone: z}},
      status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}})";
  f.put(node);
  EXPECT_TRUE(f.world.host_endpoints.empty());
  const auto settings = [](const char* endpoint) {
    return std::string(
               "{apiVersion: projectcalico.org/v3, kind: KubeControllersConfiguration, "
               "metadata: {name: default}, spec: {controllers: {node: {hostEndpoint: ") +
           endpoint + "}}}}";
  };
  EXPECT_THAT(f.put(settings(R"({autoCreate: Enabled, templates: [{generateName: lan,
      interfaceCIDRs: [192.0.2.0/24], labels: {t: x}, nodeSelector: zone == 'z'},
      {generateName: other, interfaceCIDRs: [10.0.0.0/8]}]})")),
              IsEmpty());
  ASSERT_EQ(f.world.host_endpoints.size(), 2U);
  const model::HostEndpoint& all = f.world.host_endpoints.at("n1-auto-hep");
  EXPECT_EQ(all.interface, "*");
  EXPECT_THAT(all.profiles, ElementsAre("projectcalico-default-allow"));
  EXPECT_THAT(all.labels,
              ElementsAre(Pair("projectcalico.org/created-by", "calico-kube-controllers"),
                          Pair("zone", "z")));
  const model::HostEndpoint& lan = f.world.host_endpoints.at("n1-lan-auto-hep");
  EXPECT_EQ(lan.labels.at("t"), "x");
  EXPECT_EQ(lan.addresses.size(), 1U);
  // An object of that name goes before; the automatic one comes back behind it.
  f.put(
      "{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: n1-auto-hep}, "
      "spec: {node: n1, interfaceName: eth7}}");
  EXPECT_EQ(f.world.host_endpoints.at("n1-auto-hep").interface, "eth7");
  f.put(settings("{autoCreate: Enabled}"));
  EXPECT_EQ(f.world.host_endpoints.size(), 1U);
  EXPECT_EQ(f.world.host_endpoints.at("n1-auto-hep").interface, "eth7");
  f.gone(kShown, "HostEndpoint", {"", "n1-auto-hep"});
  EXPECT_EQ(f.world.host_endpoints.at("n1-auto-hep").interface, "*");
  f.gone("v1", "Node", {"", "n1"});
  EXPECT_TRUE(f.world.host_endpoints.empty());
  f.put(node);
  EXPECT_EQ(f.world.host_endpoints.size(), 1U);
  f.put(settings("{autoCreate: Disabled}"));
  EXPECT_TRUE(f.world.host_endpoints.empty());
}

TEST(ObjectDecoder, HostEndpointsOfInterfacesByTheirNames) {
  Follower f;
  f.put(R"({apiVersion: v1, kind: Node, metadata: {name: n1, annotations: {
      projectcalico.org/Interfaces: '[{"name": "eth0", "addresses": ["192.0.2.1"]},
      {"name": "eth1", "addresses": ["10.0.0.1/24", "junk"]}, {"name": "wlan0"}]'}}})");
  const auto settings = [](const char* pattern) {
    return std::string(
               "{apiVersion: projectcalico.org/v3, kind: KubeControllersConfiguration, "
               "metadata: {name: default}, spec: {controllers: {node: {hostEndpoint: "
               "{autoCreate: Enabled, createDefaultHostEndpoint: Disabled, templates: "
               "[{generateName: t, interfacePattern: '") +
           pattern + "'}]}}}}}";
  };
  EXPECT_THAT(f.put(settings("^eth[0-9]$")), IsEmpty());
  ASSERT_EQ(f.world.host_endpoints.size(), 2U);
  const model::HostEndpoint& one = f.world.host_endpoints.at("n1-t-eth1-auto-hep");
  EXPECT_EQ(one.interface, "eth1");
  EXPECT_THAT(one.addresses, ElementsAre(*net::IpAddr::parse("10.0.0.1")));
  f.put(settings("eth0', interfaceCIDRs: [10.0.0.0/8], x: '"));
  EXPECT_TRUE(f.world.host_endpoints.empty());
  const auto wrong = f.put(settings("eth["));
  ASSERT_EQ(wrong.size(), 1U);
  EXPECT_THAT(wrong[0].text,
              HasSubstr("templates[0].interfacePattern: \"eth[\": must be a regular"));
  EXPECT_TRUE(f.world.host_endpoints.empty());
}

TEST(ObjectDecoder, SettingsOfTheNodeGoBeforeTheClusters) {
  Follower f;
  const auto felix = [](const char* name, const char* spec) {
    return std::string(
               "{apiVersion: projectcalico.org/v3, kind: FelixConfiguration, metadata: "
               "{name: ") +
           name + "}, spec: {" + spec + "}}";
  };
  f.put(felix("default", "defaultEndpointToHostAction: DROP, failsafeInboundHostPorts: []"));
  EXPECT_EQ(f.world.settings.to_host, model::ToHostAction::kDrop);
  EXPECT_THAT(f.world.settings.inbound, IsEmpty());
  EXPECT_EQ(f.world.settings.outbound, model::PolicySettings::default_outbound());
  f.put(felix("node.node1",
              "failsafeInboundHostPorts: [{protocol: tcp, port: 22, net: 10.0.0.0/8}]"));
  EXPECT_EQ(f.world.settings.to_host, model::ToHostAction::kDrop);
  EXPECT_THAT(f.world.settings.inbound,
              ElementsAre(model::Failsafe{net::kTcp, 22, *net::Cidr::parse("10.0.0.0/8")}));
  f.put(felix("node.node2", "defaultEndpointToHostAction: Accept"));
  EXPECT_EQ(f.world.settings.to_host, model::ToHostAction::kDrop);
  // A list with an error keeps the one it would replace: nobody is locked out.
  const auto bad = f.put(felix(
      "node.node1",
      "defaultEndpointToHostAction: Open, failsafeInboundHostPorts: [{protocol: tcp, port: 0}]"));
  ASSERT_EQ(bad.size(), 2U);
  EXPECT_THAT(bad[0].text, HasSubstr("failsafeInboundHostPorts[0].port: 0: must be"));
  EXPECT_THAT(bad[1].text, HasSubstr("\"Open\": must be one of \"Drop\""));
  EXPECT_THAT(f.world.settings.inbound, IsEmpty());
  f.put(
      "{apiVersion: projectcalico.org/v3, kind: FelixConfiguration, metadata: {name: default, "
      "annotations: {caracal.io/end-connections: 'false'}}}");
  EXPECT_FALSE(f.world.settings.end_connections);
  EXPECT_EQ(f.world.settings.to_host, model::ToHostAction::kReturn);
  f.gone(kShown, "FelixConfiguration", {"", "default"});
  f.gone(kShown, "FelixConfiguration", {"", "node.node1"});
  EXPECT_EQ(f.world.settings, model::PolicySettings());
}

// Whatever the order in which objects of both groups came, went and came again: the world is the
// one of the objects that are there at the end.
TEST(ObjectDecoder, OrderOfEventsDoesNotMatter) {
  struct Object {
    std::string version;
    std::string kind;
    model::ObjectName name;
    std::string text;
  };
  std::mt19937 random(5);
  const auto pick = [&random](size_t n) { return random() % n; };
  std::vector<Object> slots;
  for (const std::string_view version : {kShown, kStored}) {
    for (const char* name : {"a", "default.a", "knp.default.a", "default.default.a"}) {
      slots.push_back({std::string(version), "NetworkPolicy", {"dev", name}, {}});
    }
    slots.push_back({std::string(version), "HostEndpoint", {"", "n-auto-hep"}, {}});
    slots.push_back({std::string(version), "KubeControllersConfiguration", {"", "default"}, {}});
    slots.push_back({std::string(version), "FelixConfiguration", {"", "default"}, {}});
    slots.push_back({std::string(version), "FelixConfiguration", {"", "node.node1"}, {}});
  }
  slots.push_back({"networking.k8s.io/v1", "NetworkPolicy", {"dev", "a"}, {}});
  slots.push_back({"v1", "Node", {"", "n"}, {}});
  const auto text_of = [&](const Object& slot, size_t variant) {
    std::string spec;
    if (slot.kind == "NetworkPolicy" && slot.version == "networking.k8s.io/v1") {
      spec = "podSelector: {}";
    } else if (slot.kind == "NetworkPolicy") {
      spec = variant == 0 ? "selector: has(x" : "selector: v == '" + slot.version + "'";
    } else if (slot.kind == "HostEndpoint") {
      spec = variant == 0 ? "node: ''" : "node: n, interfaceName: eth" + std::to_string(variant);
    } else if (slot.kind == "KubeControllersConfiguration") {
      spec = std::string("controllers: {node: {hostEndpoint: {autoCreate: ") +
             (variant == 0 ? "Disabled" : "Enabled") + "}}}";
    } else if (slot.kind == "FelixConfiguration") {
      spec = std::string("defaultEndpointToHostAction: ") +
             std::vector<const char*>{"Drop", "Accept", "Return"}[variant];
    }
    const std::string ns = slot.name.ns.empty() ? "" : ", namespace: " + slot.name.ns;
    return "{apiVersion: " + slot.version + ", kind: " + slot.kind +
           ", metadata: {name: " + slot.name.name + ns + ", labels: {v: '" +
           std::to_string(variant) + "'}}, spec: {" + spec + "}}";
  };
  Follower follower;
  for (int round = 0; round < 400; ++round) {
    Object& slot = slots[pick(slots.size())];
    if (pick(2) == 0) {
      slot.text = text_of(slot, pick(3));
      follower.put(slot.text);
    } else {
      slot.text.clear();
      follower.gone(slot.version, slot.kind, slot.name);
    }
    Follower fresh;
    std::vector<size_t> order(slots.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t i : order) {
      if (!slots[i].text.empty()) fresh.put(slots[i].text);
    }
    ASSERT_EQ(follower.policies(), fresh.policies()) << "round " << round;
    ASSERT_EQ(follower.world, fresh.world) << "round " << round;
  }
}

}  // namespace
}  // namespace caracal::calico
