#include "base/subprocess.h"

#include <gtest/gtest.h>

namespace caracal {
namespace {

TEST(Run, CollectsOutputErrorAndExitCode) {
  const auto result = run({.argv = {"sh", "-c", "cat; echo oops >&2; exit 3"}, .input = "hello"});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->out, "hello");
  EXPECT_EQ(result->err, "oops\n");
  EXPECT_EQ(result->exit_code, 3);
}

TEST(Run, CarriesMoreThanAPipeHoldsBothWays) {
  const std::string big(1 << 20, 'x');
  const auto result = run({.argv = {"cat"}, .input = big});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->out, big);
}

TEST(Run, SurvivesAChildThatDoesNotReadItsInput) {
  const auto result = run({.argv = {"true"}, .input = std::string(1 << 20, 'x')});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->exit_code, 0);
}

TEST(Run, ReportsAMissingProgram) {
  const auto result = run({.argv = {"no-such-program-of-caracal"}});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kNotFound);
}

TEST(Run, KillsAChildThatOutlivesItsTime) {
  const auto result = run({.argv = {"sleep", "60"}, .timeout = std::chrono::milliseconds(50)});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kTimeout);
}

TEST(Run, GivesTheChildTheEnvironmentAsked) {
  const auto result =
      run({.argv = {"/usr/bin/env"}, .environment = std::vector<std::string>{"A=1"}});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->out, "A=1\n");
}

TEST(RunChecked, TurnsAFailedExitIntoAnErrorWithItsText) {
  const auto result = run_checked({.argv = {"sh", "-c", "echo broken >&2; exit 1"}});
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("broken"), std::string::npos);
}

}  // namespace
}  // namespace caracal
