// Generic netlink: kernel subsystems that have a name instead of a protocol number (WireGuard,
// ...).
//
// Requests are ordinary messages over a NETLINK_GENERIC socket: the family's number as type, and
// this header in front of the attributes. Stateless.
#pragma once

#include <linux/genetlink.h>

#include <cstdint>
#include <string>

#include "base/result.h"
#include "netlink/message.h"
#include "netlink/socket.h"

namespace caracal::netlink {

struct GenericFamily {
  uint16_t id = 0;
  uint32_t version = 0;
};

// Asks the kernel for the number of a family; that loads the module which has it. Errors:
// kUnsupported when this kernel does not know it.
Result<GenericFamily> find_generic_family(Socket& generic_socket, const std::string& name);

inline genlmsghdr generic_header(uint8_t command, uint8_t version) {
  genlmsghdr header{};
  header.cmd = command;
  header.version = version;
  return header;
}

}  // namespace caracal::netlink
