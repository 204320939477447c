// PodNetwork: what the kernel of this node should hold so that pods reach pods of other nodes: one
// route a block, the tunnel devices with their peers, and the rules about addresses. The twin of
// PolicyTables.
//
// Made by route::NetworkEngine (pure), taken by the drivers on the dataplane loop: `routes` by
// dataplane/fib, devices and peers by dataplane/tunnel, `rules` by dataplane/netrules. Plain
// values. Everything a node needs for one of its peers is here without that peer's name being
// known to the kernel; the names are for status and for people.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "net/cidr.h"
#include "net/mac_addr.h"

namespace caracal::desired {

enum class Path : uint8_t {
  kBlackhole,  // this node's own block: what no pod has ends here, and does not loop
  kDirect,     // by the node's own address, on the same subnet
  kIpip,
  kVxlan,
  kWireguard,
};

struct BlockRoute {
  Path path = Path::kBlackhole;
  // kDirect, kIpip: the node's address. kVxlan: the node's tunnel address. Others: none.
  std::optional<net::IpAddr> via;
  std::string node;
  bool operator==(const BlockRoute&) const = default;
};

// Of one family: 4 is "vxlan.calico", 6 is "vxlan-v6.calico" (calico.md 5.6).
struct VxlanDevice {
  std::string name;
  uint32_t vni = 4096;
  uint16_t port = 4789;
  net::MacAddr mac;
  net::IpAddr local;    // the node's address: source of the outer packets
  net::IpAddr address;  // of the device itself, as a host prefix
  uint32_t mtu = 0;
  bool operator==(const VxlanDevice&) const = default;
};
struct VxlanPeer {
  std::string node;
  net::IpAddr node_address;  // destination of the outer packets
  net::MacAddr mac;          // of the peer's device
  bool operator==(const VxlanPeer&) const = default;
};

struct IpipDevice {
  std::string name = "tunl0";
  net::IpAddr address;
  uint32_t mtu = 0;
  bool operator==(const IpipDevice&) const = default;
};

struct WireguardDevice {
  std::string name;  // "wireguard.cali", "wg-v6.cali"
  uint16_t port = 0;
  std::optional<net::IpAddr> address;
  uint32_t mtu = 0;
  uint32_t keepalive_seconds = 0;
  bool operator==(const WireguardDevice&) const = default;
};
struct WireguardPeer {
  std::string node;
  net::IpAddr node_address;  // endpoint of the tunnel
  uint16_t port = 0;
  std::set<net::Cidr> allowed;  // the node's blocks and tunnel addresses
  bool operator==(const WireguardPeer&) const = default;
};

// One family's tunnels.
struct FamilyTunnels {
  std::optional<VxlanDevice> vxlan;
  std::map<net::IpAddr, VxlanPeer> vxlan_peers;  // by the peer's tunnel address
  std::optional<IpipDevice> ipip;                // IPv4 only
  std::optional<WireguardDevice> wireguard;
  std::map<std::string, WireguardPeer> wireguard_peers;  // by public key, base64
  bool operator==(const FamilyTunnels&) const = default;
};

// What nftables has to do for the pod network (both families in one).
struct NetworkRules {
  // Packets from these to anywhere outside of `no_nat` get the node's address.
  std::set<net::Cidr> nat_sources;
  std::set<net::Cidr> no_nat;                 // every pool; hosts, too, where so configured
  std::optional<net::IpAddr> nat_address_v4;  // instead of the kernel's choice
  std::optional<net::IpAddr> nat_address_v6;
  uint16_t nat_first_port = 0;  // 0: as the kernel chooses
  uint16_t nat_last_port = 0;
  // Tunnel packets are taken from these only: the addresses of the cluster's nodes.
  std::set<net::IpAddr> nodes;
  uint16_t vxlan_port = 0;  // 0: no VXLAN
  uint32_t vxlan_vni = 0;
  bool ipip = false;
  bool operator==(const NetworkRules&) const = default;
};

struct PodNetwork {
  std::map<net::Cidr, BlockRoute> routes;
  FamilyTunnels v4;
  FamilyTunnels v6;
  NetworkRules rules;
  bool operator==(const PodNetwork&) const = default;
};

// What changed since the last flush. Routes and VXLAN peers change one by one; devices, WireGuard
// and rules are few and come whole.
struct PodNetworkDelta {
  std::map<net::Cidr, std::optional<BlockRoute>> routes;        // nullopt: no longer
  std::map<net::IpAddr, std::optional<VxlanPeer>> vxlan_peers;  // both families
  bool devices = false;  // vxlan, ipip or wireguard devices differ
  bool wireguard_peers = false;
  bool rules = false;
  bool empty() const {
    return routes.empty() && vxlan_peers.empty() && !devices && !wireguard_peers && !rules;
  }
};

// Brings `held` to `now` where `delta` says that they differ.
void apply(PodNetwork& held, const PodNetworkDelta& delta, const PodNetwork& now);
// `first`, then `second`.
void merge(PodNetworkDelta& first, const PodNetworkDelta& second);

}  // namespace caracal::desired
