// What BIRD says of itself, as values: `show status` and `show protocols all`. Pure; lines that are
// not known are passed over, since every version of BIRD says a little more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bgp/bird_reply.h"

namespace caracal::bgp {

struct DaemonStatus {
  std::string version;  // "2.0.12"
  std::string router_id;
  std::string booted;  // times as BIRD writes them, in the host's time zone
  std::string reconfigured;
  bool recovering = false;     // a graceful restart goes on: the kernel's routes stay as they are
  bool reconfiguring = false;  // the last configuration is not in force everywhere yet
  bool operator==(const DaemonStatus&) const = default;
};

struct ChannelStatus {
  std::string name;   // "ipv4", "ipv6"
  std::string state;  // "UP", ...
  uint64_t imported = 0;
  uint64_t exported = 0;
  bool operator==(const ChannelStatus&) const = default;
};

struct ProtocolStatus {
  std::string name;
  std::string type;   // "BGP", "Kernel", ...
  std::string state;  // "up", "start", "down", "stop"
  std::string since;
  std::string info;
  std::string bgp_state;  // "Established", "Active", ...; of BGP only, like what follows
  std::string neighbor;
  std::string last_error;
  bool graceful_restart = false;  // the peer restarts, its routes are kept meanwhile
  std::vector<ChannelStatus> channels;

  uint64_t imported() const;
  uint64_t exported() const;
  bool operator==(const ProtocolStatus&) const = default;
};

// Errors: kInvalid when the reply is another one or an error.
Result<DaemonStatus> parse_daemon_status(const Reply& reply);
Result<std::vector<ProtocolStatus>> parse_protocols(const Reply& reply);
// Routes of `show route ... count`, over all tables.
Result<uint64_t> parse_route_count(const Reply& reply);

}  // namespace caracal::bgp
