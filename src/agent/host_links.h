// HostLink: a network interface of this node with its addresses as the kernel has them. Told by
// LinkMonitor; read by node address detection. Plain value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/node_network.h"

namespace caracal::agent {

struct HostLink {
  uint32_t index = 0;
  std::string name;
  std::string kind;  // "veth", "vxlan", ...; "" for hardware
  bool up = false;
  bool loopback = false;
  uint32_t mtu = 0;
  std::vector<model::NodeAddress> addresses;
  bool operator==(const HostLink&) const = default;
};

}  // namespace caracal::agent
