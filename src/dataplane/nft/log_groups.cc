#include "dataplane/nft/log_groups.h"

#include <fmt/format.h>

#include <array>

namespace caracal::dataplane::nft {
namespace {

constexpr std::string_view kOwner = "caracal";
constexpr std::array<std::string_view, 2> kEvents = {"denied", "logged"};
constexpr std::array<std::string_view, 9> kPlaces = {
    "pod-ingress",         "pod-egress",   "host-untracked-ingress",
    "host-pre-dnat",       "host-ingress", "host-forward-ingress",
    "host-forward-egress", "host-egress",  "host-untracked-egress"};
constexpr std::array<std::string_view, 5> kReasons = {"policy", "spoofed", "unknown-interface",
                                                      "mid-stream", "to-host"};

template <typename Enum, size_t N>
std::optional<Enum> find(const std::array<std::string_view, N>& names, std::string_view name) {
  for (size_t i = 0; i < N; ++i)
    if (names[i] == name) return static_cast<Enum>(i);
  return std::nullopt;
}

std::string_view take_part(std::string_view& text) {
  const size_t end = text.find(':');
  const std::string_view part = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return part;
}

}  // namespace

LogPlace log_place(desired::Direction direction) {
  return direction == desired::Direction::kIngress ? LogPlace::kPodIngress : LogPlace::kPodEgress;
}

LogPlace log_place(desired::HostHook hook) {
  return static_cast<LogPlace>(static_cast<uint8_t>(LogPlace::kHostUntrackedIngress) +
                               static_cast<uint8_t>(hook));
}

std::string to_prefix(const LogMark& mark) {
  return fmt::format("{}:{}:{}:{}", kOwner, kEvents[static_cast<size_t>(mark.event)],
                     kPlaces[static_cast<size_t>(mark.place)],
                     kReasons[static_cast<size_t>(mark.reason)]);
}

std::optional<LogMark> parse_prefix(std::string_view prefix) {
  if (take_part(prefix) != kOwner) return std::nullopt;
  const auto event = find<LogEvent>(kEvents, take_part(prefix));
  const auto place = find<LogPlace>(kPlaces, take_part(prefix));
  const auto reason = find<LogReason>(kReasons, take_part(prefix));
  if (!event || !place || !reason || !prefix.empty()) return std::nullopt;
  return LogMark{*event, *place, *reason};
}

}  // namespace caracal::dataplane::nft
