// Sets of ports as people and programs read them.
#pragma once

#include <cstdint>
#include <string>

#include "jsonio/json.h"
#include "net/protocol.h"
#include "policy/port_set.h"

namespace caracal::analysis {

// Where a protocol and a port (for ICMP: type * 256 + code; for others nothing) stand on the line
// of policy/port_set.h.
uint32_t port_number(net::Protocol protocol, uint16_t port);
bool contains(const policy::PortSet& set, uint32_t number);

// "all", "none", "TCP 80,443,8000-8080, UDP 53", "all but TCP 25". A protocol without ports behind
// it means all of them; port 0, which nobody uses, is not told apart.
std::string port_text(const policy::PortSet& set);
// The same in few characters, for cells of a table: TCP's name is left out ("80,443 udp/53").
std::string short_port_text(const policy::PortSet& set);
// {"all": true}, or {"TCP": "80,443,8000-8080", "UDP": "1-65535", "ICMP": "8/0", "other": "47"}.
json::value port_json(const policy::PortSet& set);

}  // namespace caracal::analysis
