// NodeNetwork: how a node is reached by the others: its address and subnet, its tunnels, its part
// in BGP. Made by calico/decode_node_network from the annotations of core/v1 Node (calico.md 2.15)
// and status.addresses where an annotation is missing; read by route, bgp and ipam.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/object.h"
#include "net/cidr.h"
#include "net/mac_addr.h"

namespace caracal::model {

// An address of an interface: "10.0.0.1/24". Without the annotation only the address is known:
// then `bits` is that of a host, and no other node is in the same subnet.
struct NodeAddress {
  net::IpAddr address;
  int bits = 32;
  net::Cidr subnet() const { return net::Cidr(address, bits); }
  bool operator==(const NodeAddress&) const = default;
};

// What a node has once a family.
struct NodeFamily {
  std::optional<NodeAddress> address;        // projectcalico.org/IPv4Address
  std::optional<net::IpAddr> vxlan_address;  // .../IPv4VXLANTunnelAddr
  std::optional<net::MacAddr> vxlan_mac;     // .../VXLANTunnelMACAddr; none: derived from the name
  std::optional<net::IpAddr> wireguard_address;
  std::string wireguard_key;  // public, base64; empty: none
  bool operator==(const NodeFamily&) const = default;
};

struct NodeNetwork {
  std::string name;
  Labels labels;
  NodeFamily v4;
  NodeFamily v6;
  std::optional<net::IpAddr> ipip_address;             // .../IPv4IPIPTunnelAddr
  std::optional<uint32_t> as_number;                   // .../ASNumber; none: the cluster's
  std::optional<net::IpAddr> route_reflector_cluster;  // .../RouteReflectorClusterID
  std::vector<net::Cidr> pod_cidrs;                    // spec.podCIDRs
  const NodeFamily& of(net::Family family) const { return family == net::Family::kIPv4 ? v4 : v6; }
  bool operator==(const NodeNetwork&) const = default;
};

}  // namespace caracal::model
