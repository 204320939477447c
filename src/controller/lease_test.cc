#include "controller/lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/timestamp.h"
#include "controller/fence.h"

namespace caracal::controller {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

const event::Clock::time_point kStart = event::Clock::time_point(seconds(1000));

LeaseSight sight(const std::string& holder, seconds duration = seconds(15)) {
  LeaseRecord record;
  record.holder = holder;
  record.duration = duration;
  return {record, kStart};
}

TEST(Lease, TheFirstMakesItAndOthersWaitUntilItStandsStill) {
  EXPECT_EQ(next_step({std::nullopt, kStart}, "a", kStart), LeaseStep::kCreate);
  EXPECT_EQ(next_step(sight("a"), "a", kStart + seconds(99)), LeaseStep::kRenew);
  EXPECT_EQ(next_step(sight("b"), "a", kStart + milliseconds(14'999)), LeaseStep::kWait);
  EXPECT_EQ(next_step(sight("b"), "a", kStart + seconds(15)), LeaseStep::kTake);
  EXPECT_EQ(next_step(sight(""), "a", kStart), LeaseStep::kTake) << "given back";
}

TEST(Lease, ObjectsCountHandOvers) {
  const json::value made = lease_object(nullptr, "kube-system", "x", "a", seconds(15), "t0");
  EXPECT_EQ(jsonio::get_string(made, {"metadata", "namespace"}), "kube-system");
  EXPECT_EQ(jsonio::get_string(made, {"spec", "acquireTime"}), "t0");
  EXPECT_EQ(jsonio::get_int(made, {"spec", "leaseTransitions"}, -1), 0);
  const json::value renewed = lease_object(made, "kube-system", "x", "a", seconds(15), "t1");
  EXPECT_EQ(jsonio::get_string(renewed, {"spec", "acquireTime"}), "t0");
  EXPECT_EQ(jsonio::get_string(renewed, {"spec", "renewTime"}), "t1");
  const json::value taken = lease_object(renewed, "kube-system", "x", "b", seconds(15), "t2");
  EXPECT_EQ(jsonio::get_string(taken, {"spec", "holderIdentity"}), "b");
  EXPECT_EQ(jsonio::get_string(taken, {"spec", "acquireTime"}), "t2");
  EXPECT_EQ(jsonio::get_int(taken, {"spec", "leaseTransitions"}), 1);
  EXPECT_EQ(jsonio::get(released_lease(taken, "t3"), {"spec", "holderIdentity"}), nullptr);
  const LeaseRecord free = decode_lease(released_lease(taken, "t3"));
  EXPECT_EQ(free.holder, "");
  EXPECT_EQ(free.duration, seconds(1));
  EXPECT_EQ(free.transitions, 1);
}

TEST(Lease, TimingsThatWouldLetTwoActAreRefused) {
  EXPECT_TRUE(check(LeaseTimings{}));
  const auto message = [](LeaseTimings timings) {
    const Status status = check(timings);
    return status ? std::string("well") : status.error().message;
  };
  EXPECT_THAT(message({.renew = seconds(15)}),
              HasSubstr("renew deadline 15000 ms: must be shorter than the lease's 15000 ms"));
  EXPECT_THAT(message({.retry = seconds(10)}), HasSubstr("retry period 10000 ms"));
  EXPECT_THAT(message({.duration = milliseconds(1500), .renew = seconds(1)}),
              HasSubstr("whole seconds"));
}

TEST(Lease, TimesAreWrittenAsTheApiHasThem) {
  EXPECT_THAT(to_rfc3339_micro(WallClock::now()),
              MatchesRegex("[0-9]{4}-[0-9-]+T[0-9:]+\\.[0-9]{6}Z"));
  EXPECT_THAT(rfc3339_now(), MatchesRegex("[0-9]{4}-[0-9-]+T[0-9:]+Z"));
}

TEST(Fence, ClosesByItself) {
  Fence fence;
  EXPECT_FALSE(fence.is_open());
  fence.open_until(event::Clock::now() + seconds(60));
  EXPECT_TRUE(fence.is_open());
  fence.open_until(event::Clock::now());
  EXPECT_FALSE(fence.is_open());
}

}  // namespace
}  // namespace caracal::controller
