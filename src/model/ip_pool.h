// IpPool, IpReservation, IpamSettings: from which ranges pods get addresses, and how
// (projectcalico.org IPPool, IPReservation, IPAMConfiguration; calico.md 2.9, 2.10).
//
// Made by calico/decode_ip_pool; read by ipam (who gets which address), route (how a pool's packets
// travel) and bgp (which routes are told).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/cidr.h"
#include "selector/selector.h"

namespace caracal::model {

// What carries packets to a pod on another node.
enum class Encapsulation : uint8_t { kNone, kIpip, kVxlan };

struct IpPool {
  std::string name;
  net::Cidr cidr;
  int block_bits = 26;  // prefix length of a block
  Encapsulation encapsulation = Encapsulation::kNone;
  bool cross_subnet = false;  // encapsulate only between nodes of different subnets
  bool nat_outgoing = false;  // what leaves all pools gets the node's address
  bool disabled = false;      // no new addresses; also while the pool is being deleted
  bool export_by_bgp = true;
  bool manual = false;  // addresses only for who asks for this pool or one of its addresses
  bool for_workloads = true;
  bool for_tunnels = true;
  bool for_load_balancers = false;
  selector::Selector nodes;                           // which may take blocks of it
  std::optional<selector::Selector> namespaces = {};  // none: all
  bool operator==(const IpPool&) const = default;
};

struct IpReservation {
  std::string name;
  std::vector<net::Cidr> cidrs;  // sorted; never given out without being asked for by address
  bool operator==(const IpReservation&) const = default;
};

struct IpamSettings {
  bool strict_affinity = false;  // no borrowing from other nodes' blocks
  // Of one node and family. 0: as many as the default allows (20).
  uint32_t max_blocks_per_host = 0;
  bool auto_allocate_blocks = true;
  uint32_t cooldown_seconds = 0;  // before a released address is given out again
  bool operator==(const IpamSettings&) const = default;
};

}  // namespace caracal::model
