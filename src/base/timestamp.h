// Times as the objects of the API hold them: RFC 3339 in UTC, in whole seconds (metav1.Time) or in
// microseconds (metav1.MicroTime). Pure but for rfc3339_now(). Any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace caracal {

using Time = std::chrono::sys_seconds;
using WallClock = std::chrono::system_clock;

std::string to_rfc3339(Time time);                         // "2024-05-01T08:30:00Z"
std::string to_rfc3339_micro(WallClock::time_point time);  // "2024-05-01T08:30:00.000000Z"
std::string rfc3339_now();                                 // in whole seconds
// With or without a fraction (cut off); 'Z' or an offset. nullopt for anything else.
std::optional<Time> parse_time(std::string_view text);

}  // namespace caracal
