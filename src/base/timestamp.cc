#include "base/timestamp.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace caracal {

std::string to_rfc3339(Time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string to_rfc3339_micro(WallClock::time_point time) {
  const Time whole = std::chrono::floor<std::chrono::seconds>(time);
  std::string text = to_rfc3339(whole);
  text.pop_back();  // the "Z"
  return fmt::format("{}.{:06}Z", text,
                     std::chrono::floor<std::chrono::microseconds>(time - whole).count());
}

std::string rfc3339_now() {
  return to_rfc3339(std::chrono::floor<std::chrono::seconds>(WallClock::now()));
}

std::optional<Time> parse_time(std::string_view text) {
  // "YYYY-MM-DDTHH:MM:SS", then an optional fraction, then "Z" or "+HH:MM".
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const auto number = [&](size_t at, size_t digits) {
    return parse_decimal(text.substr(at, digits), 9999);
  };
  const auto year = number(0, 4);
  const auto month = number(5, 2);
  const auto day = number(8, 2);
  const auto hour = number(11, 2);
  const auto minute = number(14, 2);
  const auto second = number(17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  Time time = std::chrono::sys_days(date) + std::chrono::hours(*hour) +
              std::chrono::minutes(*minute) + std::chrono::seconds(*second);
  std::string_view rest = text.substr(19);
  if (rest.front() == '.') {
    size_t end = 1;
    while (end < rest.size() && rest[end] >= '0' && rest[end] <= '9') ++end;
    if (end == 1) return std::nullopt;
    rest.remove_prefix(end);
  }
  if (rest == "Z" || rest == "z") return time;
  if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':') return std::nullopt;
  const auto hours = parse_decimal(rest.substr(1, 2), 23);
  const auto minutes = parse_decimal(rest.substr(4, 2), 59);
  if (!hours || !minutes) return std::nullopt;
  const auto offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return rest[0] == '+' ? time - offset : time + offset;
}

}  // namespace caracal
