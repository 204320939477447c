// NetworkEngine's inside: the world it was told of, what has changed in it since the last flush,
// and the result. network_engine.cc keeps it; network_problems.cc puts into words what is wrong.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "route/network_engine.h"
#include "route/path_choice.h"
#include "route/pool_table.h"
#include "route/prefix_claims.h"
#include "route/tunnel_parts.h"

namespace caracal::route {

struct NetworkEngine::State {
  using Family = net::Family;

  explicit State(Options given) : options(std::move(given)) {}

  // The world.
  Options options;
  uint32_t host_mtu = 0;
  bool bgp = false;
  model::NetworkSettings settings;
  std::unordered_map<std::string, model::NodeNetwork> nodes;
  std::unordered_map<net::Cidr, model::AddressBlock> blocks;
  PoolTable pools;

  // Indexes of it: who holds what. Of several nodes that say the same, the lowest name counts.
  PrefixClaims claims;
  std::map<net::IpAddr, std::set<std::string>> addresses;                // of nodes
  std::map<net::IpAddr, std::set<std::string>> vteps;                    // VXLAN tunnel addresses
  std::map<std::pair<Family, std::string>, std::set<std::string>> keys;  // WireGuard

  // What may differ since the last flush.
  bool own_changed = true;  // this node, the settings or the MTU
  bool all_routes = true;
  bool all_vteps = true;
  bool all_keys = true;
  bool pools_changed = true;
  std::set<net::Cidr> changed_prefixes;
  std::set<net::IpAddr> changed_addresses;
  std::set<net::IpAddr> changed_vteps;
  std::set<std::pair<Family, std::string>> changed_keys;

  // The result.
  OwnSide side_v4;
  OwnSide side_v6;
  desired::PodNetwork network;
  std::map<net::Cidr, Trouble> troubles;

  const model::NodeNetwork* node(const std::string& name) const;
  const model::NodeNetwork* own() const { return node(options.node); }
  const OwnSide& side(Family family) const { return family == Family::kIPv4 ? side_v4 : side_v6; }
  desired::FamilyTunnels& tunnels(Family family) {
    return family == Family::kIPv4 ? network.v4 : network.v6;
  }

  // Updates.
  void apply(const model::NodeNetworkUpdate& update);
  void apply(const model::IpPoolUpdate& update);
  void apply(const model::AddressBlockUpdate& update);
  void apply(const model::NetworkSettingsUpdate& update);
  template <typename Other>
  void apply(const Other&) {}  // of no consequence for routes
  void index_node(const model::NodeNetwork& node, bool there);
  void index_block(const model::AddressBlock& block, bool there);
  void touch_keys_of(const std::string& node);

  // Flush, in this order.
  void settle_own(desired::PodNetworkDelta& delta);
  void settle_routes(desired::PodNetworkDelta& delta);
  void settle_all_routes(desired::PodNetworkDelta& delta);
  void settle_route(const net::Cidr& prefix, const PrefixClaims::Claim* holder,
                    desired::PodNetworkDelta& delta);
  void settle_vteps(desired::PodNetworkDelta& delta);
  void settle_vtep(const net::IpAddr& address, desired::PodNetworkDelta& delta);
  void settle_keys(desired::PodNetworkDelta& delta);
  bool settle_key(const std::pair<Family, std::string>& key);
  void settle_rules(desired::PodNetworkDelta& delta);
  desired::PodNetworkDelta flush();

  Choice choose(const net::Cidr& prefix, const PrefixClaims::Claim& holder) const;
  std::set<net::Cidr> allowed_of(const std::string& name, Family family) const;

  TunnelNeeds needs() const;
  std::vector<std::string> problems() const;
};

}  // namespace caracal::route
