#include "ipam/gather.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace caracal::ipam {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

class GatherTest : public ::testing::Test {
 protected:
  static Gather::TimePoint at(int64_t ms) {
    return Gather::TimePoint(milliseconds(1'000'000 + ms));
  }
  // How long after `now` a block is written whose `count` requests came from `first` on.
  int64_t wait(int64_t now, size_t count, int64_t first, int64_t written = -1000) const {
    Gather::Waiting waiting;
    waiting.count = count;
    waiting.first = at(first);
    waiting.written = at(written);
    const auto due = gather.due(at(now), waiting) - at(now);
    return std::max<int64_t>(0, std::chrono::ceil<milliseconds>(due).count());
  }
  // Requests `gap` ms apart of which none is answered; returns when the last came.
  int64_t burst(int64_t from, int64_t count, int64_t gap, size_t open = 1) {
    for (int64_t i = 0; i < count; ++i) gather.came(at(from + i * gap), open++);
    return from + (count - 1) * gap;
  }

  Gather gather;
};

TEST_F(GatherTest, ALoneRequestNeverWaits) {
  for (int64_t now = 0; now < 1000; now += 9) {
    gather.came(at(now), 1);
    EXPECT_EQ(wait(now, 1, now), 0);
    EXPECT_FALSE(gather.crowded(at(now)));
  }
}

// Whoever asks may have looked at the clock a moment before.
TEST_F(GatherTest, AFirstWriteIsDueBeforeNow) {
  gather.came(at(5), 1);
  EXPECT_LT(gather.due(at(5), {.count = 1, .first = at(5)}), at(5));
}

TEST_F(GatherTest, SoonAfterAWriteTheLeastTimePasses) {
  gather.came(at(0), 1);
  EXPECT_EQ(wait(0, 1, 0, -2), 3);
  gather.came(at(1), 2);
  gather.came(at(2), 3);
  EXPECT_EQ(wait(2, 3, 0, 2), 5);  // three are no crowd
  EXPECT_EQ(wait(10, 3, 0, 2), 0);
}

TEST_F(GatherTest, ACrowdWaitsUntilNobodyComes) {
  const int64_t last = burst(0, 4, 2);
  EXPECT_TRUE(gather.crowded(at(last)));
  EXPECT_EQ(wait(last, 3, 2), 8);
  EXPECT_EQ(wait(last + 3, 3, 2), 5);
  EXPECT_EQ(wait(last + 8, 3, 2), 0);
  EXPECT_FALSE(gather.crowded(at(last + 8)));
  // The next one is alone again.
  gather.came(at(last + 20), 1);
  EXPECT_EQ(wait(last + 20, 1, last + 20), 0);
}

TEST_F(GatherTest, NobodyWaitsLongerThanTheMost) {
  int64_t now = burst(0, 4, 2);
  const int64_t first = now;
  while (now < first + 100) {
    now += 3;
    gather.came(at(now), 10);
    EXPECT_LE(wait(now, 5, first), std::max<int64_t>(0, first + 100 - now));
  }
  EXPECT_EQ(wait(now, 5, first), 0);
}

TEST_F(GatherTest, EnoughOrAFullBlockIsWrittenAtOnce) {
  const int64_t last = burst(0, 40, 1);
  EXPECT_GT(wait(last, 31, 8), 0);
  EXPECT_EQ(wait(last, 32, 8), 0);
  Gather::Waiting full;
  full.count = 2;
  full.first = at(last - 1);
  full.full = true;
  EXPECT_LE(gather.due(at(last), full), at(last));
}

TEST_F(GatherTest, SlowBurstsAreWaitedForLonger) {
  EXPECT_EQ(gather.quiet(), milliseconds(8));
  int64_t last = burst(0, 100, 6, 4);
  EXPECT_NEAR(static_cast<double>(std::chrono::floor<milliseconds>(gather.quiet()).count()), 24, 2);
  last = burst(last + 30, 100, 30, 4);
  EXPECT_EQ(gather.quiet(), milliseconds(40));
  EXPECT_EQ(wait(last, 2, last), 40);
  // What came in a former burst says nothing of the next one.
  gather.came(at(last + 5000), 1);
  EXPECT_EQ(gather.quiet(), milliseconds(8));
}

// Whatever comes when: nobody waits longer than `most`, or the least time after the last write.
TEST_F(GatherTest, BoundsHoldForAnything) {
  std::mt19937 random(7);
  const auto pick = [&](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
  };
  int64_t now = 0;
  for (int i = 0; i < 20'000; ++i) {
    now += pick(10) == 0 ? pick(300) : pick(8);
    gather.came(at(now), static_cast<size_t>(1 + pick(12)));
    const int64_t first = now - pick(150);
    const int64_t written = now - pick(150);
    const int64_t waited = wait(now, static_cast<size_t>(1 + pick(40)), first, written);
    ASSERT_LE(now + waited, std::max(first + 100, std::max(now, written + 5))) << i;
    ASSERT_LE(waited, 100);
  }
}

}  // namespace
}  // namespace caracal::ipam
