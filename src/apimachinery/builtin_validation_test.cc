#include "apimachinery/validation_cases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace caracal::apimachinery {
namespace {

using testing::HasSubstr;

TEST(NodeValidation, PodCidrs) {
  expect_each(
      "", "Node",
      {
          {R"({"spec":{"podCIDR":"10.1.0.0/24","podCIDRs":["10.1.0.0/24","fd00:1::/64"]}})", ""},
          {R"({"spec":{}})", ""},
          {R"({"spec":{"podCIDRs":["10.1.0.0/24","10.2.0.0/24"]}})",
           "spec.podCIDRs: Invalid value"},
          {R"({"spec":{"podCIDRs":["10.1.0.0"]}})",
           R"(spec.podCIDRs[0]: Invalid value: "10.1.0.0")"},
          {R"({"spec":{"podCIDR":"10.1.0.0/24","podCIDRs":["10.2.0.0/24"]}})",
           R"(spec.podCIDR: Invalid value: "10.1.0.0/24")"},
          {R"({"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}})", ""},
          {R"({"spec":{"taints":[{"key":"a"}]}})", "spec.taints[0].effect: Required value"},
          {R"({"spec":{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"a","effect":"NoSchedule"}]}})",
           "spec.taints[1]: Duplicate value"},
      });
  EXPECT_EQ(faults("", "Node", R"({"spec":{"podCIDR":"10.1.0.0/24","podCIDRs":["10.1.0.0/24"]}})",
                   R"({"spec":{}})"),
            "");
  EXPECT_THAT(faults("", "Node", R"({"spec":{"podCIDRs":["10.2.0.0/24"]}})",
                     R"({"spec":{"podCIDRs":["10.1.0.0/24"]}})"),
              HasSubstr("spec.podCIDRs: Invalid value"));
}

TEST(NamespaceValidation, Finalizers) {
  expect_each("", "Namespace",
              {
                  {R"({"spec":{"finalizers":["kubernetes","example.com/x"]}})", ""},
                  {R"({"spec":{"finalizers":["x"]}})", R"(spec.finalizers[0]: Invalid value: "x")"},
              });
}

TEST(ConfigMapValidation, KeysAndSize) {
  expect_each(
      "", "ConfigMap",
      {
          {R"({"data":{"a.b_c-D":"x"},"binaryData":{"e":"AA=="}})", ""},
          {R"({"data":{"a/b":"x"}})", "data[a/b]: Invalid value"},
          {R"({"data":{"a":"x"},"binaryData":{"a":"AA=="}})", R"(data[a]: Invalid value: "a")"},
      });
  const std::string fits = R"({"data":{"a":")" + std::string(1024 * 1024, 'x') + R"("}})";
  const std::string too_long = R"({"data":{"a":")" + std::string(1024 * 1024 + 1, 'x') + R"("}})";
  EXPECT_EQ(faults("", "ConfigMap", fits), "");
  EXPECT_THAT(faults("", "ConfigMap", too_long), HasSubstr("data: Too long"));
  EXPECT_THAT(faults("", "ConfigMap", R"({"immutable":true,"data":{"a":"2"}})",
                     R"({"immutable":true,"data":{"a":"1"}})"),
              HasSubstr("data: Forbidden"));
  EXPECT_THAT(
      faults("", "ConfigMap", R"({"data":{"a":"1"}})", R"({"immutable":true,"data":{"a":"1"}})"),
      HasSubstr("immutable: Forbidden"));
  EXPECT_EQ(
      faults("", "ConfigMap", R"({"immutable":true,"data":{"a":"2"}})", R"({"data":{"a":"1"}})"),
      "");
}

TEST(SecretValidation, TypesNeedTheirKeys) {
  expect_each("", "Secret",
              {
                  {R"({"type":"Opaque","data":{"a":"AA=="}})", ""},
                  {R"({"type":"kubernetes.io/tls","data":{"tls.crt":"","tls.key":""}})", ""},
                  {R"({"type":"kubernetes.io/tls","data":{"tls.crt":""}})",
                   "data[tls.key]: Required value"},
                  {R"({"type":"kubernetes.io/basic-auth"})", "data[username]: Required value"},
                  {R"({"type":"kubernetes.io/service-account-token"})",
                   "metadata.annotations[kubernetes.io/service-account.name]: Required value"},
                  {R"({"data":{"a b":"AA=="}})", "data[a b]: Invalid value"},
              });
  EXPECT_EQ(faults("", "Secret", R"({"type":"b"})", R"({"type":"a"})"),
            R"(type: Invalid value: "b": field is immutable)");
  // The limit is on the bytes, not on their base64.
  const std::string fits = R"({"data":{"a":")" + std::string(1024 * 1024 / 3 * 4, 'A') + R"("}})";
  EXPECT_EQ(faults("", "Secret", fits), "");
}

TEST(EventValidation, Namespaces) {
  expect_each(
      "", "Event",
      {
          {R"({"metadata":{"namespace":"dev"},"involvedObject":{"namespace":"dev"}})", ""},
          {R"({"metadata":{"namespace":"default"},"involvedObject":{"kind":"Node"}})", ""},
          {R"({"metadata":{"namespace":"dev"},"involvedObject":{"namespace":"prod"}})",
           R"(involvedObject.namespace: Invalid value: "prod": must equal the event's namespace, "dev")"},
          {R"({"metadata":{"namespace":"dev"},"involvedObject":{"kind":"Node"}})",
           R"(involvedObject.namespace: Invalid value: "")"},
      });
}

TEST(EndpointsValidation, Addresses) {
  expect_each(
      "", "Endpoints",
      {
          {R"({"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":80,"protocol":"TCP"}]}]})",
           ""},
          {R"({"subsets":[{"ports":[{"port":80}]}]})", "subsets[0]: Required value"},
          {R"({"subsets":[{"addresses":[{"ip":"x"}]}]})",
           R"(subsets[0].addresses[0].ip: Invalid value: "x")"},
          {R"({"subsets":[{"addresses":[{}]}]})", "subsets[0].addresses[0].ip: Required value"},
          {R"({"subsets":[{"notReadyAddresses":[{"ip":"127.0.0.1"}]}]})",
           R"(subsets[0].notReadyAddresses[0].ip: Invalid value: "127.0.0.1": must not be a loopback address)"},
          {R"({"subsets":[{"addresses":[{"ip":"fe80::1"}]}]})",
           R"(subsets[0].addresses[0].ip: Invalid value: "fe80::1")"},
          {R"({"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":1},{"port":2,"name":"b"}]}]})",
           "subsets[0].ports[0].name: Required value"},
      });
}

TEST(EndpointSliceValidation, AddressesFitTheType) {
  expect_each(
      "discovery.k8s.io", "EndpointSlice",
      {
          {R"({"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"]}],"ports":[{"port":80,"protocol":"TCP"}]})",
           ""},
          {R"({"addressType":"IPv6","endpoints":[{"addresses":["fd00::1"]}]})", ""},
          {R"({"addressType":"FQDN","endpoints":[{"addresses":["example.com"]}]})", ""},
          {R"({"endpoints":[]})", "addressType: Required value"},
          {R"({"addressType":"IPX"})", R"(addressType: Unsupported value: "IPX")"},
          {R"({"addressType":"IPv4","endpoints":[{"addresses":["fd00::1"]}]})",
           R"(endpoints[0].addresses[0]: Invalid value: "fd00::1": must be an IPv4 address)"},
          {R"({"addressType":"IPv4","endpoints":[{"addresses":["x"]}]})",
           R"(endpoints[0].addresses[0]: Invalid value: "x")"},
          {R"({"addressType":"IPv4","endpoints":[{}]})", "endpoints[0].addresses: Required value"},
          {R"({"addressType":"IPv4","ports":[{"port":1},{"port":2}]})",
           R"(ports[1].name: Duplicate value: "")"},
          {R"({"addressType":"IPv4","ports":[{"port":0}]})", "ports[0].port: Invalid value: 0"},
      });
  EXPECT_THAT(faults("discovery.k8s.io", "EndpointSlice", R"({"addressType":"IPv6"})",
                     R"({"addressType":"IPv4"})"),
              HasSubstr("addressType: Invalid value: \"IPv6\": field is immutable"));
}

TEST(LeaseValidation, Numbers) {
  expect_each(
      "coordination.k8s.io", "Lease",
      {
          {R"({"spec":{"holderIdentity":"a","leaseDurationSeconds":15,"leaseTransitions":0}})", ""},
          {R"({"spec":{"leaseDurationSeconds":0}})", "spec.leaseDurationSeconds: Invalid value: 0"},
          {R"({"spec":{"leaseTransitions":-1}})", "spec.leaseTransitions: Invalid value: -1"},
          {R"({"spec":{"holderIdentity":""}})", R"(spec.holderIdentity: Invalid value: "")"},
      });
}

TEST(BuiltinValidation, OtherKindsAreLeftAlone) {
  EXPECT_EQ(faults("projectcalico.org", "NetworkPolicy", R"({"spec":{"ingress":[{"from":[{}]}]}})"),
            "");
  EXPECT_EQ(faults("", "ServiceAccount", "{}"), "");
}

}  // namespace
}  // namespace caracal::apimachinery
