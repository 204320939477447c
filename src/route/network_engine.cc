#include "route/network_engine.h"

#include <algorithm>
#include <utility>

#include "route/network_state.h"

namespace caracal::route {

using desired::BlockRoute;
using desired::Path;
using desired::PodNetworkDelta;
using net::Family;

namespace {

template <typename Key>
void set_claim(std::map<Key, std::set<std::string>>& index, const Key& key, const std::string& node,
               bool there) {
  if (there) {
    index[key].insert(node);
    return;
  }
  const auto found = index.find(key);
  if (found == index.end()) return;
  found->second.erase(node);
  if (found->second.empty()) index.erase(found);
}

// Stores `value` (nullopt: nothing) under the key; true: that is a change.
template <typename Key, typename Value>
bool store(std::map<Key, Value>& map, const Key& key, std::optional<Value> value) {
  const auto at = map.lower_bound(key);
  const bool there = at != map.end() && at->first == key;
  if (!value) {
    if (there) map.erase(at);
    return there;
  }
  if (!there) {
    map.emplace_hint(at, key, std::move(*value));
    return true;
  }
  if (at->second == *value) return false;
  at->second = std::move(*value);
  return true;
}

bool is_own_host(const net::Cidr& prefix, const PrefixClaims::Claim& holder) {
  return holder.borrowed || prefix.is_host();
}

}  // namespace

const model::NodeNetwork* NetworkEngine::State::node(const std::string& name) const {
  const auto found = nodes.find(name);
  return found == nodes.end() ? nullptr : &found->second;
}

// --- Updates -------------------------------------------------------------------------------------

void NetworkEngine::State::touch_keys_of(const std::string& name) {
  const model::NodeNetwork* known = node(name);
  if (known == nullptr) return;
  for (const Family family : net::kFamilies) {
    const std::string& key = known->of(family).wireguard_key;
    if (!key.empty()) changed_keys.emplace(family, key);
  }
}

void NetworkEngine::State::index_node(const model::NodeNetwork& said, bool there) {
  for (const Family family : net::kFamilies) {
    const model::NodeFamily& has = said.of(family);
    if (has.address) {
      set_claim(addresses, has.address->address, said.name, there);
      changed_addresses.insert(has.address->address);
    }
    if (has.vxlan_address) {
      set_claim(vteps, *has.vxlan_address, said.name, there);
      changed_vteps.insert(*has.vxlan_address);
    }
    if (!has.wireguard_key.empty()) {
      set_claim(keys, {family, has.wireguard_key}, said.name, there);
      changed_keys.emplace(family, has.wireguard_key);
    }
  }
  if (!options.pod_cidrs) return;
  const std::set<net::Cidr> cidrs(said.pod_cidrs.begin(), said.pod_cidrs.end());
  for (const net::Cidr& cidr : cidrs) {
    index_block({.cidr = cidr, .node = said.name, .elsewhere = {}}, there);
  }
}

void NetworkEngine::State::apply(const model::NodeNetworkUpdate& update) {
  const auto found = nodes.find(update.key);
  const bool known = found != nodes.end();
  if (!known && !update.value) return;
  const bool is_own = update.key == options.node;
  if (known && update.value) {
    model::NodeNetwork& before = found->second;
    if (before == *update.value) return;
    // Labels are none of our business, and change often.
    model::NodeNetwork relabelled = before;
    relabelled.labels = update.value->labels;
    if (relabelled == *update.value) {
      before.labels = update.value->labels;
      return;
    }
  }
  if (known) index_node(found->second, false);
  if (update.value) {
    model::NodeNetwork& now = nodes[update.key];
    now = *update.value;
    now.name = update.key;
    index_node(now, true);
  } else {
    nodes.erase(found);
  }
  const std::set<net::Cidr>& prefixes = claims.of(update.key);
  changed_prefixes.insert(prefixes.begin(), prefixes.end());
  own_changed = own_changed || is_own;
}

void NetworkEngine::State::index_block(const model::AddressBlock& block, bool there) {
  const auto claim = [&](const net::Cidr& prefix, bool borrowed, const std::string& node) {
    const PrefixClaims::Claim* before = keys.empty() ? nullptr : claims.holder(prefix);
    if (before != nullptr) touch_keys_of(before->node);
    if (there) {
      claims.add(prefix, {borrowed, node, block.cidr});
    } else {
      claims.remove(prefix, {borrowed, node, block.cidr});
    }
    const PrefixClaims::Claim* after = keys.empty() ? nullptr : claims.holder(prefix);
    if (after != nullptr) touch_keys_of(after->node);
    if (!all_routes) changed_prefixes.insert(prefix);
  };
  if (!block.node.empty()) claim(block.cidr, false, block.node);
  for (const auto& [address, node] : block.elsewhere) claim(net::Cidr::host(address), true, node);
}

void NetworkEngine::State::apply(const model::AddressBlockUpdate& update) {
  if (options.pod_cidrs) return;
  const auto found = blocks.find(update.key);
  if (found != blocks.end()) {
    if (update.value && found->second == *update.value) return;
    index_block(found->second, false);
    blocks.erase(found);
  }
  if (!update.value) return;
  model::AddressBlock& block = blocks.try_emplace(update.key, *update.value).first->second;
  block.cidr = update.key;
  index_block(block, true);
}

void NetworkEngine::State::apply(const model::IpPoolUpdate& update) {
  const auto paths = [](const model::IpPool* pool) {
    return pool == nullptr ? std::tuple<net::Cidr, model::Encapsulation, bool>()
                           : std::tuple(pool->cidr, pool->encapsulation, pool->cross_subnet);
  };
  const model::IpPool* before = pools.find(update.key);
  const model::IpPool* now = update.value ? &*update.value : nullptr;
  pools_changed = true;
  if ((before == nullptr) != (now == nullptr) || paths(before) != paths(now)) {
    for (const model::IpPool* pool : {before, now}) {
      if (pool != nullptr) claims.inside(pool->cidr, changed_prefixes);
    }
  }
  if (now == nullptr) {
    pools.erase(update.key);
    return;
  }
  model::IpPool named = *now;
  named.name = update.key;
  pools.put(named);
}

void NetworkEngine::State::apply(const model::NetworkSettingsUpdate& update) {
  const model::NetworkSettings now = update.value.value_or(model::NetworkSettings());
  if (now == settings) return;
  settings = now;
  own_changed = pools_changed = all_keys = true;  // the port of WireGuard's peers
}

// --- Flush ---------------------------------------------------------------------------------------

void NetworkEngine::State::settle_own(PodNetworkDelta& delta) {
  if (!std::exchange(own_changed, false)) return;
  const model::NodeNetwork* self = own();
  const TunnelMtus mtus = tunnel_mtus(settings, host_mtu);
  for (const Family family : net::kFamilies) {
    desired::FamilyTunnels devices;
    OwnSide now;
    if (self != nullptr) {
      devices = tunnel_devices(*self, family, settings, mtus);
      const auto& address = self->of(family).address;
      if (address && address->bits < address_bits(family)) now.subnet = address->subnet();
    }
    now.vxlan = devices.vxlan.has_value();
    now.ipip = devices.ipip.has_value();
    const bool v4 = family == Family::kIPv4;
    now.wireguard =
        devices.wireguard.has_value() && (v4 ? settings.wireguard : settings.wireguard_v6);
    desired::FamilyTunnels& stands = tunnels(family);
    if (devices.vxlan != stands.vxlan) {
      all_vteps = delta.devices = pools_changed = true;
      stands.vxlan = std::move(devices.vxlan);
    }
    if (devices.ipip != stands.ipip) {
      delta.devices = pools_changed = true;
      stands.ipip = std::move(devices.ipip);
    }
    if (devices.wireguard != stands.wireguard) {
      all_keys = delta.devices = true;
      stands.wireguard = std::move(devices.wireguard);
    }
    OwnSide& side = v4 ? side_v4 : side_v6;
    if (side == now) continue;
    side = now;
    all_routes = true;
  }
}

Choice NetworkEngine::State::choose(const net::Cidr& prefix,
                                    const PrefixClaims::Claim& holder) const {
  if (holder.node == options.node) {
    if (is_own_host(prefix, holder)) return {};
    return {BlockRoute{Path::kBlackhole, std::nullopt, holder.node}, Trouble::kNone};
  }
  const Destination to{.family = prefix.family(),
                       .node = &holder.node,
                       .peer = node(holder.node),
                       .pool = pools.of(prefix),
                       .pool_expected = !options.pod_cidrs};
  return choose_path(side(prefix.family()), to, bgp);
}

void NetworkEngine::State::settle_route(const net::Cidr& prefix, const PrefixClaims::Claim* holder,
                                        PodNetworkDelta& delta) {
  Choice choice;
  if (holder != nullptr) choice = choose(prefix, *holder);
  if (choice.trouble == Trouble::kNone) {
    troubles.erase(prefix);
  } else {
    troubles.insert_or_assign(prefix, choice.trouble);
  }
  if (store(network.routes, prefix, choice.route)) {
    delta.routes.insert_or_assign(delta.routes.end(), prefix, std::move(choice.route));
  }
}

// Both maps in their order, side by side: no look-ups.
void NetworkEngine::State::settle_all_routes(PodNetworkDelta& delta) {
  auto& routes = network.routes;
  auto at = routes.begin();
  const auto drop = [&] {
    delta.routes.emplace_hint(delta.routes.end(), at->first, std::nullopt);
    at = routes.erase(at);
  };
  troubles.clear();
  for (const auto& [prefix, held] : claims.all()) {
    while (at != routes.end() && at->first < prefix) drop();
    Choice choice = choose(prefix, held.front());
    if (choice.trouble != Trouble::kNone) {
      troubles.emplace_hint(troubles.end(), prefix, choice.trouble);
    }
    const bool there = at != routes.end() && at->first == prefix;
    if (!choice.route) {
      if (there) drop();
      continue;
    }
    if (there && at->second == *choice.route) {
      ++at;
      continue;
    }
    delta.routes.emplace_hint(delta.routes.end(), prefix, *choice.route);
    if (there) {
      at->second = std::move(*choice.route);
      ++at;
    } else {
      routes.emplace_hint(at, prefix, std::move(*choice.route));
    }
  }
  while (at != routes.end()) drop();
}

void NetworkEngine::State::settle_routes(PodNetworkDelta& delta) {
  if (std::exchange(all_routes, false)) {
    settle_all_routes(delta);
  } else {
    for (const net::Cidr& prefix : changed_prefixes) {
      settle_route(prefix, claims.holder(prefix), delta);  // null: nobody's any more
    }
  }
  changed_prefixes.clear();
}

void NetworkEngine::State::settle_vtep(const net::IpAddr& address, PodNetworkDelta& delta) {
  desired::FamilyTunnels& family = tunnels(address.family());
  std::optional<desired::VxlanPeer> peer;
  const auto found = vteps.find(address);
  if (family.vxlan && found != vteps.end() && !found->second.contains(options.node)) {
    const model::NodeNetwork& node = nodes.at(*found->second.begin());
    if (const auto& outer = node.of(address.family()).address) {
      peer = desired::VxlanPeer{node.name, outer->address, vxlan_mac(node, address.family())};
    }
  }
  if (store(family.vxlan_peers, address, peer)) {
    delta.vxlan_peers.insert_or_assign(address, std::move(peer));
  }
}

void NetworkEngine::State::settle_vteps(PodNetworkDelta& delta) {
  for (const net::IpAddr& address : changed_vteps) settle_vtep(address, delta);
  changed_vteps.clear();
  if (!std::exchange(all_vteps, false)) return;
  for (const auto& [address, claimants] : vteps) settle_vtep(address, delta);
}

std::set<net::Cidr> NetworkEngine::State::allowed_of(const std::string& name, Family family) const {
  std::set<net::Cidr> allowed;
  for (const net::Cidr& prefix : claims.of(name)) {
    if (prefix.family() == family && claims.holder(prefix)->node == name) allowed.insert(prefix);
  }
  const model::NodeNetwork& peer = nodes.at(name);
  const model::NodeFamily& has = peer.of(family);
  for (const auto& address : {has.wireguard_address, has.vxlan_address}) {
    if (address) allowed.insert(net::Cidr::host(*address));
  }
  if (family == Family::kIPv4 && peer.ipip_address) {
    allowed.insert(net::Cidr::host(*peer.ipip_address));
  }
  return allowed;
}

bool NetworkEngine::State::settle_key(const std::pair<Family, std::string>& key) {
  const Family family = key.first;
  desired::FamilyTunnels& stands = tunnels(family);
  std::optional<desired::WireguardPeer> peer;
  const auto found = keys.find(key);
  if (stands.wireguard && found != keys.end() && !found->second.contains(options.node)) {
    const std::string& name = *found->second.begin();
    if (const auto& outer = nodes.at(name).of(family).address) {
      const uint16_t port =
          family == Family::kIPv4 ? settings.wireguard_port : settings.wireguard_port_v6;
      peer = desired::WireguardPeer{name, outer->address, port, allowed_of(name, family)};
    }
  }
  return store(stands.wireguard_peers, key.second, std::move(peer));
}

void NetworkEngine::State::settle_keys(PodNetworkDelta& delta) {
  for (const auto& key : changed_keys) {
    if (settle_key(key)) delta.wireguard_peers = true;
  }
  changed_keys.clear();
  if (!std::exchange(all_keys, false)) return;
  for (const auto& [key, claimants] : keys) {
    if (settle_key(key)) delta.wireguard_peers = true;
  }
}

void NetworkEngine::State::settle_rules(PodNetworkDelta& delta) {
  desired::NetworkRules& rules = network.rules;
  for (const net::IpAddr& address : changed_addresses) {
    const bool there = addresses.contains(address);
    const bool changed =
        there ? rules.nodes.insert(address).second : rules.nodes.erase(address) > 0;
    delta.rules = delta.rules || changed;
    pools_changed = pools_changed || (changed && settings.nat_excludes_hosts);
  }
  changed_addresses.clear();
  if (!std::exchange(pools_changed, false)) return;
  // Compared without the nodes, which are the many and known to differ or not.
  std::set<net::IpAddr> known;
  known.swap(rules.nodes);
  desired::NetworkRules now;
  for (const auto& [name, pool] : pools.all()) {
    now.no_nat.insert(pool.cidr);
    if (pool.nat_outgoing) now.nat_sources.insert(pool.cidr);
  }
  if (settings.nat_excludes_hosts) {
    for (const net::IpAddr& address : known) now.no_nat.insert(net::Cidr::host(address));
  }
  if (settings.nat_address) {
    (settings.nat_address->is_v4() ? now.nat_address_v4 : now.nat_address_v6) =
        settings.nat_address;
  }
  now.nat_first_port = settings.nat_first_port;
  now.nat_last_port = settings.nat_last_port;
  for (const auto* vxlan : {&network.v4.vxlan, &network.v6.vxlan}) {
    if (!*vxlan) continue;
    now.vxlan_port = (*vxlan)->port;
    now.vxlan_vni = (*vxlan)->vni;
  }
  now.ipip = network.v4.ipip.has_value();
  if (now != rules) {
    rules = std::move(now);
    delta.rules = true;
  }
  rules.nodes = std::move(known);
}

PodNetworkDelta NetworkEngine::State::flush() {
  PodNetworkDelta delta;
  settle_own(delta);
  settle_routes(delta);
  settle_vteps(delta);
  settle_keys(delta);
  settle_rules(delta);
  return delta;
}

TunnelNeeds NetworkEngine::State::needs() const {
  TunnelNeeds needs;
  needs.wireguard_v4 = settings.wireguard;
  needs.wireguard_v6 = settings.wireguard_v6;
  for (const auto& [name, pool] : pools.all()) {
    const bool v4 = pool.cidr.family() == Family::kIPv4;
    if (pool.encapsulation == model::Encapsulation::kIpip) needs.ipip = needs.ipip || v4;
    if (pool.encapsulation == model::Encapsulation::kVxlan) {
      (v4 ? needs.vxlan_v4 : needs.vxlan_v6) = true;
    }
  }
  return needs;
}

// --- The class -----------------------------------------------------------------------------------

NetworkEngine::NetworkEngine(Options options)
    : state_(std::make_unique<State>(std::move(options))) {}
NetworkEngine::~NetworkEngine() = default;
NetworkEngine::NetworkEngine(NetworkEngine&&) noexcept = default;
NetworkEngine& NetworkEngine::operator=(NetworkEngine&&) noexcept = default;

void NetworkEngine::apply(const model::NetworkUpdate& update) {
  std::visit([this](const auto& one) { state_->apply(one); }, update);
}

void NetworkEngine::set_host_mtu(uint32_t mtu) {
  if (std::exchange(state_->host_mtu, mtu) != mtu) state_->own_changed = true;
}

void NetworkEngine::set_bgp(bool runs) {
  if (std::exchange(state_->bgp, runs) != runs) state_->all_routes = true;
}

PodNetworkDelta NetworkEngine::flush() { return state_->flush(); }
const desired::PodNetwork& NetworkEngine::network() const { return state_->network; }
std::vector<std::string> NetworkEngine::problems() const { return state_->problems(); }

TunnelNeeds NetworkEngine::needs() const { return state_->needs(); }

uint32_t NetworkEngine::pod_mtu() const {
  const TunnelMtus mtus = tunnel_mtus(state_->settings, state_->host_mtu);
  const TunnelNeeds on = needs();
  uint32_t least = state_->host_mtu == 0 ? kUnknownHostMtu : state_->host_mtu;
  if (on.ipip) least = std::min(least, mtus.ipip);
  if (on.vxlan_v4) least = std::min(least, mtus.vxlan);
  if (on.vxlan_v6) least = std::min(least, mtus.vxlan_v6);
  if (on.wireguard_v4) least = std::min(least, mtus.wireguard);
  if (on.wireguard_v6) least = std::min(least, mtus.wireguard_v6);
  return least;
}

}  // namespace caracal::route
