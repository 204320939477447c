// Which requests share a write of a block, and what they wait for it: counted on a clock of the
// test's own, where only the datastore takes time.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "ipam/testing/claims_fixture.h"

namespace caracal::ipam {
namespace {

using event::Duration;
using net::Family;
using testing::pod_request;
using testing::pool;

constexpr Duration kRequest{4};  // of the datastore

class ClaimsGatherTest : public testing::ClaimsTest {
 protected:
  ClaimsGatherTest() {
    pools = {pool("p", "10.0.0.0/16", 26)};
    store.set_faults({.least_delay = kRequest, .most_delay = kRequest});
  }
  // Writes as before gathering: whatever has come meanwhile, at once.
  void gather_nothing() { gather.crowd = SIZE_MAX; }

  // A node that has a block, with an address in it.
  std::unique_ptr<AddressClaims> settled_agent() {
    auto claims = agent("n1");
    EXPECT_TRUE(assign(*claims, "first"));
    calm();
    store.reset_counters();
    return claims;
  }
  // Asks at the times given; what each waited for its answer, in the order of answers.
  std::vector<Duration> waits(AddressClaims& claims, const std::vector<Duration>& times,
                              bool release = false) {
    auto out = std::make_shared<std::vector<Duration>>();
    for (size_t i = 0; i < times.size(); ++i) {
      schedule.after(times[i], [this, &claims, i, release, out] {
        const auto came = schedule.now();
        const auto answered = [this, out, came](const auto& got) {
          EXPECT_TRUE(got) << got.error().message;
          out->push_back(std::chrono::duration_cast<Duration>(schedule.now() - came));
        };
        if (release) {
          claims.release_all_of(fmt::format("h{}", i), answered);
        } else {
          claims.assign(pod_request(fmt::format("h{}", i)), answered);
        }
      });
    }
    settle([&] { return out->size() == times.size(); });
    EXPECT_EQ(out->size(), times.size());
    return *out;
  }
  // As plugin processes come that a runtime starts one after another: `mean` ms apart, at random.
  static std::vector<Duration> arrivals(size_t count, double mean) {
    std::mt19937 random(11);
    std::exponential_distribution<double> gap(1 / mean);
    std::vector<Duration> out;
    double now = 0;
    for (size_t i = 0; i < count; ++i) {
      out.emplace_back(static_cast<int64_t>(now));
      now += gap(random);
    }
    return out;
  }
};

TEST_F(ClaimsGatherTest, OneThatComesAloneTakesWhatTheDatastoreTakes) {
  const auto n1 = settled_agent();
  EXPECT_EQ(waits(*n1, {Duration(0)}), std::vector<Duration>{kRequest});
}

TEST_F(ClaimsGatherTest, OneAfterAnotherNobodyWaits) {
  const auto n1 = settled_agent();
  std::vector<Duration> times;
  for (int i = 0; i < 60; ++i) times.emplace_back(i * 10);
  EXPECT_EQ(waits(*n1, times), std::vector<Duration>(60, kRequest));
  EXPECT_EQ(store.counters().writes, 60U);
}

TEST_F(ClaimsGatherTest, UpToThreeAtOnceNobodyWaitsLongerThanBefore) {
  std::vector<Duration> times;
  for (int i = 0; i < 20; ++i) {
    for (int at : {0, 1, 2}) times.emplace_back(i * 25 + at);
  }
  const auto with = waits(*settled_agent(), times);
  gather_nothing();
  const auto n2 = agent("n2");
  ASSERT_TRUE(assign(*n2, "second"));
  calm();
  EXPECT_EQ(with, waits(*n2, times));
}

TEST_F(ClaimsGatherTest, ABurstOfAThousandCostsAWriteForTenAddresses) {
  const auto n1 = agent("n1");
  schedule.run_for(Duration(100));
  store.reset_counters();
  const auto waited = waits(*n1, arrivals(1000, 2.5));
  calm();
  // Sixteen blocks, and three requests for each.
  EXPECT_LE(store.counters().writes, 100U);
  // The affinity, the wait, the block.
  EXPECT_LE(*std::max_element(waited.begin(), waited.end()), Duration(100) + 3 * kRequest);
}

TEST_F(ClaimsGatherTest, SoDoesANodeFullOfPods) {
  const auto n1 = settled_agent();
  const auto waited = waits(*n1, arrivals(110, 3));
  calm();
  EXPECT_LE(store.counters().writes, 14U);  // three of them a second block's
  EXPECT_LE(*std::max_element(waited.begin(), waited.end()), Duration(100) + 3 * kRequest);
  // And their end, when they are stopped together.
  store.reset_counters();
  waits(*n1, arrivals(110, 3), true);
  EXPECT_LE(store.counters().writes, 11U);
}

TEST_F(ClaimsGatherTest, ABurstThatEndsIsWrittenSoon) {
  const auto n1 = settled_agent();
  std::vector<Duration> times;
  for (int i = 0; i < 12; ++i) times.emplace_back(i);
  const auto waited = waits(*n1, times);
  // The last ones: until it is clear that nobody follows, and the write.
  EXPECT_LE(waited.back(), Duration(8) + kRequest);
  EXPECT_LE(store.counters().writes, 3U);
  // Whoever comes then is alone again.
  schedule.run_for(Duration(50));
  auto answered = schedule.now();
  const auto came = schedule.now();
  n1->assign(pod_request("later"), [&](const auto& got) {
    EXPECT_TRUE(got);
    answered = schedule.now();
  });
  calm();
  EXPECT_EQ(answered - came, kRequest);
}

// Requests that nobody answers make no burst of those that come after.
TEST_F(ClaimsGatherTest, AnOutageDoesNotLast) {
  const auto n1 = settled_agent();
  store.set_available(false);
  int failed = 0;
  for (int i = 0; i < 20; ++i) {
    n1->assign(pod_request(fmt::format("lost{}", i)),
               [&](const auto& got) { failed += got ? 0 : 1; });
    n1->release(fmt::format("gone{}", i), {testing::ip("10.0.0.1")}, [](const Status&) {});
  }
  schedule.run_for(Duration(40'000));
  EXPECT_EQ(failed, 20);
  store.set_available(true);
  schedule.run_for(Duration(10'000));
  EXPECT_EQ(waits(*n1, {Duration(0)}), std::vector<Duration>{kRequest});
}

}  // namespace
}  // namespace caracal::ipam
