// What a person wants to know of a BGP peer: what it is for, whether it is up, since when, and why
// not. Joins what was configured (Session) with what BIRD says (ProtocolStatus). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bgp/bird_status.h"
#include "bgp/config.h"
#include "jsonio/json.h"

namespace caracal::bgp {

struct PeerReport {
  std::string name;  // of the protocol
  std::string peer;  // node or pod; empty: somebody else
  std::string address;
  std::string kind;    // to_string(SessionKind)
  std::string source;  // BGPPeer; empty: the mesh
  uint32_t as_number = 0;
  std::string family;  // "IPv4", "IPv6"
  std::string state;   // "Established", ... ; "Down" when BIRD does not run
  bool up = false;
  std::string since;
  std::string last_error;
  uint64_t imported = 0;
  uint64_t exported = 0;
  bool graceful_restart = false;
  std::string why_not_up;  // a sentence; empty: it is up
  bool operator==(const PeerReport&) const = default;
};

// One entry a session, in the order of the Config. `daemon`: why there is no status at all; empty:
// BIRD runs.
std::vector<PeerReport> report_peers(const Config& config,
                                     const std::vector<ProtocolStatus>& protocols,
                                     const std::string& daemon);

// Why a session is not up, as far as this side of it can tell, and where to look next.
std::string why_not_up(const Session& session, const ProtocolStatus& status);

json::object to_json(const PeerReport& report);

}  // namespace caracal::bgp
