#include "base/subprocess.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

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

// SIGPIPE has one disposition for all threads: changed around each write, it killed the program
// when another thread put it back too early.
TEST(Run, SurvivesSuchChildrenOfManyThreads) {
  ::signal(SIGPIPE, SIG_DFL);
  std::atomic<int> fine = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&fine] {
      for (int i = 0; i < 10; ++i) {
        // It reads a little, so that more than one write is needed.
        const auto result = run({.argv = {"head", "-c", "1"}, .input = std::string(1 << 18, 'x')});
        if (result && result->exit_code == 0 && result->out == "x") ++fine;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(fine, 40);
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
