#include "apimachinery/schema_decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apimachinery/schema_fixture.h"

namespace caracal::apimachinery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Case {
  std::string_view group;
  std::string_view kind;
  std::string_view manifest;
  std::string_view error;
};

TEST(DecodeError, NamesFieldTypeAndValue) {
  const std::vector<Case> cases{
      {"", "Service", "{spec: {ports: [{port: http}]}}",
       "json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type "
       "int32 (spec.ports[0].port is \"http\")"},
      {"networking.k8s.io", "NetworkPolicy", "{spec: {podSelector: all}}",
       "json: cannot unmarshal string into Go struct field NetworkPolicySpec.spec.podSelector of "
       "type v1.LabelSelector (spec.podSelector is \"all\")"},
      {"networking.k8s.io", "NetworkPolicy", "{spec: {ingress: {}}}",
       "json: cannot unmarshal object into Go struct field NetworkPolicySpec.spec.ingress of type "
       "[]v1.NetworkPolicyIngressRule (spec.ingress is {})"},
      {"networking.k8s.io", "NetworkPolicy",
       "{spec: {ingress: [{ports: [{endPort: 70000000000}]}]}}",
       "json: cannot unmarshal number 70000000000 into Go struct field "
       "NetworkPolicyPort.spec.ingress.ports.endPort of type int32 "
       "(spec.ingress[0].ports[0].endPort is 70000000000)"},
      {"networking.k8s.io", "NetworkPolicy", "{spec: {ingress: [{ports: [{port: [80]}]}]}}",
       "json: cannot unmarshal array into Go struct field "
       "NetworkPolicyPort.spec.ingress.ports.port of type intstr.IntOrString "
       "(spec.ingress[0].ports[0].port is [80])"},
      {"", "Pod", "{metadata: {labels: {a: 1}}}",
       "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type "
       "string (metadata.labels[a] is 1)"},
      {"", "Pod", "{spec: {hostNetwork: \"yes\"}}",
       "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool "
       "(spec.hostNetwork is \"yes\")"},
      {"", "Pod", "{spec: {containers: [{resources: {limits: {cpu: much}}}]}}",
       "quantities must match the regular expression "
       "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' (spec.containers[0].resources.limits[cpu] "
       "is \"much\")"},
      {"", "Secret", "{data: {k: \"***\"}}",
       "illegal base64 data at input byte 0 (data[k] is \"***\")"},
      {"", "Secret", "{data: {k: YWJj, l: YWI}}",
       "illegal base64 data at input byte 3 (data[l] is \"YWI\")"},
      {"coordination.k8s.io", "Lease", "{spec: {renewTime: today}}",
       "parsing time \"today\": spec.renewTime must be an RFC 3339 time such as "
       "\"2006-01-02T15:04:05Z\""},
  };
  for (const Case& c : cases) {
    const auto error = decode_error(*builtin_type(c.group, c.kind)->schema, from_yaml(c.manifest));
    ASSERT_TRUE(error.has_value()) << c.manifest;
    EXPECT_EQ(*error, c.error);
  }
}

TEST(DecodeError, AcceptsWhatADecoderAccepts) {
  const std::vector<Case> cases{
      {"networking.k8s.io", "NetworkPolicy",
       "{spec: {podSelector: {}, ingress: null, egress: [{ports: [{port: http}, {port: 80}]}]}}",
       ""},
      {"", "Pod",
       "{metadata: {creationTimestamp: null}, spec: {containers: [{resources: {limits: {cpu: 1, "
       "memory: 1Gi}}}]}}",
       ""},
      {"", "Secret", "{data: {k: YWI=, l: YQ==, m: \"\"}}", ""},
      {"coordination.k8s.io", "Lease",
       "{spec: {renewTime: \"2026-01-02T03:04:05.123456Z\", acquireTime: "
       "\"2026-01-02T03:04:05+01:00\"}}",
       ""},
      {"", "Service", "{spec: {ports: [{port: 80.0}]}}", ""},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(decode_error(*builtin_type(c.group, c.kind)->schema, from_yaml(c.manifest)),
              std::nullopt)
        << c.manifest;
  }
}

TEST(UnknownFields, AreFoundWithTheirPaths) {
  const json::value policy = from_yaml(R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, labels: {anything: goes}, colour: red}
spec:
  podSelecter: {}
  podSelector: {matchLabels: {any: thing}}
  ingress:
  - from: [{ipBlock: {cidr: 10.0.0.0/8, exept: []}}]
    form: []
)");
  const auto paths =
      unknown_fields(*builtin_type("networking.k8s.io", "NetworkPolicy")->schema, policy);
  EXPECT_THAT(paths, ElementsAre("metadata.colour", "spec.podSelecter",
                                 "spec.ingress[0].from[0].ipBlock.exept", "spec.ingress[0].form"));
  EXPECT_EQ(strict_decoding_error({"spec.a", "spec.b"}),
            "strict decoding error: unknown field \"spec.a\", unknown field \"spec.b\"");
}

TEST(Prune, RemovesWhatIsUnknownAndKeepsTheOrder) {
  const SchemaPtr& schema = builtin_type("networking.k8s.io", "NetworkPolicy")->schema;
  json::value policy = from_yaml(
      "{spec: {wrong: 1, policyTypes: [Egress], also: {}, podSelector: {}}, extra: 1, kind: "
      "NetworkPolicy}");
  prune(*schema, policy);
  EXPECT_EQ(jsonio::to_string(policy),
            R"({"spec":{"policyTypes":["Egress"],"podSelector":{}},"kind":"NetworkPolicy"})");
  EXPECT_THAT(unknown_fields(*schema, policy), IsEmpty());
}

TEST(DropNulls, TreatsNullAsNoValue) {
  json::value policy = from_yaml(
      "{metadata: {creationTimestamp: null, name: a}, spec: {ingress: null, podSelector: "
      "{matchLabels: null}}}");
  drop_nulls(*builtin_type("networking.k8s.io", "NetworkPolicy")->schema, policy);
  EXPECT_EQ(jsonio::to_string(policy), R"({"metadata":{"name":"a"},"spec":{"podSelector":{}}})");
}

}  // namespace
}  // namespace caracal::apimachinery
