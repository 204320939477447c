#include "apimachinery/validation_cases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

namespace caracal::apimachinery {
namespace {

void expect_each_policy(std::initializer_list<FaultCase> specs) {
  for (const FaultCase& c : specs) {
    const std::string object = R"({"spec":)" + std::string(c.object) + "}";
    expect_each("networking.k8s.io", "NetworkPolicy", {{object, c.fault}});
  }
}

TEST(NetworkPolicyValidation, GoodOnes) {
  expect_each_policy({
      {R"({"podSelector":{}})", ""},
      {R"({"podSelector":{"matchLabels":{"a":"b"}},"policyTypes":["Ingress","Egress"],"ingress":[{}],"egress":[]})",
       ""},
      {R"({"ingress":[{"from":[{"podSelector":{}},{"namespaceSelector":{}},{"podSelector":{},"namespaceSelector":{}}],
           "ports":[{"port":80},{"port":"http","protocol":"TCP"},{"protocol":"UDP"},{"protocol":"SCTP","port":1,
           "endPort":65535},{"port":80,"endPort":80}]}]})",
       ""},
      {R"({"egress":[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16","10.2.3.4/32"]}},
           {"ipBlock":{"cidr":"fd00::/8","except":["fd00:1::/32"]}},{"ipBlock":{"cidr":"0.0.0.0/0"}}]}]})",
       ""},
  });
}

TEST(NetworkPolicyValidation, Selectors) {
  expect_each_policy({
      {R"({"podSelector":{"matchLabels":{"a b":"c"}}})",
       R"(spec.podSelector.matchLabels: Invalid value: "a b": )"},
      {R"({"podSelector":{"matchExpressions":[{"key":"a","operator":"In","values":[]}]}})",
       "spec.podSelector.matchExpressions[0].values: Required value: "},
      {R"({"podSelector":{"matchExpressions":[{"key":"a","operator":"NotIn"}]}})",
       "spec.podSelector.matchExpressions[0].values: Required value: "},
      {R"({"ingress":[{"from":[{"namespaceSelector":{"matchExpressions":[{"key":"a","operator":"DoesNotExist",
           "values":["x"]}]}}]}]})",
       "spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].values: Forbidden: "},
      {R"({"egress":[{},{"to":[{"podSelector":{"matchExpressions":[{"key":"a","operator":"Like"}]}}]}]})",
       R"(spec.egress[1].to[0].podSelector.matchExpressions[0].operator: Invalid value: "Like": )"},
  });
}

TEST(NetworkPolicyValidation, Ports) {
  const std::tuple<const char*, const char*> cases[] = {
      {R"({"port":0})", ".port: Invalid value: 0: must be between 1 and 65535, inclusive"},
      {R"({"port":70000})", ".port: Invalid value: 70000: must be between 1 and 65535, inclusive"},
      {R"({"port":"HTTP"})", R"(.port: Invalid value: "HTTP": )"},
      {R"({"port":"80"})", R"(.port: Invalid value: "80": )"},
      {R"({"protocol":"tcp"})",
       R"(.protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP")"},
      {R"({"protocol":"ICMP"})", R"(.protocol: Unsupported value: "ICMP")"},
      {R"({"endPort":80})", ".port: Required value: "},
      {R"({"port":"http","endPort":80})", ".endPort: Invalid value: 80: "},
      {R"({"port":80,"endPort":79})",
       ".endPort: Invalid value: 79: must be greater than or equal to port"},
      {R"({"port":80,"endPort":65536})", ".endPort: Invalid value: 65536: must be between"},
  };
  for (const auto& [port, fault] : cases) {
    const std::string ingress = R"({"ingress":[{"ports":[)" + std::string(port) + "]}]}";
    const std::string egress = R"({"egress":[{"ports":[{"port":1},)" + std::string(port) + "]}]}";
    expect_each_policy({{ingress, std::string("spec.ingress[0].ports[0]").append(fault)},
                        {egress, std::string("spec.egress[0].ports[1]").append(fault)}});
  }
}

TEST(NetworkPolicyValidation, Peers) {
  const std::tuple<const char*, const char*> cases[] = {
      {R"({})", ": Required value: "},
      {R"({"ipBlock":{"cidr":"10.0.0.0/8"},"podSelector":{}})", ": Forbidden: "},
      {R"({"ipBlock":{"cidr":"10.0.0.0/8"},"namespaceSelector":{}})", ": Forbidden: "},
      {R"({"ipBlock":{}})", ".ipBlock.cidr: Required value"},
      {R"({"ipBlock":{"cidr":"10.0.0.0"}})",
       R"(.ipBlock.cidr: Invalid value: "10.0.0.0": must be a CIDR)"},
      {R"({"ipBlock":{"cidr":"10.0.0.0/33"}})", R"(.ipBlock.cidr: Invalid value: "10.0.0.0/33")"},
      {R"({"ipBlock":{"cidr":"10.0.0.0/8","except":["10.0.0.0/8"]}})",
       R"(.ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict part of cidr)"},
      {R"({"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16","11.0.0.0/16"]}})",
       R"(.ipBlock.except[1]: Invalid value: "11.0.0.0/16")"},
      {R"({"ipBlock":{"cidr":"10.0.0.0/8","except":["0.0.0.0/0"]}})",
       R"(.ipBlock.except[0]: Invalid value)"},
      {R"({"ipBlock":{"cidr":"10.0.0.0/8","except":["fd00::/64"]}})",
       R"(.ipBlock.except[0]: Invalid value: "fd00::/64": must be of the same address family)"},
      {R"({"ipBlock":{"cidr":"10.0.0.0/8","except":["x"]}})",
       R"(.ipBlock.except[0]: Invalid value: "x")"},
  };
  for (const auto& [peer, fault] : cases) {
    const std::string ingress = R"({"ingress":[{"from":[)" + std::string(peer) + "]}]}";
    const std::string egress = R"({"egress":[{"to":[)" + std::string(peer) + "]}]}";
    expect_each_policy({{ingress, std::string("spec.ingress[0].from[0]").append(fault)},
                        {egress, std::string("spec.egress[0].to[0]").append(fault)}});
  }
}

TEST(NetworkPolicyValidation, PolicyTypes) {
  expect_each_policy({
      {R"({"policyTypes":["Ingres"]})",
       R"(spec.policyTypes[0]: Unsupported value: "Ingres": supported values: "Egress", "Ingress")"},
      {R"({"policyTypes":["Ingress","Egress","Ingress"]})", "spec.policyTypes: Invalid value: "},
  });
}

}  // namespace
}  // namespace caracal::apimachinery
