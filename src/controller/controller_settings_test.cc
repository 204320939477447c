#include "controller/controller_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jsonio/yaml.h"

namespace caracal::controller {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json::value yaml(std::string_view text) { return jsonio::parse_yaml(text)->front(); }

TEST(Durations, AreReadAndWrittenAsTheApiHasThem) {
  EXPECT_EQ(parse_duration("5m"), milliseconds(300'000));
  EXPECT_EQ(parse_duration("1h30m0.5s"), milliseconds(5'400'500));
  EXPECT_EQ(parse_duration("300ms"), milliseconds(300));
  EXPECT_EQ(parse_duration("0"), milliseconds(0));
  EXPECT_EQ(parse_duration("0s"), milliseconds(0));
  for (const char* bad : {"", "5", "m", "-5m", "5 m", "5d", "1e3s", "5m3", "999999999999h"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
  EXPECT_EQ(duration_text(milliseconds(300'000)), "5m0s");
  EXPECT_EQ(duration_text(milliseconds(5'400'500)), "1h30m0.500s");
  EXPECT_EQ(duration_text(milliseconds(15'000)), "15s");
  for (const int64_t ms : {0LL, 1LL, 999LL, 60'000LL, 3'599'999LL, 86'400'000LL})
    EXPECT_EQ(parse_duration(duration_text(milliseconds(ms))), milliseconds(ms));
}

TEST(Settings, AreThoseOfTheObjectElseTheDefaults) {
  const ControllerSettings none = decode_settings(nullptr);
  EXPECT_EQ(none.period, std::chrono::minutes(5));
  EXPECT_EQ(none.leak_grace, std::chrono::minutes(15));
  const json::value made = default_configuration("projectcalico.org/v3");
  EXPECT_EQ(decode_settings(&made), none) << "the object that is made says the defaults";
  const json::value object = yaml(R"({spec: {logSeverityScreen: Warning, healthChecks: Disabled,
      controllers: {node: {reconcilerPeriod: 1m, leakGracePeriod: 0s}}}})");
  const ControllerSettings settings = decode_settings(&object);
  EXPECT_EQ(settings.period, std::chrono::minutes(1));
  EXPECT_EQ(settings.leak_grace, milliseconds(0));
  EXPECT_EQ(settings.log_level, "warn");
  EXPECT_FALSE(settings.health_checks);
  EXPECT_THAT(settings.problems, IsEmpty());
}

TEST(Settings, WhatCannotBeReadIsNamedAndTheDefaultHolds) {
  const json::value object = yaml(R"({spec: {logSeverityScreen: Loud,
      controllers: {node: {reconcilerPeriod: often, leakGracePeriod: 7}}}})");
  const ControllerSettings settings = decode_settings(&object);
  EXPECT_EQ(settings.period, std::chrono::minutes(5));
  EXPECT_EQ(settings.leak_grace, std::chrono::minutes(15));
  EXPECT_THAT(settings.problems,
              ElementsAre(HasSubstr("node.reconcilerPeriod: \"often\": must be a duration"),
                          HasSubstr("node.leakGracePeriod: 7: must be a duration"),
                          HasSubstr("logSeverityScreen: Loud: must be None, Debug")));
}

TEST(Settings, RunningConfigSaysWhatHolds) {
  const json::value object = yaml(R"({spec: {controllers: {node: {leakGracePeriod: nonsense,
      hostEndpoint: {autoCreate: Enabled}}}}})");
  const json::value running = running_configuration(object, decode_settings(&object), 9094);
  EXPECT_EQ(jsonio::get_string(running, {"controllers", "node", "leakGracePeriod"}), "15m0s");
  EXPECT_EQ(jsonio::get_string(running, {"controllers", "node", "hostEndpoint", "autoCreate"}),
            "Enabled");
  EXPECT_EQ(jsonio::get_int(running, {"prometheusMetricsPort"}), 9094);
}

}  // namespace
}  // namespace caracal::controller
