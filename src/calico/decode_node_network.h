// core/v1 Node into how the node is reached: Calico's annotations (calico.md 2.15), and what
// Kubernetes itself says where they are missing.
#pragma once

#include <string>

#include "kube/object_reader.h"
#include "model/node_network.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// The annotations of a family; an agent writes its own, too.
struct NodeAnnotations {
  std::string_view address;
  std::string_view vxlan_address;
  std::string_view vxlan_mac;
  std::string_view wireguard_address;
  std::string_view wireguard_key;
};
inline constexpr NodeAnnotations kNodeAnnotationsV4 = {
    "projectcalico.org/IPv4Address", "projectcalico.org/IPv4VXLANTunnelAddr",
    "projectcalico.org/VXLANTunnelMACAddr", "projectcalico.org/IPv4WireguardInterfaceAddr",
    "projectcalico.org/WireguardPublicKey"};
inline constexpr NodeAnnotations kNodeAnnotationsV6 = {
    "projectcalico.org/IPv6Address", "projectcalico.org/IPv6VXLANTunnelAddr",
    "projectcalico.org/VXLANTunnelMACAddrV6", "projectcalico.org/IPv6WireguardInterfaceAddr",
    "projectcalico.org/WireguardPublicKeyV6"};
inline constexpr std::string_view kIpipAddressAnnotation = "projectcalico.org/IPv4IPIPTunnelAddr";
inline constexpr std::string_view kAsNumberAnnotation = "projectcalico.org/ASNumber";
inline constexpr std::string_view kRouteReflectorAnnotation =
    "projectcalico.org/RouteReflectorClusterID";

// An annotation that cannot be read is a problem, and counts as missing.
model::NodeNetwork decode_node_network(const std::string& name, const json::object& object,
                                       ObjectReader& reader);

}  // namespace caracal::calico
