// What the table tells user space by NFLOG: groups, prefixes, and how much of a packet.
//
// Written by the rules (ruleset.cc), read by whoever binds the groups (flowlog/). Nobody bound:
// the kernel drops the copies. Only packets that are denied, or that a Log rule names, are told;
// both are rate limited in the kernel (kDeniedRate, kLoggedRate: packets per second for each place
// and reason). A message carries the packet from its network header on, the hook, and the
// indexes of the interfaces in and out (absent where the hook has none). The pod's interface is
// the outgoing one at kPodIngress, the incoming one at kPodEgress.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "desired/policy_tables.h"

namespace caracal::dataplane::nft {

// Not the low numbers, which others use (Calico's flow log: 1 and 2).
inline constexpr uint16_t kDeniedGroup = 1201;
inline constexpr uint16_t kLoggedGroup = 1202;
// IPv6 header, a few extension headers, the longest TCP header.
inline constexpr uint32_t kLogSnapLength = 160;
inline constexpr uint64_t kDeniedRate = 100;
inline constexpr uint32_t kDeniedBurst = 200;
inline constexpr uint64_t kLoggedRate = 200;
inline constexpr uint32_t kLoggedBurst = 400;

enum class LogEvent : uint8_t { kDenied, kLogged };
// Where it happened: a pod's policy in one direction, or a hook of the host's.
enum class LogPlace : uint8_t {
  kPodIngress,
  kPodEgress,
  kHostUntrackedIngress,  // from here in the order of desired::HostHook
  kHostPreDnat,
  kHostIngress,
  kHostForwardIngress,
  kHostForwardEgress,
  kHostEgress,
  kHostUntrackedEgress,
};
enum class LogReason : uint8_t {
  kPolicy,            // the tables' verdict; the only one with kLogged
  kSpoofed,           // source address is not the pod's, or the interface is unknown (kPodEgress)
  kUnknownInterface,  // looks like a pod's and is not in the tables
  kMidStream,         // TCP, no connection is known, and it does not begin one
  kToHost,  // allowed by egress policy, but pods may not reach the node (Setting::kToHost)
};

struct LogMark {
  LogEvent event = LogEvent::kDenied;
  LogPlace place = LogPlace::kPodIngress;
  LogReason reason = LogReason::kPolicy;
  bool operator==(const LogMark&) const = default;
};

LogPlace log_place(desired::Direction direction);
LogPlace log_place(desired::HostHook hook);
// "caracal:denied:pod-ingress:policy"; the NFLOG prefix, at most 127 bytes.
std::string to_prefix(const LogMark& mark);
// nullopt: not one of ours.
std::optional<LogMark> parse_prefix(std::string_view prefix);

}  // namespace caracal::dataplane::nft
