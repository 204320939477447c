// nfnetlink_log messages: what the kernel tells of one packet, and how a group is asked for
// (include/uapi/linux/netfilter/nfnetlink_log.h). Pure.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "netlink/message.h"

namespace caracal::flowlog {

// One packet as told. Views into the message.
struct Capture {
  std::string_view prefix;  // of the rule that logged it
  uint32_t in_index = 0;    // interface it came in by; 0: none
  uint32_t out_index = 0;
  std::optional<uint32_t> sequence;  // within the group and this socket; grows by one a packet
  std::span<const std::byte> payload;
};

// nullopt: another message, or one without payload.
std::optional<Capture> parse_capture(const nlmsghdr* message);

// Requests to follow a group from now on: the beginning of each packet, numbered, many in one
// datagram but none held back longer than a tenth of a second.
netlink::Message bind_request(uint16_t group);
netlink::Message mode_request(uint16_t group);

}  // namespace caracal::flowlog
