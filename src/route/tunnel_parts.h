// What a tunnel is called, costs and answers to, as Calico has it (calico.md 5.5 to 5.9), so that
// nodes of both can speak with each other. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "desired/network.h"
#include "model/network_settings.h"
#include "model/node_network.h"

namespace caracal::route {

// Bytes of the headers around a packet in a tunnel.
inline constexpr uint32_t kIpipOverhead = 20;
inline constexpr uint32_t kVxlanOverhead = 50;
inline constexpr uint32_t kVxlanV6Overhead = 70;
inline constexpr uint32_t kWireguardOverhead = 60;
inline constexpr uint32_t kWireguardV6Overhead = 80;
// The MTU of the host while its interfaces are not known.
inline constexpr uint32_t kUnknownHostMtu = 1460;
// The smallest MTU of a link (RFC 791).
inline constexpr uint32_t kLeastMtu = 68;

// MTUs of the tunnels in bytes: what the settings say, else the host's less the overhead.
struct TunnelMtus {
  uint32_t ipip = 0;
  uint32_t vxlan = 0;
  uint32_t vxlan_v6 = 0;
  uint32_t wireguard = 0;
  uint32_t wireguard_v6 = 0;
};
// `host`: 0: not known.
TunnelMtus tunnel_mtus(const model::NetworkSettings& settings, uint32_t host);

// 0x66 and the first five bytes of SHA-1 of the node's name (IPv6: "NAME-v6").
net::MacAddr derived_vxlan_mac(std::string_view node, net::Family family);
// The annotated one, else the derived one.
net::MacAddr vxlan_mac(const model::NodeNetwork& node, net::Family family);

// The devices that `own` is to have of one family, without peers. A device stands while the node
// is known to have the tunnel's address (WireGuard: key): whoever takes those back decides when.
desired::FamilyTunnels tunnel_devices(const model::NodeNetwork& own, net::Family family,
                                      const model::NetworkSettings& settings,
                                      const TunnelMtus& mtus);

}  // namespace caracal::route
