#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "apimachinery/crd.h"
#include "apimachinery/defaulting.h"
#include "apimachinery/schema_decode.h"
#include "apimachinery/schema_fixture.h"
#include "apimachinery/schema_validate.h"

namespace caracal::apimachinery {
namespace {

class BundledCrds : public testing::Test {
 protected:
  static ResourceTypePtr type(std::string_view group, std::string_view version,
                              std::string_view kind) {
    static const auto registry = full_registry();
    auto found = registry->snapshot()->find_kind(group, version, kind);
    if (found == nullptr) {
      ADD_FAILURE() << "no kind " << kind << " in " << group;
      std::abort();
    }
    return found;
  }
  static std::string check(const ResourceType& type, std::string_view manifest) {
    json::value object = from_yaml(manifest);
    std::string found;
    for (const std::string& path : unknown_fields(*type.schema, object))
      found += unknown_field_warning(path) + "; ";
    apply_defaults(type, object);
    const auto errors = validate(*type.schema, object);
    return found + (errors.empty() ? "" : to_string(errors));
  }
};

TEST_F(BundledCrds, AreValidAndComplete) {
  const auto crds = bundled_crds();
  ASSERT_TRUE(crds) << crds.error().message;
  const auto registry = builtin_registry();
  const ResourceTypePtr crd_kind = builtin_type("apiextensions.k8s.io", "CustomResourceDefinition");
  std::set<std::string> names;
  for (const json::value& crd : *crds) {
    const std::string name(jsonio::get_string(crd, {"metadata", "name"}));
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(decode_error(*crd_kind->schema, crd), std::nullopt) << name;
    EXPECT_THAT(unknown_fields(*crd_kind->schema, crd), testing::IsEmpty()) << name;
    EXPECT_EQ(to_string(validate(*crd_kind->schema, crd)), "[]") << name;
    EXPECT_EQ(to_string(validate_crd(crd)), "[]") << name;
    json::value stored = crd;
    EXPECT_TRUE(set_crd_status(stored, *registry->snapshot(), "2026-01-01T00:00:00Z"))
        << name << jsonio::to_string(*jsonio::get(stored, {"status"}));
    auto types = crd_types(stored);
    ASSERT_TRUE(types) << types.error().message;
    registry->put_crd(name, std::move(*types));
  }
  for (const std::string_view plural : {"networkpolicies",
                                        "globalnetworkpolicies",
                                        "stagednetworkpolicies",
                                        "stagedglobalnetworkpolicies",
                                        "stagedkubernetesnetworkpolicies",
                                        "tiers",
                                        "networksets",
                                        "globalnetworksets",
                                        "hostendpoints",
                                        "ippools",
                                        "ipreservations",
                                        "ipamblocks",
                                        "blockaffinities",
                                        "ipamhandles",
                                        "bgpconfigurations",
                                        "bgppeers",
                                        "bgpfilters",
                                        "felixconfigurations",
                                        "clusterinformations",
                                        "kubecontrollersconfigurations",
                                        "caliconodestatuses"}) {
    EXPECT_TRUE(names.contains(std::string(plural) + ".projectcalico.org")) << plural;
    EXPECT_TRUE(names.contains(std::string(plural) + ".crd.projectcalico.org")) << plural;
  }
  for (const std::string_view name :
       {"profiles.projectcalico.org", "ipamconfigurations.projectcalico.org",
        "ipamconfigs.crd.projectcalico.org", "clusternetworkpolicies.policy.networking.k8s.io",
        "adminnetworkpolicies.policy.networking.k8s.io",
        "baselineadminnetworkpolicies.policy.networking.k8s.io"}) {
    EXPECT_TRUE(names.contains(std::string(name))) << name;
  }
  EXPECT_EQ(names.size(), 21U * 2 + 6);
}

TEST_F(BundledCrds, UsualCalicoObjectsAreValid) {
  const std::vector<std::array<std::string_view, 2>> cases{
      {"GlobalNetworkPolicy", R"(
metadata: {name: default.allow-dns}
spec:
  tier: default
  order: 10.5
  selector: all()
  namespaceSelector: has(projectcalico.org/name)
  types: [Ingress, Egress]
  ingress: [{action: Allow, protocol: TCP, source: {selector: "role == 'a'", notNets: [10.0.0.0/8]}, destination: {ports: [80, "1000:2000", http]}}]
  egress: [{action: Log}, {action: Allow, protocol: 17, destination: {ports: [53], services: {name: dns, namespace: kube-system}}}, {action: Deny, ipVersion: 4, protocol: ICMP, icmp: {type: 8, code: 0}}]
)"},
      {"NetworkPolicy",
       "{metadata: {name: a, namespace: dev}, spec: {selector: app == 'a', ingress: [{action: "
       "Pass, http: {methods: [GET], paths: [{prefix: /a}]}, metadata: {annotations: {a: b}}}]}}"},
      {"StagedKubernetesNetworkPolicy",
       "{spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}], "
       "policyTypes: [Ingress]}}"},
      {"Tier", "{metadata: {name: t}, spec: {order: 100, defaultAction: Pass}}"},
      {"GlobalNetworkSet", "{spec: {nets: [10.0.0.0/8, 'fd00::1']}}"},
      {"HostEndpoint",
       "{spec: {node: n, interfaceName: '*', expectedIPs: [10.0.0.1], ports: [{name: http, port: "
       "80, protocol: TCP}]}}"},
      {"IPPool",
       "{spec: {cidr: 192.168.0.0/16, blockSize: 26, ipipMode: Always, natOutgoing: true, "
       "nodeSelector: all()}}"},
      {"BGPPeer",
       "{spec: {peerIP: '192.0.2.1:1179', asNumber: 64512, password: {secretKeyRef: {name: s, key: "
       "k}}}}"},
      {"BGPConfiguration",
       "{spec: {asNumber: '64512', nodeToNodeMeshEnabled: false, serviceClusterIPs: [{cidr: "
       "10.96.0.0/12}], communities: [{name: a, value: '64512:1'}]}}"},
      {"BGPFilter",
       "{spec: {exportV4: [{action: Accept, matchOperator: In, cidr: 10.0.0.0/8, operations: "
       "[{setPriority: {value: 3}}]}]}}"},
      {"FelixConfiguration",
       "{spec: {logSeverityScreen: info, bpfLogLevel: '', reportingInterval: 0s, iptablesMarkMask: "
       "4294901760, failsafeInboundHostPorts: [{protocol: tcp, port: 22}], "
       "routeTableRanges: [{min: 1, max: 250}], natPortRange: '32768:65535', bpfConntrackTimeouts: "
       "{tcpEstablished: 1h, tcpFinsSeen: Auto}}}"},
      {"ClusterInformation", "{spec: {clusterGUID: a, datastoreReady: true}}"},
      {"KubeControllersConfiguration",
       "{spec: {controllers: {node: {reconcilerPeriod: 5m, hostEndpoint: {autoCreate: "
       "Enabled}}}}}"},
  };
  for (const auto& [kind, manifest] : cases) {
    EXPECT_EQ(check(*type("projectcalico.org", "v3", kind), manifest), "") << kind;
    EXPECT_EQ(check(*type("crd.projectcalico.org", "v1", kind), manifest), "") << kind;
  }
  EXPECT_EQ(check(*type("crd.projectcalico.org", "v1", "IPAMBlock"),
                  "{spec: {cidr: 10.0.0.0/26, affinity: 'host:n', allocations: [0, null], "
                  "unallocated: [1], attributes: [{handle_id: h, secondary: {pod: a}}], deleted: "
                  "false, strictAffinity: false}}"),
            "");
  EXPECT_EQ(check(*type("crd.projectcalico.org", "v1", "BlockAffinity"),
                  "{spec: {cidr: 10.0.0.0/26, node: n, state: confirmed, deleted: 'false'}}"),
            "");
}

TEST_F(BundledCrds, BadCalicoObjectsAreRefused) {
  const std::vector<std::array<std::string_view, 3>> cases{
      {"NetworkPolicy", "{spec: {ingress: [{action: Accept}]}}",
       "spec.ingress[0].action: Unsupported value: \"Accept\": supported values: \"Allow\", "
       "\"Deny\", \"Log\", \"Pass\""},
      {"NetworkPolicy", "{spec: {ingress: [{}]}}", "spec.ingress[0].action: Required value"},
      {"NetworkPolicy", "{spec: {types: [Ingress, Ingress]}}",
       "spec.types[1]: Duplicate value: \"Ingress\""},
      {"NetworkPolicy", "{spec: {selecter: a}}", "unknown field \"spec.selecter\"; "},
      {"NetworkPolicy", "{spec: {ingress: [{action: Allow, icmp: {type: 255}}]}}",
       "spec.ingress[0].icmp.type: Invalid value: 255: spec.ingress[0].icmp.type in body should be "
       "less than or equal to 254"},
      {"IPPool", "{spec: {cidr: 10.0.0.0/40}}",
       "spec.cidr: Invalid value: \"10.0.0.0/40\": spec.cidr in body must be of type cidr: "
       "\"10.0.0.0/40\""},
      {"IPPool", "{spec: {}}", "spec.cidr: Required value"},
      {"FelixConfiguration", "{spec: {bpfLogLevel: loud}}",
       "spec.bpfLogLevel: Invalid value: \"loud\": spec.bpfLogLevel in body should match "
       "'^(?i)(Debug|Info|Off)?$'"},
  };
  for (const auto& [kind, manifest, error] : cases)
    EXPECT_EQ(check(*type("projectcalico.org", "v3", kind), manifest), error) << manifest;
}

TEST_F(BundledCrds, DefaultsAreCalicos) {
  json::value policy = from_yaml("{spec: {}}");
  apply_defaults(*type("projectcalico.org", "v3", "NetworkPolicy"), policy);
  EXPECT_EQ(jsonio::get_string(policy, {"spec", "tier"}), "default");
  json::value pool = from_yaml("{spec: {cidr: 10.0.0.0/16}}");
  apply_defaults(*type("projectcalico.org", "v3", "IPPool"), pool);
  EXPECT_EQ(*jsonio::get(pool, {"spec"}),
            from_yaml("{cidr: 10.0.0.0/16, ipipMode: Never, vxlanMode: Never, nodeSelector: all(), "
                      "allowedUses: [Workload, Tunnel], assignmentMode: Automatic}"));
}

TEST_F(BundledCrds, ClusterPolicies) {
  const ResourceType& cluster =
      *type("policy.networking.k8s.io", "v1alpha2", "ClusterNetworkPolicy");
  EXPECT_EQ(check(cluster, R"(
metadata: {name: a}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {}}
  ingress: [{name: a, action: Accept, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}}], protocols: [{tcp: {destinationPort: {number: 80}}}, {destinationNamedPort: http}]}]
  egress: [{action: Deny, to: [{networks: [10.0.0.0/8]}], protocols: [{udp: {destinationPort: {range: {start: 1, end: 9}}}}]}]
)"),
            "");
  EXPECT_EQ(
      check(cluster, "{metadata: {}, spec: {tier: Top, priority: 1001, subject: {}}}"),
      "[spec.tier: Unsupported value: \"Top\": supported values: \"Admin\", \"Baseline\", "
      "spec.priority: Invalid value: 1001: spec.priority in body should be less than or equal to "
      "1000, "
      "spec.subject: Invalid value: 0: spec.subject in body should have at least 1 properties]");
  EXPECT_EQ(
      check(*type("policy.networking.k8s.io", "v1alpha1", "AdminNetworkPolicy"),
            "{metadata: {name: a}, spec: {priority: 1, subject: {namespaces: {}}, ingress: "
            "[{action: Pass, from: [{namespaces: {}}], ports: [{portNumber: {port: 80}}]}]}}"),
      "");
  EXPECT_EQ(
      check(*type("policy.networking.k8s.io", "v1alpha1", "BaselineAdminNetworkPolicy"),
            "{metadata: {name: default}, spec: {subject: {namespaces: {}}, egress: [{action: Pass, "
            "to: [{namespaces: {}}]}]}}"),
      "spec.egress[0].action: Unsupported value: \"Pass\": supported values: \"Allow\", \"Deny\"");
}

}  // namespace
}  // namespace caracal::apimachinery
