#include "desired/network.h"

namespace caracal::desired {
namespace {

template <typename Key, typename Value>
void apply_changes(std::map<Key, Value>& held, const std::map<Key, std::optional<Value>>& changes) {
  for (const auto& [key, value] : changes) {
    if (value) {
      held.insert_or_assign(key, *value);
    } else {
      held.erase(key);
    }
  }
}

void copy_devices(FamilyTunnels& held, const FamilyTunnels& now) {
  held.vxlan = now.vxlan;
  held.ipip = now.ipip;
  held.wireguard = now.wireguard;
}

}  // namespace

void apply(PodNetwork& held, const PodNetworkDelta& delta, const PodNetwork& now) {
  apply_changes(held.routes, delta.routes);
  for (const auto& [address, peer] : delta.vxlan_peers) {
    auto& peers = address.is_v4() ? held.v4.vxlan_peers : held.v6.vxlan_peers;
    if (peer) {
      peers.insert_or_assign(address, *peer);
    } else {
      peers.erase(address);
    }
  }
  if (delta.devices) {
    copy_devices(held.v4, now.v4);
    copy_devices(held.v6, now.v6);
  }
  if (delta.wireguard_peers) {
    held.v4.wireguard_peers = now.v4.wireguard_peers;
    held.v6.wireguard_peers = now.v6.wireguard_peers;
  }
  if (delta.rules) held.rules = now.rules;
}

void merge(PodNetworkDelta& first, const PodNetworkDelta& second) {
  for (const auto& [key, route] : second.routes) first.routes.insert_or_assign(key, route);
  for (const auto& [key, peer] : second.vxlan_peers) first.vxlan_peers.insert_or_assign(key, peer);
  first.devices = first.devices || second.devices;
  first.wireguard_peers = first.wireguard_peers || second.wireguard_peers;
  first.rules = first.rules || second.rules;
}

}  // namespace caracal::desired
