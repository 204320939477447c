#include "route/path_choice.h"

namespace caracal::route {

using desired::BlockRoute;
using desired::Path;
using model::Encapsulation;

Choice choose_path(const OwnSide& own, const Destination& to, bool bgp) {
  if (to.peer == nullptr) return {std::nullopt, Trouble::kUnknownNode};
  const model::NodeFamily& peer = to.peer->of(to.family);
  const Encapsulation encapsulation =
      to.pool == nullptr ? Encapsulation::kNone : to.pool->encapsulation;
  const Trouble unpooled =
      to.pool == nullptr && to.pool_expected ? Trouble::kNoPool : Trouble::kNone;
  // With BGP it is for BIRD to find that out.
  const bool plain = encapsulation == Encapsulation::kNone;
  if (!peer.address) {
    return {std::nullopt, plain && bgp ? unpooled : Trouble::kNoAddress};
  }
  const net::IpAddr& address = peer.address->address;
  if (own.wireguard && !peer.wireguard_key.empty()) {
    return {BlockRoute{Path::kWireguard, std::nullopt, *to.node}, unpooled};
  }
  const bool near = own.subnet && own.subnet->contains(address);
  const BlockRoute direct{Path::kDirect, address, *to.node};
  if (plain) {
    if (bgp) return {std::nullopt, unpooled};
    if (near || !own.subnet) return {direct, unpooled};
    return {std::nullopt, Trouble::kOtherSubnet};
  }
  if (near && to.pool->cross_subnet) return {direct, Trouble::kNone};
  if (encapsulation == Encapsulation::kIpip) {
    if (!own.ipip) return {std::nullopt, Trouble::kNoOwnIpip};
    return {BlockRoute{Path::kIpip, address, *to.node}, Trouble::kNone};
  }
  if (!own.vxlan) return {std::nullopt, Trouble::kNoOwnVxlan};
  if (!peer.vxlan_address) return {std::nullopt, Trouble::kNoPeerTunnel};
  return {BlockRoute{Path::kVxlan, *peer.vxlan_address, *to.node}, Trouble::kNone};
}

}  // namespace caracal::route
