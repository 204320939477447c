#include "apimachinery/resource_type.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apimachinery/builtin_types.h"
#include "apimachinery/schema_decode.h"
#include "apimachinery/schema_fixture.h"
#include "apimachinery/schema_validate.h"

namespace caracal::apimachinery {
namespace {

using testing::ElementsAre;

TEST(Builtins, AreAllThere) {
  const auto catalog = builtin_registry()->snapshot();
  const std::vector<std::array<std::string_view, 3>> expected{
      {"", "pods", "Pod"},
      {"", "namespaces", "Namespace"},
      {"", "nodes", "Node"},
      {"", "services", "Service"},
      {"", "serviceaccounts", "ServiceAccount"},
      {"", "configmaps", "ConfigMap"},
      {"", "secrets", "Secret"},
      {"", "endpoints", "Endpoints"},
      {"", "events", "Event"},
      {"", "bindings", "Binding"},
      {"discovery.k8s.io", "endpointslices", "EndpointSlice"},
      {"networking.k8s.io", "networkpolicies", "NetworkPolicy"},
      {"coordination.k8s.io", "leases", "Lease"},
      {"apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition"},
      {"authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"},
  };
  EXPECT_EQ(catalog->types().size(), expected.size());
  for (const auto& [group, plural, kind] : expected) {
    const ResourceTypePtr type = catalog->find(group, "v1", plural);
    ASSERT_NE(type, nullptr) << plural;
    EXPECT_EQ(type->kind, kind);
    EXPECT_EQ(catalog->find_kind(group, "v1", kind), type);
    EXPECT_FALSE(type->schema->properties.empty()) << kind;
    EXPECT_NE(type->schema->member("metadata"), nullptr) << kind;
    EXPECT_FALSE(type->schema->description.empty()) << kind;
  }
  EXPECT_EQ(catalog->find("", "v1", "nothing"), nullptr);
  EXPECT_EQ(catalog->find("", "v2", "pods"), nullptr);
}

TEST(Builtins, CarryWhatServingNeeds) {
  const ResourceTypePtr pod = builtin_type("", "Pod");
  EXPECT_TRUE(pod->graceful_deletion);
  EXPECT_TRUE(pod->has_status());
  EXPECT_NE(pod->subresource("binding"), nullptr);
  EXPECT_EQ(pod->subresource("binding")->kind, "Binding");
  EXPECT_THAT(pod->short_names, ElementsAre("po"));
  EXPECT_THAT(pod->field_selectors, testing::Contains("spec.nodeName"));
  EXPECT_EQ(pod->api_version(), "v1");
  EXPECT_EQ(pod->group_resource(), "pods");
  const ResourceTypePtr policy = builtin_type("networking.k8s.io", "NetworkPolicy");
  EXPECT_EQ(policy->api_version(), "networking.k8s.io/v1");
  EXPECT_EQ(policy->group_resource(), "networkpolicies.networking.k8s.io");
  EXPECT_TRUE(policy->has_generation);
  EXPECT_FALSE(policy->has_status());
  EXPECT_FALSE(builtin_type("authorization.k8s.io", "SelfSubjectAccessReview")->stored);
  EXPECT_FALSE(builtin_type("", "Node")->namespaced);
  EXPECT_TRUE(builtin_type("", "Node")->has_verb("watch"));
  EXPECT_FALSE(builtin_type("", "Binding")->has_verb("list"));
}

TEST(Builtins, HaveThePatchKeysOfTheApi) {
  const Schema& spec = *builtin_type("", "Pod")->schema->member("spec");
  EXPECT_EQ(spec.member("containers")->patch_merge_key, "name");
  EXPECT_EQ(spec.member("containers")->patch_strategy, "merge");
  EXPECT_EQ(spec.member("volumes")->patch_strategy, "merge,retainKeys");
  EXPECT_EQ(spec.member("containers")->items->member("ports")->patch_merge_key, "containerPort");
  EXPECT_THAT(spec.member("containers")->items->member("ports")->list_map_keys,
              ElementsAre("containerPort", "protocol"));
  EXPECT_EQ(builtin_type("", "Service")->schema->member("spec")->member("ports")->patch_merge_key,
            "port");
  const Schema& meta = *builtin_type("", "Pod")->schema->member("metadata");
  EXPECT_EQ(meta.member("ownerReferences")->patch_merge_key, "uid");
  EXPECT_EQ(meta.member("finalizers")->list_type, ListType::kSet);
}

// Every field of every builtin kind is documented.
void expect_documented(const Schema& schema, const std::string& path, std::set<std::string>& seen) {
  if (!schema.definition.empty() && !seen.insert(schema.definition).second) return;
  for (const auto& [name, field] : schema.properties) {
    const std::string at = path + "." + name;
    EXPECT_FALSE(field->description.empty()) << at;
    expect_documented(*field, at, seen);
  }
  if (schema.items != nullptr) expect_documented(*schema.items, path + "[]", seen);
  if (schema.additional_properties != nullptr)
    expect_documented(*schema.additional_properties, path + "{}", seen);
}

TEST(Builtins, AreDocumented) {
  std::set<std::string> seen;
  const auto catalog = builtin_registry()->snapshot();
  for (const ResourceTypePtr& type : catalog->types())
    expect_documented(*type->schema, type->kind, seen);
  EXPECT_GT(seen.size(), 180U);
}

TEST(Builtins, UsualManifestsAreValid) {
  const std::vector<std::array<std::string_view, 3>> manifests{
      {"", "Pod", R"(
apiVersion: v1
kind: Pod
metadata: {name: pod1, namespace: dev, labels: {app: myapp}, annotations: {a: b}}
spec:
  nodeSelector: {disk: ssd}
  tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists, effect: ""}]
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
      - {weight: 100, podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: a}}}}
  initContainers: [{name: init, image: busybox, command: [sh, -c, "true"]}]
  containers:
  - name: web
    image: nginx:1.25
    args: ["-g", "daemon off;"]
    ports: [{name: http, containerPort: 80, protocol: TCP}]
    env: [{name: A, value: b}, {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 1}}
    livenessProbe: {httpGet: {path: /, port: http}, initialDelaySeconds: 3}
    securityContext: {runAsNonRoot: true, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: cfg, mountPath: /etc/x, readOnly: true}]
  volumes: [{name: cfg, configMap: {name: c, items: [{key: k, path: p}]}}, {name: t, emptyDir: {sizeLimit: 1Gi}}]
)"},
      {"", "Node", R"(
metadata: {name: n1, annotations: {projectcalico.org/IPv4Address: 10.0.0.1/24}}
spec: {podCIDR: 10.1.0.0/24, podCIDRs: [10.1.0.0/24, "fd00::/64"], taints: [{key: a, effect: NoSchedule}]}
status:
  addresses: [{type: InternalIP, address: 10.0.0.1}]
  capacity: {cpu: 2, memory: 8Gi, pods: "110"}
  conditions: [{type: Ready, status: "True", lastHeartbeatTime: "2026-01-01T00:00:00Z", reason: KubeletReady, message: ok}]
  nodeInfo: {machineID: a, systemUUID: b, bootID: c, kernelVersion: d, osImage: e, containerRuntimeVersion: f, kubeletVersion: g, kubeProxyVersion: h, operatingSystem: linux, architecture: amd64}
)"},
      {"", "Service",
       "{metadata: {name: s}, spec: {selector: {app: a}, clusterIP: None, ports: [{name: http, "
       "port: 80, targetPort: http}], ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv4, IPv6]}}"},
      {"", "Endpoints",
       "{metadata: {name: s}, subsets: [{addresses: [{ip: 10.0.0.1, targetRef: {kind: Pod, name: "
       "a}}], ports: [{port: 80}]}]}"},
      {"", "Event",
       "{metadata: {name: e}, involvedObject: {kind: Pod, name: a}, reason: Started, message: m, "
       "type: Normal, count: 1, firstTimestamp: \"2026-01-01T00:00:00Z\", source: {component: "
       "kubelet}}"},
      {"", "Binding", "{metadata: {name: p}, target: {apiVersion: v1, kind: Node, name: n}}"},
      {"discovery.k8s.io", "EndpointSlice",
       "{metadata: {name: s, labels: {kubernetes.io/service-name: s}}, addressType: IPv4, "
       "endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}, nodeName: n}], ports: "
       "[{name: http, port: 80, protocol: TCP}]}"},
      {"coordination.k8s.io", "Lease",
       "{metadata: {name: n, namespace: kube-node-lease}, spec: {holderIdentity: n, "
       "leaseDurationSeconds: 40, renewTime: \"2026-01-01T00:00:00.000000Z\"}}"},
      {"networking.k8s.io", "NetworkPolicy", R"(
metadata: {name: all}
spec:
  podSelector: {matchExpressions: [{key: app, operator: In, values: [a, b]}]}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - ipBlock: {cidr: 172.17.0.0/16, except: [172.17.1.0/24]}
    - {namespaceSelector: {matchLabels: {project: a}}, podSelector: {}}
    ports: [{protocol: TCP, port: 6379}, {protocol: SCTP, port: web}, {port: 32000, endPort: 32768}]
  egress: [{to: [{podSelector: {}}]}, {}]
)"},
      {"authorization.k8s.io", "SelfSubjectAccessReview",
       "{spec: {resourceAttributes: {verb: list, resource: pods, namespace: a}}}"},
  };
  for (const auto& [group, kind, manifest] : manifests) {
    const json::value object = from_yaml(manifest);
    const Schema& schema = *builtin_type(group, kind)->schema;
    EXPECT_EQ(decode_error(schema, object), std::nullopt) << kind;
    EXPECT_THAT(unknown_fields(schema, object), testing::IsEmpty()) << kind;
    EXPECT_EQ(to_string(validate(schema, object)), "[]") << kind;
  }
}

TEST(BuiltinDefinition, IsFoundByShortName) {
  ASSERT_NE(builtin_definition("LabelSelector"), nullptr);
  EXPECT_EQ(builtin_definition("LabelSelector")->definition,
            "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector");
  EXPECT_EQ(builtin_definition("Nonsense"), nullptr);
}

ResourceType custom(std::string group, std::string version, std::string kind) {
  ResourceType type;
  type.group = std::move(group);
  type.version = std::move(version);
  type.plural = kind + "s";
  type.kind = std::move(kind);
  type.builtin = false;
  type.schema = std::make_shared<Schema>();
  return type;
}

TEST(Registry, SnapshotsDoNotChange) {
  const auto registry = builtin_registry();
  const auto before = registry->snapshot();
  registry->put_crd("things.example.org", {custom("example.org", "v1", "thing"),
                                           custom("example.org", "v1beta1", "thing")});
  const auto after = registry->snapshot();
  EXPECT_EQ(before->find("example.org", "v1", "things"), nullptr);
  EXPECT_NE(after->find("example.org", "v1", "things"), nullptr);
  EXPECT_GT(after->revision(), before->revision());
  registry->remove_crd("things.example.org");
  EXPECT_EQ(registry->snapshot()->find("example.org", "v1", "things"), nullptr);
  EXPECT_EQ(after->in_version("example.org", "v1").size(), 1U);
}

TEST(Registry, OrdersGroupsAndVersionsForDiscovery) {
  const auto registry = builtin_registry();
  registry->put_crd("a", {custom("crd.example.org", "v1", "a")});
  registry->put_crd("b", {custom("example.org", "v1alpha1", "b"), custom("example.org", "v2", "b"),
                          custom("example.org", "v1beta2", "b"), custom("example.org", "v10", "b"),
                          custom("example.org", "foo", "b")});
  const auto catalog = registry->snapshot();
  const auto& groups = catalog->groups();
  EXPECT_EQ(groups.front().name, "");
  ASSERT_GE(groups.size(), 2U);
  EXPECT_EQ(groups[groups.size() - 2].name, "example.org");
  EXPECT_EQ(groups.back().name, "crd.example.org");
  EXPECT_THAT(groups[groups.size() - 2].versions,
              ElementsAre("v10", "v2", "v1beta2", "v1alpha1", "foo"));
}

}  // namespace
}  // namespace caracal::apimachinery
