// NetworkSettings: FelixConfiguration's parameters about tunnels, routes and address translation
// (calico.md 2.16), those of "default" and "node.NAME" merged. Made by
// calico/decode_network_settings; read by route and the agent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/ip_addr.h"

namespace caracal::model {

struct NetworkSettings {
  uint32_t vxlan_vni = 4096;
  uint16_t vxlan_port = 4789;
  uint32_t vxlan_mtu = 0;  // 0: of the host's interfaces, less the encapsulation
  uint32_t vxlan_mtu_v6 = 0;
  uint32_t ipip_mtu = 0;
  std::string mtu_interface_pattern;       // regular expression; empty: every interface of the host
  bool nat_excludes_hosts = false;         // natOutgoingExclusions: IPPoolsAndHostIPs
  std::optional<net::IpAddr> nat_address;  // natOutgoingAddress; none: as the kernel chooses
  uint16_t nat_first_port = 0;             // natPortRange; 0: as the kernel chooses
  uint16_t nat_last_port = 0;
  bool wireguard = false;
  bool wireguard_v6 = false;
  uint16_t wireguard_port = 51820;
  uint16_t wireguard_port_v6 = 51821;
  uint32_t wireguard_mtu = 0;
  uint32_t wireguard_mtu_v6 = 0;
  uint32_t wireguard_keepalive_seconds = 0;
  uint32_t route_metric = 0;  // ipv4NormalRoutePriority: 0: the kernel's default
  bool operator==(const NetworkSettings&) const = default;
};

}  // namespace caracal::model
