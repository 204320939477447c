// PolicySettings: what is configured for policy as a whole: from FelixConfiguration (the node's own
// object before "default", calico/decode_felix_configuration) or our defaults.
#pragma once

#include <cstdint>
#include <vector>

#include "model/policy.h"
#include "net/cidr.h"
#include "net/protocol.h"

namespace caracal::model {

// A port of the host that host endpoint policy never closes, for peers in `net` (calico.md 4.8); or,
// for a tunnel's sake, a whole protocol without ports (IPIP).
struct Failsafe {
  net::Protocol protocol = net::kTcp;
  uint16_t port = 0;              // 0 for a protocol without ports
  std::optional<net::Cidr> net;  // unset: every peer
  bool operator==(const Failsafe&) const = default;
};

// What a pod may do towards its own node, behind its egress policy (defaultEndpointToHostAction).
enum class ToHostAction : uint8_t {
  kDrop,
  kReturn,  // go on to host endpoint policy, and to what others have in the input hook
  kAccept,
};

struct PolicySettings {
  std::vector<Failsafe> inbound = default_inbound();
  std::vector<Failsafe> outbound = default_outbound();
  ToHostAction to_host = ToHostAction::kReturn;
  // A change of policy ends the connections that it no longer allows.
  bool end_connections = true;
  bool operator==(const PolicySettings&) const = default;

  static std::vector<Failsafe> default_inbound();
  static std::vector<Failsafe> default_outbound();
};

}  // namespace caracal::model
