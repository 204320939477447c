#include "apimachinery/validation_cases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace caracal::apimachinery {
namespace {

using testing::HasSubstr;

// A pod with one good container, and `spec` and `container` members added.
std::string pod(std::string_view spec = "", std::string_view container = "") {
  return R"({"spec":{"restartPolicy":"Always","dnsPolicy":"ClusterFirst","volumes":[{"name":"v","emptyDir":{}}],
    "containers":[{"name":"a","image":"i")" +
         std::string(container.empty() ? "" : ",") + std::string(container) + "}]" +
         std::string(spec.empty() ? "" : ",") + std::string(spec) + "}}";
}

void expect_each_pod(std::initializer_list<FaultCase> objects) { expect_each("", "Pod", objects); }

TEST(PodValidation, Containers) {
  expect_each_pod({
      {pod(), ""},
      {R"({"spec":{"restartPolicy":"Always","containers":[]}})", "spec.containers: Required value"},
      {R"({"spec":{"restartPolicy":"Always"}})", "spec.containers: Required value"},
      {R"({"spec":{"restartPolicy":"Always","containers":[{"image":"i"}]}})",
       "spec.containers[0].name: Required value"},
      {R"({"spec":{"restartPolicy":"Always","containers":[{"name":"A","image":"i"}]}})",
       R"(spec.containers[0].name: Invalid value: "A": must be an RFC 1123 label)"},
      {R"({"spec":{"restartPolicy":"Always","containers":[{"name":"a"}]}})",
       "spec.containers[0].image: Required value"},
      {R"({"spec":{"restartPolicy":"Always","containers":[{"name":"a","image":"i"},{"name":"a","image":"i"}]}})",
       R"(spec.containers[1].name: Duplicate value: "a")"},
      {pod(R"("initContainers":[{"name":"a","image":"i"}])"),
       R"(spec.initContainers[0].name: Duplicate value: "a")"},
      {pod("", R"("imagePullPolicy":"Sometimes")"),
       "spec.containers[0].imagePullPolicy: Unsupported value"},
      {pod("", R"("restartPolicy":"Always")"), "spec.containers[0].restartPolicy: Forbidden"},
      {pod(R"("initContainers":[{"name":"b","image":"i","restartPolicy":"Always"}])"), ""},
  });
}

TEST(PodValidation, ContainerPorts) {
  expect_each_pod({
      {pod("",
           R"("ports":[{"containerPort":80,"name":"http","protocol":"TCP"},{"containerPort":80,"protocol":"UDP"}])"),
       ""},
      {pod("", R"("ports":[{}])"), "spec.containers[0].ports[0].containerPort: Required value"},
      {pod("", R"("ports":[{"containerPort":65536}])"),
       "spec.containers[0].ports[0].containerPort: Invalid value: 65536"},
      {pod("", R"("ports":[{"containerPort":1,"name":"x"},{"containerPort":2,"name":"x"}])"),
       R"(spec.containers[0].ports[1].name: Duplicate value: "x")"},
      {pod("", R"("ports":[{"containerPort":1,"name":"X"}])"),
       R"(spec.containers[0].ports[0].name: Invalid value: "X")"},
      {pod("", R"("ports":[{"containerPort":1,"protocol":"TCPP"}])"),
       "spec.containers[0].ports[0].protocol: Unsupported value"},
      {pod("",
           R"("ports":[{"containerPort":1,"hostPort":8080},{"containerPort":2,"hostPort":8080}])"),
       R"(spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//8080")"},
      {pod("",
           R"("ports":[{"containerPort":1,"hostPort":8080},{"containerPort":2,"hostPort":8080,"protocol":"UDP"}])"),
       ""},
      {pod(R"("hostNetwork":true)", R"("ports":[{"containerPort":1,"hostPort":2}])"),
       "spec.containers[0].ports[0].containerPort: Invalid value: 1: must equal hostPort"},
  });
}

TEST(PodValidation, TheRestOfAContainer) {
  expect_each_pod({
      {pod("", R"("resources":{"limits":{"cpu":"100m","memory":1024}})"), ""},
      {pod("", R"("resources":{"limits":{"cpu":"lots"}})"),
       R"(spec.containers[0].resources.limits[cpu]: Invalid value: "lots": must be a quantity)"},
      {pod("", R"("resources":{"requests":{"cpu":"-1"}})"),
       R"(spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater)"},
      {pod("", R"("env":[{"name":"A","value":"1"}])"), ""},
      {pod("", R"("env":[{"name":"A=B"}])"),
       R"(spec.containers[0].env[0].name: Invalid value: "A=B")"},
      {pod("", R"("env":[{"name":"A","value":"1","valueFrom":{"fieldRef":{}}}])"),
       "spec.containers[0].env[0].valueFrom: Invalid value"},
      {pod("", R"("volumeMounts":[{"name":"v","mountPath":"/v"}])"), ""},
      {pod("", R"("volumeMounts":[{"name":"w","mountPath":"/v"}])"),
       R"(spec.containers[0].volumeMounts[0].name: Not found: "w")"},
      {pod("", R"("volumeMounts":[{"name":"v"}])"),
       "spec.containers[0].volumeMounts[0].mountPath: Required value"},
      {pod("", R"("volumeMounts":[{"name":"v","mountPath":"/v"},{"name":"v","mountPath":"/v"}])"),
       "spec.containers[0].volumeMounts[1].mountPath: Invalid value"},
      {pod("", R"("livenessProbe":{"httpGet":{"port":"http"}})"), ""},
      {pod("", R"("livenessProbe":{})"), "spec.containers[0].livenessProbe: Required value"},
      {pod("", R"("livenessProbe":{"httpGet":{"port":0}})"),
       "spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0"},
  });
}

TEST(PodValidation, Spec) {
  expect_each_pod({
      {R"({"spec":{"containers":[{"name":"a","image":"i"}]}})",
       "spec.restartPolicy: Required value"},
      {R"({"spec":{"restartPolicy":"No","containers":[{"name":"a","image":"i"}]}})",
       R"(spec.restartPolicy: Unsupported value: "No": supported values: "Always", "OnFailure", "Never")"},
      {pod(R"("nodeSelector":{"a b":"c"})"), "spec.nodeSelector: Invalid value"},
      {pod(R"("nodeName":"N")"), "spec.nodeName: Invalid value"},
      {pod(R"("hostname":"a.b")"), "spec.hostname: Invalid value"},
      {pod(R"("activeDeadlineSeconds":0)"), "spec.activeDeadlineSeconds: Invalid value: 0"},
      {pod(R"("terminationGracePeriodSeconds":-1)"),
       "spec.terminationGracePeriodSeconds: Invalid value: -1"},
      {pod(R"("tolerations":[{"key":"a","operator":"Exists"},{"operator":"Exists"}])"), ""},
      {pod(R"("tolerations":[{"operator":"Equal"}])"),
       "spec.tolerations[0].operator: Invalid value"},
      {pod(R"("tolerations":[{"key":"a","operator":"Exists","value":"b"}])"),
       "spec.tolerations[0].value: Invalid value"},
      {pod(R"("tolerations":[{"key":"a","tolerationSeconds":1}])"),
       "spec.tolerations[0].effect: Invalid value"},
      {pod(R"("hostAliases":[{"ip":"10.0.0.1","hostnames":["a.b"]}])"), ""},
      {pod(R"("hostAliases":[{"ip":"x"}])"), "spec.hostAliases[0].ip: Invalid value"},
      {R"({"spec":{"restartPolicy":"Always","dnsPolicy":"None","containers":[{"name":"a","image":"i"}]}})",
       "spec.dnsConfig.nameservers: Required value"},
  });
}

TEST(PodValidation, Volumes) {
  const auto with_volumes = [](std::string_view volumes) {
    return R"({"spec":{"restartPolicy":"Always","containers":[{"name":"a","image":"i"}],"volumes":)" +
           std::string(volumes) + "}}";
  };
  expect_each_pod({
      {with_volumes(
           R"([{"name":"v","configMap":{"name":"c"}},{"name":"w","hostPath":{"path":"/x"}}])"),
       ""},
      {with_volumes(R"([{"name":"v"}])"), "spec.volumes[0]: Required value"},
      {with_volumes(R"([{"emptyDir":{}}])"), "spec.volumes[0].name: Required value"},
      {with_volumes(R"([{"name":"v","emptyDir":{}},{"name":"v","emptyDir":{}}])"),
       R"(spec.volumes[1].name: Duplicate value: "v")"},
      {with_volumes(R"([{"name":"v","emptyDir":{},"hostPath":{"path":"/x"}}])"),
       "spec.volumes[0].hostPath: Forbidden"},
      {with_volumes(R"([{"name":"v","secret":{}}])"),
       "spec.volumes[0].secret.secretName: Required value"},
  });
}

TEST(PodUpdate, OnlySomeFieldsMayChange) {
  const std::string old = pod(R"("nodeName":"n1","tolerations":[{"key":"a","operator":"Exists"}],
                                 "activeDeadlineSeconds":10,"terminationGracePeriodSeconds":30)");
  const auto update = [&](std::string_view from, std::string_view to) {
    std::string now = old;
    now.replace(now.find(from), from.size(), to);
    return faults("", "Pod", now, old);
  };
  EXPECT_EQ(faults("", "Pod", old, old), "");
  EXPECT_EQ(update(R"("nodeName":"n1")", R"("nodeName":"n1","hostNetwork":false,"hostname":"")"),
            "");
  EXPECT_EQ(update(R"("image":"i")", R"("image":"j")"), "");
  EXPECT_EQ(update(R"("activeDeadlineSeconds":10)", R"("activeDeadlineSeconds":5)"), "");
  EXPECT_EQ(update(R"([{"key":"a")", R"([{"key":"b","operator":"Exists"},{"key":"a")"), "");
  EXPECT_THAT(update(R"("nodeName":"n1")", R"("nodeName":"n2")"),
              HasSubstr("spec.nodeName: Forbidden: an update of a pod may change only"));
  EXPECT_THAT(update(R"("image":"i")", R"("image":"i","command":["x"])"),
              HasSubstr("spec.containers[0].command: Forbidden"));
  EXPECT_THAT(
      update(R"({"name":"a","image":"i"})", R"({"name":"a","image":"i"},{"name":"b","image":"i"})"),
      HasSubstr("spec.containers: Forbidden: an update may not add or remove containers"));
  EXPECT_THAT(update(R"("activeDeadlineSeconds":10)", R"("activeDeadlineSeconds":11)"),
              HasSubstr("spec.activeDeadlineSeconds: Invalid value: 11"));
  EXPECT_THAT(update(R"({"key":"a","operator":"Exists"})", ""),
              HasSubstr("spec.tolerations: Forbidden"));
  EXPECT_THAT(
      update(R"("terminationGracePeriodSeconds":30)", R"("terminationGracePeriodSeconds":5)"),
      HasSubstr("spec.terminationGracePeriodSeconds: Forbidden"));
  EXPECT_THAT(update(R"("restartPolicy":"Always")", R"("restartPolicy":"Never")"),
              HasSubstr("spec.restartPolicy: Forbidden"));
}

}  // namespace
}  // namespace caracal::apimachinery
