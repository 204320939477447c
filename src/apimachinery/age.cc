#include "apimachinery/age.h"

#include <fmt/format.h>

#include <array>

#include "base/strings.h"

namespace caracal::apimachinery {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// The number in text[at, at+length), or -1 when one of those is not a digit.
int number_at(std::string_view text, size_t at, size_t length) {
  if (at + length > text.size()) return -1;
  int out = 0;
  for (const char c : text.substr(at, length)) {
    if (c < '0' || c > '9') return -1;
    out = out * 10 + (c - '0');
  }
  return out;
}

// Up to a limit, an age is told in one unit, or in one and the rest in the next smaller.
struct Band {
  int64_t below;  // seconds
  int64_t unit;
  char letter;
  int64_t minor_unit;  // 0: none
  char minor_letter;
};

constexpr int64_t kMinute = 60;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kYear = 365 * kDay;
constexpr std::array kBands = {
    Band{2 * kMinute, 1, 's', 0, 0},     Band{10 * kMinute, kMinute, 'm', 1, 's'},
    Band{3 * kHour, kMinute, 'm', 0, 0}, Band{8 * kHour, kHour, 'h', kMinute, 'm'},
    Band{2 * kDay, kHour, 'h', 0, 0},    Band{8 * kDay, kDay, 'd', kHour, 'h'},
    Band{2 * kYear, kDay, 'd', 0, 0},    Band{8 * kYear, kYear, 'y', kDay, 'd'},
    Band{INT64_MAX, kYear, 'y', 0, 0},
};

}  // namespace

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
  const int year = number_at(text, 0, 4);
  const int month = number_at(text, 5, 2);
  const int day = number_at(text, 8, 2);
  const int hour = number_at(text, 11, 2);
  const int minute = number_at(text, 14, 2);
  const int second = number_at(text, 17, 2);
  if (year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 || second < 0) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;

  size_t at = 19;
  int64_t micros = 0;
  if (at < text.size() && text[at] == '.') {
    const size_t begin = ++at;
    int64_t scale = 100'000;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      micros += (text[at++] - '0') * scale;
      scale /= 10;
    }
    if (at == begin) return std::nullopt;
  }
  if (at >= text.size()) return std::nullopt;
  int offset_minutes = 0;
  if (text[at] == '+' || text[at] == '-') {
    const int offset_hour = number_at(text, at + 1, 2);
    const int offset_minute = number_at(text, at + 4, 2);
    if (offset_hour < 0 || offset_hour > 23 || offset_minute < 0 || offset_minute > 59 ||
        text[at + 3] != ':' || text.size() != at + 6) {
      return std::nullopt;
    }
    offset_minutes = (offset_hour * 60 + offset_minute) * (text[at] == '-' ? -1 : 1);
  } else if ((text[at] != 'Z' && text[at] != 'z') || text.size() != at + 1) {
    return std::nullopt;
  }
  return Timestamp(std::chrono::sys_days(date)) + hours(hour) + minutes(minute - offset_minutes) +
         seconds(second) + microseconds(micros);
}

std::string to_rfc3339(Timestamp time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<seconds>(time - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string to_rfc3339_micro(Timestamp time) {
  std::string text = to_rfc3339(time);
  text.pop_back();
  const auto micros = time - std::chrono::floor<seconds>(time);
  return text + fmt::format(".{:06}Z", micros.count());
}

std::string human_duration(seconds age) {
  const int64_t total = age.count();
  if (total < -1) return "<invalid>";
  if (total < 0) return "0s";
  for (const Band& band : kBands) {
    if (total >= band.below) continue;
    std::string text = fmt::format("{}{}", total / band.unit, band.letter);
    if (band.minor_unit != 0) {
      const int64_t rest = total % band.unit / band.minor_unit;
      if (rest != 0) text += fmt::format("{}{}", rest, band.minor_letter);
    }
    return text;
  }
  return "<invalid>";  // INT64_MAX seconds
}

std::string age_since(std::string_view rfc3339, Timestamp now) {
  const std::optional<Timestamp> then = parse_rfc3339(rfc3339);
  if (!then) return "<unknown>";
  // Towards zero, so that a second that has just begun elsewhere is no "<invalid>".
  return human_duration(std::chrono::duration_cast<seconds>(now - *then));
}

}  // namespace caracal::apimachinery
