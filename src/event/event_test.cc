#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <string>
#include <thread>

#include "base/fd.h"
#include "event/backoff.h"
#include "event/loop.h"
#include "event/mailbox.h"
#include "event/watchdog.h"

namespace caracal::event {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using namespace std::chrono_literals;

constexpr Duration kLimit = 60s;

struct Pipe {
  Pipe() {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    read_end.reset(fds[0]);
    write_end.reset(fds[1]);
  }
  UniqueFd read_end;
  UniqueFd write_end;
};

TEST(LoopTest, OneShotTimersFireOnceInOrderOfTime) {
  Loop loop;
  std::vector<int> fired;
  const Handle second = loop.after(20ms, [&] { fired.push_back(2); });
  const Handle first = loop.after(1ms, [&] { fired.push_back(1); });
  EXPECT_TRUE(first.active());
  EXPECT_TRUE(loop.run_until([&] { return fired.size() == 2; }, kLimit));
  EXPECT_THAT(fired, ElementsAre(1, 2));
  EXPECT_FALSE(first.active());
}

TEST(LoopTest, ATimerDoesNotFireEarlyAfterLongWorkOnTheLoop) {
  Loop loop;
  Clock::time_point set;
  Clock::time_point fired;
  Handle timer;
  loop.post([&] {
    const Clock::time_point busy_until = Clock::now() + 30ms;
    while (Clock::now() < busy_until) {
    }
    set = Clock::now();
    timer = loop.after(20ms, [&] { fired = Clock::now(); });
  });
  EXPECT_TRUE(loop.run_until([&] { return fired != Clock::time_point(); }, kLimit));
  EXPECT_GE(fired - set, 19ms);
}

TEST(LoopTest, RepeatingTimerEndsWithItsHandleEvenInsideItsCallback) {
  Loop loop;
  int count = 0;
  Handle timer;
  timer = loop.every(1ms, [&, alive = std::make_shared<int>(7)] {
    if (++count == 3) timer.reset();
    EXPECT_EQ(*alive, 7);  // the callback's captures survive until it returns
  });
  bool later = false;
  const Handle end = loop.after(30ms, [&] { later = true; });
  EXPECT_TRUE(loop.run_until([&] { return later; }, kLimit));
  EXPECT_EQ(count, 3);
  EXPECT_FALSE(timer.active());
}

TEST(LoopTest, ResettingAHandleFreesWhatItsCallbackHolds) {
  Loop loop;
  auto held = std::make_shared<int>(1);
  Handle timer = loop.every(1h, [held] {});
  EXPECT_EQ(held.use_count(), 2);
  timer.reset();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(LoopTest, HandlesMayOutliveTheLoop) {
  Handle timer;
  {
    Loop loop;
    timer = loop.every(1ms, [] {});
  }
  EXPECT_FALSE(timer.active());
  timer.reset();
}

TEST(LoopTest, StopBeforeRunCountsAndRunMayBeCalledAgain) {
  Loop loop;
  loop.stop();
  loop.run();
  bool ran = false;
  const Handle timer = loop.after(1ms, [&] {
    ran = true;
    loop.stop();
  });
  loop.run();
  EXPECT_TRUE(ran);
}

TEST(LoopTest, RunUntilGivesUpAtItsLimit) {
  Loop loop;
  EXPECT_FALSE(loop.run_until([] { return false; }, 5ms));
}

TEST(LoopTest, PostsFromManyThreadsAllRunInEachThreadsOrder) {
  Loop loop;
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  std::vector<std::vector<int>> seen(kThreads);  // written on the loop's thread only
  int total = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&loop, &seen, &total, t] {
      for (int i = 0; i < kEach; ++i) {
        loop.post([&loop, &seen, &total, t, i] {
          seen[t].push_back(i);
          if (++total == kThreads * kEach) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (std::thread& thread : threads) thread.join();
  for (const auto& order : seen) {
    ASSERT_EQ(order.size(), static_cast<size_t>(kEach));
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  }
}

TEST(LoopTest, APostedFunctionMayPost) {
  Loop loop;
  int depth = 0;
  std::function<void()> again = [&] {
    if (++depth == 5) return loop.stop();
    loop.post(again);
  };
  loop.post(again);
  loop.run();
  EXPECT_EQ(depth, 5);
}

TEST(LoopTest, WatchesReadabilityAndHangUp) {
  Loop loop;
  Pipe pipe;
  std::string got;
  bool ended = false;
  Result<Handle> watch = loop.watch_fd(pipe.read_end.get(), {.read = true}, [&](Ready ready) {
    EXPECT_TRUE(ready.read);
    char buffer[16];
    const ssize_t n = ::read(pipe.read_end.get(), buffer, sizeof buffer);
    if (n > 0) got.append(buffer, static_cast<size_t>(n));
    if (n == 0) {
      ended = true;
      watch->reset();
    }
  });
  ASSERT_TRUE(watch.has_value());
  ASSERT_EQ(::write(pipe.write_end.get(), "hello", 5), 5);
  EXPECT_TRUE(loop.run_until([&] { return got == "hello"; }, kLimit));
  pipe.write_end.reset();
  EXPECT_TRUE(loop.run_until([&] { return ended; }, kLimit));
}

TEST(LoopTest, InterestInWritingCanBeTurnedOnAndOff) {
  Loop loop;
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  const UniqueFd mine(fds[0]);
  const UniqueFd other(fds[1]);
  int writable = 0;
  auto watch = loop.watch_fd(mine.get(), {.read = true}, [&](Ready ready) {
    if (ready.write) ++writable;
  });
  ASSERT_TRUE(watch.has_value());
  EXPECT_FALSE(loop.run_until([&] { return writable > 0; }, 10ms));
  Loop::set_interest(*watch, {.read = true, .write = true});
  EXPECT_TRUE(loop.run_until([&] { return writable > 0; }, kLimit));
  Loop::set_interest(*watch, {});
  writable = 0;
  EXPECT_FALSE(loop.run_until([&] { return writable > 0; }, 10ms));
}

TEST(LoopTest, APlainFileCannotBeWatched) {
  Loop loop;
  const UniqueFd file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  auto watch = loop.watch_fd(file.get(), {.read = true}, [](Ready) {});
  ASSERT_FALSE(watch.has_value());
  EXPECT_EQ(watch.error().code, Errc::kPermission);
  EXPECT_THAT(watch.error().message, ::testing::HasSubstr("watch descriptor"));
}

TEST(LoopTest, ReportsTheExitOfChildren) {
  Loop loop;
  const auto child = [](bool killed) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (killed) ::raise(SIGKILL);
      ::_exit(7);
    }
    return pid;
  };
  int code = -1;
  int killed_code = -1;
  auto first = loop.watch_child(child(false), [&](int c) { code = c; });
  auto second = loop.watch_child(child(true), [&](int c) { killed_code = c; });
  ASSERT_TRUE(first.has_value());
  ASSERT_TRUE(second.has_value());
  EXPECT_TRUE(loop.run_until([&] { return code >= 0 && killed_code >= 0; }, kLimit));
  EXPECT_EQ(code, 7);
  EXPECT_EQ(killed_code, 128 + SIGKILL);
  EXPECT_FALSE(first->active());
}

TEST(LoopTest, SignalsArriveOnTheLoop) {
  Loop loop;
  int count = 0;
  auto watch = loop.watch_signal(SIGUSR1, [&] { ++count; });
  ASSERT_TRUE(watch.has_value());
  ::raise(SIGUSR1);
  EXPECT_TRUE(loop.run_until([&] { return count == 1; }, kLimit));
}

TEST(LoopTest, WorkRunsElsewhereAndItsValueComesBack) {
  Loop loop;
  const std::thread::id here = std::this_thread::get_id();
  std::thread::id there;
  std::string value;
  bool plain_done = false;
  loop.work(
      [&there] {
        there = std::this_thread::get_id();
        return std::string("answer");
      },
      [&](std::string text) {
        EXPECT_EQ(std::this_thread::get_id(), here);
        value = std::move(text);
      });
  loop.work([] {}, [&] { plain_done = true; });
  EXPECT_TRUE(loop.run_until([&] { return !value.empty() && plain_done; }, kLimit));
  EXPECT_EQ(value, "answer");
  EXPECT_NE(there, here);
}

TEST(LoopTest, TheEndOfALoopWaitsForWorkButDropsItsAnswer) {
  std::atomic<bool> worked{false};
  std::atomic<bool> begun{false};
  bool answered = false;
  {
    Loop loop;
    loop.work(
        [&] {
          begun = true;
          worked = true;
        },
        [&] { answered = true; });
    while (!begun) std::this_thread::yield();
  }
  EXPECT_TRUE(worked);
  EXPECT_FALSE(answered);
}

TEST(MailboxTest, KeepsTheNewestValueOfAKeyInTheOrderOfFirstArrival) {
  Loop loop;
  std::vector<std::vector<std::pair<std::string, int>>> batches;
  Mailbox<std::string, int> mailbox(loop, [&](auto batch) { batches.push_back(std::move(batch)); });
  mailbox.put("a", 1);
  mailbox.put("b", 1);
  mailbox.put("a", 2);
  mailbox.put_all({{"c", 1}, {"b", 3}});
  EXPECT_EQ(mailbox.size(), 3u);
  EXPECT_TRUE(loop.run_until([&] { return !batches.empty(); }, kLimit));
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_THAT(batches[0], ElementsAre(Pair("a", 2), Pair("b", 3), Pair("c", 1)));
  mailbox.put("a", 5);
  EXPECT_TRUE(loop.run_until([&] { return batches.size() == 2; }, kLimit));
  EXPECT_THAT(batches[1], ElementsAre(Pair("a", 5)));
  EXPECT_EQ(mailbox.size(), 0u);
}

TEST(MailboxTest, DeliveryMayPutAgain) {
  Loop loop;
  std::vector<int> values;
  Mailbox<int, int>* self = nullptr;
  Mailbox<int, int> mailbox(loop, [&](auto batch) {
    for (const auto& [key, value] : batch) {
      values.push_back(value);
      if (value < 3) self->put(key, value + 1);
    }
  });
  self = &mailbox;
  mailbox.put(0, 1);
  EXPECT_TRUE(loop.run_until([&] { return values.size() == 3; }, kLimit));
  EXPECT_THAT(values, ElementsAre(1, 2, 3));
}

TEST(MailboxTest, ABusyReceiverSeesEveryKeysLastValueFromManyThreads) {
  Loop loop;
  constexpr int kThreads = 4;
  constexpr int kKeys = 50;
  constexpr int kRounds = 500;
  std::map<int, int> last;
  size_t largest_batch = 0;
  Mailbox<int, int> mailbox(loop, [&](auto batch) {
    largest_batch = std::max(largest_batch, batch.size());
    for (const auto& [key, value] : batch) {
      EXPECT_LE(last[key], value);  // never an older one after a newer one
      last[key] = value;
    }
  });
  std::vector<std::thread> threads;
  std::atomic<int> ready{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 1; round <= kRounds; ++round) {
        for (int key = 0; key < kKeys; ++key) mailbox.put(t * kKeys + key, round);
      }
      if (++ready == kThreads) loop.stop();
    });
  }
  loop.run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(loop.run_until([&] { return mailbox.size() == 0; }, kLimit));
  ASSERT_EQ(last.size(), static_cast<size_t>(kThreads * kKeys));
  for (const auto& [key, value] : last) EXPECT_EQ(value, kRounds) << key;
  EXPECT_LE(largest_batch, static_cast<size_t>(kThreads * kKeys));
}

TEST(MailboxTest, WhatIsInAMailboxThatEndsIsDropped) {
  Loop loop;
  bool delivered = false;
  {
    Mailbox<int, int> mailbox(loop, [&](auto) { delivered = true; });
    mailbox.put(1, 1);
  }
  EXPECT_FALSE(loop.run_until([&] { return delivered; }, 5ms));
}

TEST(BackoffTest, GrowsToTheLongestWithJitterDownwards) {
  double random = 0.0;
  Backoff backoff({.first = 100ms, .longest = 1000ms, .factor = 2, .jitter = 0.5},
                  [&] { return random; });
  EXPECT_EQ(backoff.next(), 100ms);
  EXPECT_EQ(backoff.next(), 200ms);
  random = 0.5;
  EXPECT_EQ(backoff.next(), 300ms);
  random = 0.0;
  EXPECT_EQ(backoff.next(), 800ms);
  EXPECT_EQ(backoff.next(), 1000ms);
  EXPECT_EQ(backoff.failures(), 5);
  for (int i = 0; i < 3000; ++i) EXPECT_EQ(backoff.next(), 1000ms);
  backoff.reset();
  EXPECT_EQ(backoff.next(), 100ms);
}

TEST(BackoffTest, SystemRandomIsBetweenZeroAndOne) {
  const Random random = system_random();
  for (int i = 0; i < 1000; ++i) {
    const double value = random();
    EXPECT_GE(value, 0.0);
    EXPECT_LT(value, 1.0);
  }
}

TEST(WatchdogTest, ReportsALoopThatStopsBeatingAndWhenItIsBack) {
  std::vector<std::pair<std::string, bool>> reports;
  std::vector<std::string> aborted;
  Loop loop;
  // check_every of an hour: the test calls check() itself.
  Watchdog watchdog(
      {.check_every = 1h, .report_after = 5s, .abort_after = 60s},
      [&](const LoopHealth& h) { reports.emplace_back(h.name, h.stuck); },
      [&](const LoopHealth& h) { aborted.push_back(h.name); });
  Handle watch = watchdog.watch(loop, "calc");
  const Clock::time_point start = Clock::now();
  watchdog.check(start + 1s);
  EXPECT_TRUE(reports.empty());
  watchdog.check(start + 10s);
  watchdog.check(start + 20s);
  EXPECT_THAT(reports, ElementsAre(Pair("calc", true)));
  watchdog.check(start + 1s);
  EXPECT_THAT(reports, ElementsAre(Pair("calc", true), Pair("calc", false)));
  EXPECT_TRUE(aborted.empty());
  watchdog.check(start + 61s);
  EXPECT_THAT(aborted, ElementsAre("calc"));
  ASSERT_EQ(watchdog.health().size(), 1u);
  EXPECT_FALSE(watchdog.health()[0].stuck);
  watch.reset();
  EXPECT_TRUE(watchdog.health().empty());
}

TEST(WatchdogTest, ALoopThatTurnsKeepsBeating) {
  Loop loop;
  std::atomic<int> reports{0};
  Watchdog watchdog({.check_every = 2ms, .report_after = 10s},
                    [&](const LoopHealth&) { ++reports; });
  const Handle watch = watchdog.watch(loop, "io");
  EXPECT_FALSE(loop.run_until([] { return false; }, 30ms));
  ASSERT_EQ(watchdog.health().size(), 1u);
  EXPECT_LT(watchdog.health()[0].silent, 5s);
  EXPECT_EQ(reports, 0);
}

}  // namespace
}  // namespace caracal::event
