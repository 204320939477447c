// Times as the objects of the API hold them: RFC 3339, in whole seconds (metav1.Time). Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace caracal::ipam {

using Time = std::chrono::sys_seconds;
using WallClock = std::chrono::system_clock;

std::string to_text(Time time);  // "2024-05-01T08:30:00Z"
// With or without a fraction (cut off); 'Z' or an offset. nullopt for anything else.
std::optional<Time> parse_time(std::string_view text);

}  // namespace caracal::ipam
