#include "apimachinery/defaulting.h"

#include <gtest/gtest.h>

#include "apimachinery/builtin_defaults.h"
#include "apimachinery/schema_decode.h"
#include "apimachinery/schema_fixture.h"
#include "apimachinery/schema_openapi.h"
#include "apimachinery/schema_validate.h"

namespace caracal::apimachinery {
namespace {

json::value defaulted(std::string_view group, std::string_view kind, std::string_view manifest) {
  json::value object = from_yaml(manifest);
  const ResourceTypePtr type = builtin_type(group, kind);
  apply_defaults(*type, object);
  json::value again = object;
  apply_defaults(*type, again);
  EXPECT_EQ(again, object) << "not idempotent: " << manifest;
  return object;
}

std::string at(const json::value& object, std::initializer_list<std::string_view> path) {
  const json::value* value = jsonio::get(object, path);
  return value == nullptr ? "absent" : jsonio::to_string(*value);
}

TEST(Defaults, PolicyTypesAreInferred) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases{
      {"{spec: {podSelector: {}}}", R"(["Ingress"])"},
      {"{spec: {podSelector: {}, ingress: [{}]}}", R"(["Ingress"])"},
      {"{spec: {podSelector: {}, egress: [{}]}}", R"(["Ingress","Egress"])"},
      {"{spec: {podSelector: {}, egress: []}}", R"(["Ingress"])"},
      {"{spec: {podSelector: {}, policyTypes: [Egress]}}", R"(["Egress"])"},
      {"{spec: {podSelector: {}, policyTypes: [], egress: [{}]}}", R"(["Ingress","Egress"])"},
  };
  for (const auto& [manifest, types] : cases) {
    EXPECT_EQ(
        at(defaulted("networking.k8s.io", "NetworkPolicy", manifest), {"spec", "policyTypes"}),
        types)
        << manifest;
  }
}

TEST(Defaults, PolicyPortsAreTcp) {
  const json::value policy = defaulted("networking.k8s.io", "NetworkPolicy",
                                       "{spec: {podSelector: {}, ingress: [{ports: [{port: 80, "
                                       "protocol: \"\"}, {port: 53, protocol: UDP}]}]}}");
  EXPECT_EQ(jsonio::to_string(jsonio::get_array(policy, {"spec", "ingress"})[0]),
            R"({"ports":[{"port":80,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]})");
}

TEST(Defaults, OfAPod) {
  const json::value pod = defaulted("", "Pod", R"(
metadata: {name: a}
spec:
  containers:
  - {name: a, image: nginx, ports: [{containerPort: 80}], readinessProbe: {httpGet: {port: 80}}}
  - {name: b, image: "registry:5000/app:1.2", resources: {limits: {cpu: 1}}}
  - {name: c, image: "app@sha256:0123"}
  volumes: [{name: v}, {name: s, secret: {secretName: x}}]
)");
  EXPECT_EQ(at(pod, {"spec", "restartPolicy"}), "\"Always\"");
  EXPECT_EQ(at(pod, {"spec", "dnsPolicy"}), "\"ClusterFirst\"");
  EXPECT_EQ(at(pod, {"spec", "terminationGracePeriodSeconds"}), "30");
  EXPECT_EQ(at(pod, {"spec", "schedulerName"}), "\"default-scheduler\"");
  EXPECT_EQ(at(pod, {"spec", "enableServiceLinks"}), "true");
  EXPECT_EQ(at(pod, {"spec", "securityContext"}), "{}");
  EXPECT_EQ(at(pod, {"spec", "serviceAccountName"}), "\"default\"");
  EXPECT_EQ(at(pod, {"spec", "serviceAccount"}), "\"default\"");
  EXPECT_EQ(at(pod, {"status", "phase"}), "\"Pending\"");
  EXPECT_EQ(at(pod, {"status", "qosClass"}), "\"Burstable\"");
  const json::array& containers = jsonio::get_array(pod, {"spec", "containers"});
  EXPECT_EQ(at(containers[0], {"imagePullPolicy"}), "\"Always\"");
  EXPECT_EQ(at(containers[0], {"terminationMessagePath"}), "\"/dev/termination-log\"");
  EXPECT_EQ(at(containers[0], {"terminationMessagePolicy"}), "\"File\"");
  EXPECT_EQ(at(containers[0], {"resources"}), "{}");
  EXPECT_EQ(jsonio::get_array(containers[0], {"ports"})[0],
            from_yaml("{containerPort: 80, protocol: TCP}"));
  EXPECT_EQ(*jsonio::get(containers[0], {"readinessProbe"}),
            from_yaml("{httpGet: {port: 80, path: /, scheme: HTTP}, timeoutSeconds: 1, "
                      "periodSeconds: 10, successThreshold: 1, failureThreshold: 3}"));
  EXPECT_EQ(at(containers[1], {"imagePullPolicy"}), "\"IfNotPresent\"");
  EXPECT_EQ(at(containers[1], {"resources", "requests", "cpu"}), "1");
  EXPECT_EQ(at(containers[2], {"imagePullPolicy"}), "\"IfNotPresent\"");
  const json::array& volumes = jsonio::get_array(pod, {"spec", "volumes"});
  EXPECT_EQ(at(volumes[0], {"emptyDir"}), "{}");
  EXPECT_EQ(at(volumes[1], {"secret", "defaultMode"}), "420");
  EXPECT_EQ(at(volumes[1], {"emptyDir"}), "absent");
}

TEST(Defaults, HostNetworkTakesThePortsOfTheHost) {
  const json::value pod = defaulted("", "Pod",
                                    "{spec: {hostNetwork: true, containers: [{name: a, image: a, "
                                    "ports: [{containerPort: 80}]}]}}");
  EXPECT_EQ(at(jsonio::get_array(jsonio::get_array(pod, {"spec", "containers"})[0], {"ports"})[0],
               {"hostPort"}),
            "80");
}

TEST(Defaults, OfAService) {
  const json::value service =
      defaulted("", "Service", "{spec: {ports: [{port: 80}, {port: 443, targetPort: https}]}}");
  EXPECT_EQ(at(service, {"spec", "type"}), "\"ClusterIP\"");
  EXPECT_EQ(at(service, {"spec", "sessionAffinity"}), "\"None\"");
  EXPECT_EQ(at(service, {"spec", "internalTrafficPolicy"}), "\"Cluster\"");
  EXPECT_EQ(at(service, {"spec", "externalTrafficPolicy"}), "absent");
  EXPECT_EQ(at(service, {"status", "loadBalancer"}), "{}");
  const json::array& ports = jsonio::get_array(service, {"spec", "ports"});
  EXPECT_EQ(ports[0], from_yaml("{port: 80, protocol: TCP, targetPort: 80}"));
  EXPECT_EQ(ports[1], from_yaml("{port: 443, targetPort: https, protocol: TCP}"));
  EXPECT_EQ(
      at(defaulted("", "Service", "{spec: {type: NodePort}}"), {"spec", "externalTrafficPolicy"}),
      "\"Cluster\"");
}

TEST(Defaults, OfANamespace) {
  const json::value space = defaulted("", "Namespace", "{metadata: {name: dev}}");
  EXPECT_EQ(at(space, {"metadata", "labels"}), R"({"kubernetes.io/metadata.name":"dev"})");
  EXPECT_EQ(at(space, {"spec", "finalizers"}), R"(["kubernetes"])");
  EXPECT_EQ(at(space, {"status", "phase"}), "\"Active\"");
  EXPECT_EQ(at(defaulted("", "Namespace", "{metadata: {name: dev}, spec: {finalizers: []}}"),
               {"spec", "finalizers"}),
            "[]");
}

TEST(Defaults, OfASecret) {
  const json::value secret =
      defaulted("", "Secret", "{stringData: {a: hello, b: \"\"}, data: {a: eA==, c: eA==}}");
  EXPECT_EQ(at(secret, {"type"}), "\"Opaque\"");
  EXPECT_EQ(at(secret, {"stringData"}), "absent");
  EXPECT_EQ(*jsonio::get(secret, {"data"}), from_yaml("{a: aGVsbG8=, b: \"\", c: eA==}"));
}

TEST(Defaults, Base64) {
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encode_base64(std::string_view("\xff\xfe\x00", 3)), "//4A");
}

TEST(SchemaDefaults, GoIntoObjectsThatExistAndIntoDefaults) {
  SchemaPool pool;
  std::vector<FieldError> problems;
  const Schema* schema = parse_openapi(pool, from_yaml(R"(
type: object
properties:
  a: {type: object, default: {}, properties: {b: {type: integer, default: 1}}}
  c: {type: object, properties: {d: {type: integer, default: 2}}}
  e: {type: array, items: {type: object, properties: {f: {type: string, default: x}}}}
  g: {type: object, additionalProperties: {type: object, properties: {h: {type: boolean, default: false}}}}
  i: {type: string, default: y}
  j: {type: string, default: z, nullable: true}
)"),
                                       FieldPath("s"), problems);
  ASSERT_TRUE(problems.empty());
  json::value object = from_yaml("{e: [{}, {f: own}], g: {k: {}}, i: null, j: null}");
  apply_schema_defaults(*schema, object);
  EXPECT_EQ(object,
            from_yaml("{a: {b: 1}, e: [{f: x}, {f: own}], g: {k: {h: false}}, i: y, j: null}"));
}

// Defaults must themselves be valid.
TEST(Defaults, OfMinimalObjectsAreValid) {
  const std::vector<std::array<std::string_view, 3>> cases{
      {"", "Pod", "{spec: {containers: [{name: a, image: a}]}}"},
      {"", "Service", "{spec: {ports: [{port: 1}]}}"},
      {"", "Namespace", "{metadata: {name: a}}"},
      {"", "Node", "{metadata: {name: a}}"},
      {"discovery.k8s.io", "EndpointSlice", "{addressType: IPv4}"},
      {"networking.k8s.io", "NetworkPolicy", "{spec: {podSelector: {}}}"},
  };
  for (const auto& [group, kind, manifest] : cases) {
    const json::value object = defaulted(group, kind, manifest);
    const Schema& schema = *builtin_type(group, kind)->schema;
    EXPECT_EQ(to_string(validate(schema, object)), "[]") << kind;
    EXPECT_EQ(decode_error(schema, object), std::nullopt) << kind;
    EXPECT_TRUE(unknown_fields(schema, object).empty()) << kind;
  }
}

}  // namespace
}  // namespace caracal::apimachinery
