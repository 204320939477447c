#include "apimachinery/validation_cases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace caracal::apimachinery {
namespace {

TEST(ServiceValidation, Create) {
  expect_each(
      "", "Service",
      {
          {R"({"spec":{"ports":[{"port":80,"protocol":"TCP","targetPort":"http"}],"selector":{"a":"b"},"clusterIP":"10.96.0.1",
           "clusterIPs":["10.96.0.1"]}})",
           ""},
          {R"({"spec":{"clusterIP":"None"}})", ""},
          {R"({"spec":{"type":"ExternalName","externalName":"example.com."}})", ""},
          {R"({"spec":{}})", "spec.ports: Required value"},
          {R"({"spec":{"type":"Internal","ports":[{"port":1}]}})",
           R"(spec.type: Unsupported value: "Internal")"},
          {R"({"spec":{"ports":[{"port":0}]}})", "spec.ports[0].port: Invalid value: 0"},
          {R"({"spec":{"ports":[{}]}})", "spec.ports[0].port: Required value"},
          {R"({"spec":{"ports":[{"port":1,"name":"a"},{"port":2}]}})",
           "spec.ports[1].name: Required value"},
          {R"({"spec":{"ports":[{"port":1,"name":"a"},{"port":2,"name":"a"}]}})",
           R"(spec.ports[1].name: Duplicate value: "a")"},
          {R"({"spec":{"ports":[{"port":1,"name":"a"},{"port":1,"name":"b"}]}})",
           "spec.ports[1]: Duplicate value"},
          {R"({"spec":{"ports":[{"port":1,"protocol":"X"}]}})",
           "spec.ports[0].protocol: Unsupported value"},
          {R"({"spec":{"ports":[{"port":1,"targetPort":70000}]}})",
           "spec.ports[0].targetPort: Invalid value: 70000"},
          {R"({"spec":{"ports":[{"port":1,"targetPort":"Http"}]}})",
           R"(spec.ports[0].targetPort: Invalid value: "Http")"},
          {R"({"spec":{"ports":[{"port":1,"nodePort":30000}]}})",
           "spec.ports[0].nodePort: Forbidden"},
          {R"({"spec":{"type":"NodePort","ports":[{"port":1,"nodePort":30000}]}})", ""},
          {R"({"spec":{"ports":[{"port":1}],"clusterIP":"x"}})",
           R"(spec.clusterIP: Invalid value: "x")"},
          {R"({"spec":{"type":"NodePort","ports":[{"port":1}],"clusterIP":"None"}})",
           R"(spec.clusterIP: Invalid value: "None")"},
          {R"({"spec":{"ports":[{"port":1}],"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.2"]}})",
           "spec.clusterIPs: Invalid value"},
          {R"({"spec":{"ports":[{"port":1}],"selector":{"a b":"c"}}})",
           "spec.selector: Invalid value"},
          {R"({"spec":{"type":"ExternalName"}})", "spec.externalName: Required value"},
          {R"({"spec":{"ports":[{"port":1}],"sessionAffinity":"Yes"}})",
           "spec.sessionAffinity: Unsupported value"},
          {R"({"spec":{"ports":[{"port":1}],"externalIPs":["x"]}})",
           "spec.externalIPs[0]: Invalid value"},
      });
}

TEST(ServiceValidation, UpdateKeepsTheClusterIp) {
  const std::string_view old = R"({"spec":{"clusterIP":"10.0.0.1","ports":[{"port":1}]}})";
  EXPECT_EQ(faults("", "Service", R"({"spec":{"ports":[{"port":2}]}})", old), "");
  EXPECT_EQ(faults("", "Service", R"({"spec":{"clusterIP":"10.0.0.2","ports":[{"port":1}]}})", old),
            R"(spec.clusterIP: Invalid value: "10.0.0.2": cannot be changed after it was set)");
}

}  // namespace
}  // namespace caracal::apimachinery
