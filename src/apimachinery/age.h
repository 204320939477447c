// Times of API objects: RFC 3339 texts, and ages the way kubectl prints them ("5m12s", "3d4h").
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace caracal::apimachinery {

using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

// "2026-03-01T12:00:00Z", with fraction ("...00.123456Z") and with offset ("...+02:00"); nullopt
// otherwise.
std::optional<Timestamp> parse_rfc3339(std::string_view text);
// metav1.Time: whole seconds, UTC, "Z".
std::string to_rfc3339(Timestamp time);
// metav1.MicroTime: six digits of fraction.
std::string to_rfc3339_micro(Timestamp time);

// Two units at most, coarser the longer it is: "45s", "3m20s", "15m", "2h5m", "30h", "3d4h", "40d",
// "2y35d". Below zero (clocks that differ) it is "0s" for a second or two, "<invalid>" beyond.
std::string human_duration(std::chrono::seconds age);

// Age of a timestamp text at `now`; "<unknown>" for an absent or malformed one.
std::string age_since(std::string_view rfc3339, Timestamp now);

}  // namespace caracal::apimachinery
