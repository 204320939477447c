#include "apimachinery/age.h"

#include <gtest/gtest.h>

namespace caracal::apimachinery {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

TEST(Rfc3339, ReadsEveryForm) {
  const Timestamp noon = *parse_rfc3339("2026-03-01T12:00:00Z");
  EXPECT_EQ(to_rfc3339(noon), "2026-03-01T12:00:00Z");
  EXPECT_EQ(*parse_rfc3339("2026-03-01T14:30:00+02:30"), noon);
  EXPECT_EQ(*parse_rfc3339("2026-03-01T07:00:00-05:00"), noon);
  EXPECT_EQ(*parse_rfc3339("2026-03-01T12:00:00.25Z"), noon + microseconds(250'000));
  EXPECT_EQ(*parse_rfc3339("2026-03-01T12:00:00.000001999Z"), noon + microseconds(1));
  EXPECT_EQ(to_rfc3339_micro(noon + microseconds(42)), "2026-03-01T12:00:00.000042Z");
  EXPECT_EQ(to_rfc3339(*parse_rfc3339("1970-01-01T00:00:00Z")), "1970-01-01T00:00:00Z");
  EXPECT_EQ(to_rfc3339(*parse_rfc3339("2024-02-29T23:59:59Z")), "2024-02-29T23:59:59Z");
}

TEST(Rfc3339, RefusesEverythingElse) {
  for (const char* bad :
       {"", "2026", "2026-03-01", "2026-03-01T12:00:00", "2026-03-01 12:00:00Z",
        "2026-13-01T12:00:00Z", "2026-02-30T12:00:00Z", "2026-03-01T24:00:00Z",
        "2026-03-01T12:60:00Z", "2026-03-01T12:00:00.Z", "2026-03-01T12:00:00Zx",
        "2026-03-01T12:00:00+0200", "2026-03-01T12:00:00+02:0", "+026-03-01T12:00:00Z"}) {
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
  }
}

TEST(HumanDuration, HasTheBandsOfKubectl) {
  constexpr int64_t kHour = 3600;
  constexpr int64_t kDay = 24 * kHour;
  const std::pair<int64_t, const char*> cases[] = {
      {-5, "<invalid>"},
      {-1, "0s"},
      {0, "0s"},
      {1, "1s"},
      {119, "119s"},
      {120, "2m"},
      {125, "2m5s"},
      {599, "9m59s"},
      {600, "10m"},
      {659, "10m"},
      {179 * 60, "179m"},
      {180 * 60, "3h"},
      {181 * 60, "3h1m"},
      {8 * kHour - 1, "7h59m"},
      {8 * kHour, "8h"},
      {47 * kHour + 3599, "47h"},
      {48 * kHour, "2d"},
      {49 * kHour, "2d1h"},
      {8 * kDay - 1, "7d23h"},
      {8 * kDay, "8d"},
      {729 * kDay, "729d"},
      {730 * kDay, "2y"},
      {731 * kDay, "2y1d"},
      {8 * 365 * kDay, "8y"},
      {100 * 365 * kDay, "100y"},
  };
  for (const auto& [age, text] : cases) EXPECT_EQ(human_duration(seconds(age)), text) << age;
}

TEST(Age, IsFromAText) {
  const Timestamp now = *parse_rfc3339("2026-03-01T12:00:00Z");
  EXPECT_EQ(age_since("2026-03-01T11:59:15Z", now), "45s");
  EXPECT_EQ(age_since("2026-03-01T12:00:00.9Z", now), "0s");
  EXPECT_EQ(age_since("", now), "<unknown>");
  EXPECT_EQ(age_since("yesterday", now), "<unknown>");
}

}  // namespace
}  // namespace caracal::apimachinery
