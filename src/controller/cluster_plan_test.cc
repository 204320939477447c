#include "controller/cluster_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jsonio/yaml.h"

namespace caracal::controller {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

const ApiKind kConfiguration{std::string(kStoredGroup), "KubeControllersConfiguration",
                             "kubecontrollersconfigurations"};

std::vector<ApiWrite> plan(const json::value& object) {
  ObjectTable table;
  table.put(kStoredGroup, "default", &object);
  return plan_configuration(table, kConfiguration, decode_settings(&object), 9094);
}

json::value configuration(std::string_view status = "{}") {
  return jsonio::parse_yaml(
             "{apiVersion: crd.projectcalico.org/v1, kind: KubeControllersConfiguration, "
             "metadata: {name: default, resourceVersion: '1'}, "
             "spec: {controllers: {node: {leakGracePeriod: 20s}}}, status: " +
             std::string(status) + "}")
      ->front();
}

json::value told_by(const ApiWrite& write) {
  return *jsonio::get(*jsonio::parse(write.request.body), {"status"});
}

TEST(ClusterPlan, RunningConfigurationIsToldOnce) {
  json::value object = configuration();
  const auto writes = plan(object);
  ASSERT_THAT(writes, SizeIs(1));
  object.get_object()["status"] = told_by(writes[0]);
  EXPECT_THAT(plan(object), IsEmpty());
}

// Both controllers may run while a cluster changes hands: what the other says stays, and is no
// reason to write each time.
TEST(ClusterPlan, WhatAnotherControllerTellsIsNoDifference) {
  json::value object = configuration();
  object.get_object()["status"] = told_by(plan(object).at(0));
  json::value& running = jsonio::ensure(object, {"status", "runningConfig"});
  running.get_object()["etcdV3CompactionPeriod"] = "10m0s";
  jsonio::ensure(running, {"controllers", "migration", "policyNameMigrator"}) = "Enabled";
  jsonio::ensure(running, {"controllers", "node", "syncLabels"}) = "Enabled";
  EXPECT_THAT(plan(object), IsEmpty());
  jsonio::ensure(running, {"controllers", "node", "leakGracePeriod"}) = "15m0s";
  EXPECT_THAT(plan(object), SizeIs(1));
}

}  // namespace
}  // namespace caracal::controller
