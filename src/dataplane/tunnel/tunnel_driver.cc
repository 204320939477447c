#include "dataplane/tunnel/tunnel_driver.h"

#include <fmt/format.h>
#include <linux/wireguard.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "dataplane/tunnel/block_routes.h"
#include "dataplane/tunnel/peer_entries.h"
#include "dataplane/tunnel/tunnel_devices.h"
#include "dataplane/tunnel/tunnel_link.h"
#include "dataplane/tunnel/tunnel_watch.h"
#include "dataplane/tunnel/wireguard.h"
#include "netlink/network_namespace.h"
#include "netlink/rtnetlink.h"
#include "netlink/socket.h"

namespace caracal::dataplane::tunnel {
namespace {

constexpr int kReceiveBuffer = 4 * 1024 * 1024;

using Links = std::map<std::string, TunnelLink>;

std::optional<TunnelLink> link_of(const Links& links, const std::string& name) {
  const auto found = links.find(name);
  if (found == links.end()) return std::nullopt;
  return found->second;
}

// One family's tunnels: what is wanted, and what the kernel holds of it as far as we know.
struct Tunnels {
  explicit Tunnels(net::Family f) : family(f) {}
  net::Family family;
  desired::FamilyTunnels wanted;
  uint32_t vxlan = 0;  // indexes of devices that are as wanted; 0: not there
  uint32_t ipip = 0;
  uint32_t wireguard = 0;
  PeerTable peers;                          // wanted ones
  std::map<net::MacAddr, size_t> mac_uses;  // peers with the MAC
  bool collision = false;                   // two nodes have the same MAC
  // Left over in the kernel, until drop_unneeded().
  std::set<ForwardingEntry> old_forwarding;
  std::set<NeighbourEntry> old_neighbours;
  std::set<WireguardKey> old_wireguard;
};

const net::MacAddr& place_of(const ForwardingEntry& entry) { return entry.mac; }
const net::IpAddr& place_of(const NeighbourEntry& entry) { return entry.address; }

const char* kind_of(const desired::VxlanDevice&) { return "vxlan"; }
const char* kind_of(const desired::IpipDevice&) { return "ipip"; }
const char* kind_of(const desired::WireguardDevice&) { return "wireguard"; }

bool same_devices(const desired::FamilyTunnels& a, const desired::FamilyTunnels& b) {
  return a.vxlan == b.vxlan && a.ipip == b.ipip && a.wireguard == b.wireguard;
}

}  // namespace

struct TunnelDriver::State {
  State(TunnelOptions o, netlink::Socket s, netlink::Socket g, TunnelWatch w)
      : options(std::move(o)), socket(std::move(s)), generic(std::move(g)), watch(std::move(w)) {}

  // Devices of a family; those made or replaced get all of their peers.
  Status ensure_devices(Tunnels& t, const Links& links, TunnelReport& report);
  // All peers of the VXLAN device: asks what is there, puts what is missing or different.
  Status ensure_peers(Tunnels& t, TunnelReport& report);
  // The peers that the delta names.
  Status change_peers(Tunnels& t, const desired::PodNetworkDelta& delta, TunnelReport& report);
  Status ensure_wireguard_peers(Tunnels& t, TunnelReport& report);
  Status send(PeerBatch& batch, TunnelReport& report);
  Status drop_from(Tunnels& t, TunnelReport& report);
  // t.peers from t.wanted. Two nodes with one MAC are a problem of the second.
  void make_peer_table(Tunnels& t, TunnelReport& report);
  bool drifted(const Tunnels& t, const TunnelEvents& events);

  // What a device came to; a failure is a problem, and the device counts as not there.
  uint32_t take(const Result<DeviceState>& state, const std::string& name, TunnelReport& report);
  void names_of(const desired::FamilyTunnels& tunnels) {
    if (tunnels.vxlan) names.insert(tunnels.vxlan->name);
    if (tunnels.ipip) names.insert(tunnels.ipip->name);
    if (tunnels.wireguard) names.insert(tunnels.wireguard->name);
  }
  std::set<uint32_t> indexes() const {
    std::set<uint32_t> out;
    for (const Tunnels& t : families)
      for (const uint32_t index : {t.vxlan, t.ipip, t.wireguard})
        if (index != 0) out.insert(index);
    return out;
  }
  Tunnels& of(net::Family family) { return families[family == net::Family::kIPv4 ? 0 : 1]; }

  TunnelOptions options;
  netlink::Socket socket;
  netlink::Socket generic;
  TunnelWatch watch;
  std::optional<netlink::GenericFamily> wireguard_family;  // asked when WireGuard is wanted
  std::array<Tunnels, 2> families{Tunnels(net::Family::kIPv4), Tunnels(net::Family::kIPv6)};
  // Of devices that may be ours.
  std::set<std::string> names{kVxlanV4, kVxlanV6, kIpip, kWireguardV4, kWireguardV6};
  bool in_sync = false;
  bool devices_left = false;  // there may be some that nothing needs
};

uint32_t TunnelDriver::State::take(const Result<DeviceState>& state, const std::string& name,
                                   TunnelReport& report) {
  if (!state) {
    report.problems.push_back({fmt::format("device {}", name), state.error()});
    return 0;
  }
  switch (state->was) {
    case DeviceWas::kRight:
      ++report.right;
      break;
    case DeviceWas::kChanged:
      ++report.changed;
      report.notes.push_back(fmt::format("{}: set right: {}", name, state->why));
      break;
    case DeviceWas::kMade:
      state->why.empty() ? ++report.added : ++report.changed;
      report.notes.push_back(state->why.empty()
                                 ? fmt::format("{}: made", name)
                                 : fmt::format("{}: made anew: {}", name, state->why));
      break;
  }
  return state->index;
}

Status TunnelDriver::State::ensure_devices(Tunnels& t, const Links& links, TunnelReport& report) {
  const desired::FamilyTunnels& w = t.wanted;
  t.vxlan = t.ipip = t.wireguard = 0;
  if (w.vxlan)
    t.vxlan =
        take(ensure_vxlan(socket, *w.vxlan, link_of(links, w.vxlan->name)), w.vxlan->name, report);
  if (w.ipip)
    t.ipip = take(ensure_ipip(socket, *w.ipip, link_of(links, w.ipip->name)), w.ipip->name, report);
  if (w.wireguard) {
    const std::string& name = w.wireguard->name;
    t.wireguard =
        take(ensure_wireguard(socket, *w.wireguard, t.family, link_of(links, name)), name, report);
  }
  return {};
}

void TunnelDriver::State::make_peer_table(Tunnels& t, TunnelReport& report) {
  t.peers = {};
  t.mac_uses.clear();
  t.collision = false;
  std::map<net::MacAddr, const desired::VxlanPeer*> owners;
  for (const auto& [address, peer] : t.wanted.vxlan_peers) {
    const auto [owner, first] = owners.emplace(peer.mac, &peer);
    if (!first && owner->second->node_address != peer.node_address) {
      t.collision = true;
      report.problems.push_back(
          {fmt::format("peer {}", peer.node),
           Error{Errc::kConflict,
                 fmt::format("node {}: tunnel MAC {} is that of node {}, too: one of the two nodes "
                             "must take another",
                             peer.node, peer.mac.to_string(), owner->second->node)}});
      continue;
    }
    ++t.mac_uses[peer.mac];
    t.peers.forwarding.emplace(peer.mac, peer.node_address);
    t.peers.neighbours.emplace(address, peer.mac);
  }
}

Status TunnelDriver::State::send(PeerBatch& batch, TunnelReport& report) {
  CARACAL_ASSIGN(std::vector<PeerBatch::Refused> refused, batch.send());
  for (PeerBatch::Refused& r : refused)
    report.problems.push_back({std::move(r.object), std::move(r.error)});
  return {};
}

Status TunnelDriver::State::ensure_peers(Tunnels& t, TunnelReport& report) {
  make_peer_table(t, report);
  t.old_forwarding.clear();
  t.old_neighbours.clear();
  if (t.vxlan == 0) return {};
  CARACAL_ASSIGN(const ListedPeers present, list_peers(socket, t.vxlan, t.family));
  std::set<net::MacAddr> present_macs;
  std::set<net::IpAddr> present_addresses;
  for (const ForwardingEntry& entry : present.forwarding) {
    present_macs.insert(entry.mac);
    // The same MAC with another destination is changed, not left over.
    if (!t.peers.forwarding.contains(entry.mac)) t.old_forwarding.insert(entry);
  }
  for (const NeighbourEntry& entry : present.neighbours) {
    present_addresses.insert(entry.address);
    if (!t.peers.neighbours.contains(entry.address)) t.old_neighbours.insert(entry);
  }
  PeerBatch batch(socket, t.vxlan);
  const auto put = [&](const auto& entry, bool right, bool there) {
    if (right) {
      ++report.right;
      return;
    }
    batch.put(entry);
    there ? ++report.changed : ++report.added;
  };
  for (const auto& [mac, node] : t.peers.forwarding) {
    const ForwardingEntry entry{mac, node};
    put(entry, present.forwarding.contains(entry), present_macs.contains(mac));
  }
  for (const auto& [address, mac] : t.peers.neighbours) {
    const NeighbourEntry entry{address, mac};
    put(entry, present.neighbours.contains(entry), present_addresses.contains(address));
  }
  return send(batch, report);
}

Status TunnelDriver::State::change_peers(Tunnels& t, const desired::PodNetworkDelta& delta,
                                         TunnelReport& report) {
  // What entries were before, of those that may differ now.
  std::map<net::MacAddr, std::optional<net::IpAddr>> forwarding;
  std::map<net::IpAddr, std::optional<net::MacAddr>> neighbours;
  const auto touch = [](auto& touched, const auto& table, const auto& key) {
    const auto found = table.find(key);
    using Value = std::decay_t<decltype(found->second)>;
    touched.emplace(key, found == table.end() ? std::optional<Value>() : found->second);
  };
  bool collision = t.collision;
  for (const auto& [address, peer] : delta.vxlan_peers) {
    if (address.family() != t.family || !peer) continue;
    const auto user = t.peers.forwarding.find(peer->mac);
    if (user != t.peers.forwarding.end() && user->second != peer->node_address) collision = true;
  }
  if (collision) {
    // Whose a MAC is depends on all peers.
    const PeerTable before = std::move(t.peers);
    make_peer_table(t, report);
    for (const PeerTable* table : {&before, &std::as_const(t.peers)}) {
      for (const auto& [mac, node] : table->forwarding) touch(forwarding, before.forwarding, mac);
      for (const auto& [address, mac] : table->neighbours)
        touch(neighbours, before.neighbours, address);
    }
  } else {
    for (const auto& [address, peer] : delta.vxlan_peers) {
      if (address.family() != t.family) continue;
      touch(neighbours, t.peers.neighbours, address);
      const auto old = t.peers.neighbours.find(address);
      if (peer) {
        touch(forwarding, t.peers.forwarding, peer->mac);
        ++t.mac_uses[peer->mac];
        t.peers.forwarding.emplace(peer->mac, peer->node_address);
      }
      if (old != t.peers.neighbours.end()) {
        touch(forwarding, t.peers.forwarding, old->second);
        if (--t.mac_uses[old->second] == 0) {
          t.mac_uses.erase(old->second);
          t.peers.forwarding.erase(old->second);
        }
        t.peers.neighbours.erase(old);
      }
      if (peer) t.peers.neighbours.emplace(address, peer->mac);
    }
  }
  PeerBatch batch(socket, t.vxlan);
  const auto put = [&](const auto& touched, const auto& table, auto& leftovers, auto make_entry) {
    for (const auto& [key, before] : touched) {
      const auto now = table.find(key);
      if (now == table.end()) {
        if (before) leftovers.insert(make_entry(key, *before));
        continue;
      }
      if (before == now->second) continue;
      std::erase_if(leftovers, [&](const auto& entry) { return place_of(entry) == key; });
      if (t.vxlan != 0) batch.put(make_entry(key, now->second));
      before ? ++report.changed : ++report.added;
    }
  };
  put(forwarding, t.peers.forwarding, t.old_forwarding,
      [](const net::MacAddr& mac, const net::IpAddr& node) {
        return ForwardingEntry{mac, node};
      });
  put(neighbours, t.peers.neighbours, t.old_neighbours,
      [](const net::IpAddr& ip, const net::MacAddr& mac) {
        return NeighbourEntry{ip, mac};
      });
  return send(batch, report);
}

Status TunnelDriver::State::ensure_wireguard_peers(Tunnels& t, TunnelReport& report) {
  t.old_wireguard.clear();
  if (t.wireguard == 0) return {};
  const desired::WireguardDevice& device = *t.wanted.wireguard;
  const std::string object = fmt::format("device {}", device.name);
  if (!wireguard_family) {
    auto family = netlink::find_generic_family(generic, WG_GENL_NAME);
    if (!family) {
      report.problems.push_back({object, std::move(family).error()});
      return {};
    }
    wireguard_family = *family;
  }
  CARACAL_ASSIGN(const WireguardState present,
                 read_wireguard(generic, *wireguard_family, t.wireguard));
  WireguardChange change;
  if (device.port != 0 && present.port != device.port) change.port = device.port;
  Result<WireguardKey> key = present.private_key;
  if (options.wireguard_key)
    key = options.wireguard_key(device.name);
  else if (present.private_key.empty())
    key = WireguardKey::generate();
  if (!key) {
    report.problems.push_back({object, key.error().within("no private key")});
    return {};
  }
  if (*key != present.private_key) change.private_key = *key;
  std::vector<Error> bad;
  const auto wanted = peer_states(t.wanted.wireguard_peers, device.keepalive_seconds, bad);
  for (Error& error : bad) report.problems.push_back({"WireGuard peer", std::move(error)});
  size_t added = 0;
  for (const auto& [peer, state] : wanted) {
    const auto found = present.peers.find(peer);
    if (found != present.peers.end() && found->second == state) {
      ++report.right;
      continue;
    }
    WireguardChange::Peer to{state, std::nullopt};
    if (found != present.peers.end())
      to.present = found->second;
    else
      ++added;
    change.peers.emplace(peer, std::move(to));
  }
  for (const auto& [peer, state] : present.peers)
    if (!wanted.contains(peer)) t.old_wireguard.insert(peer);
  if (!change.empty()) {
    auto changed = change_wireguard(generic, *wireguard_family, t.wireguard, change);
    if (!changed) report.problems.push_back({object, changed.error().within("keys and peers")});
    report.added += added;
    report.changed += change.peers.size() - added + (change.port || change.private_key ? 1 : 0);
  }
  if (change.private_key) {
    CARACAL_ASSIGN(const WireguardState now,
                   read_wireguard(generic, *wireguard_family, t.wireguard));
    report.public_keys[device.name] = now.public_key.to_string();
  } else {
    report.public_keys[device.name] = present.public_key.to_string();
  }
  return {};
}

Status TunnelDriver::State::drop_from(Tunnels& t, TunnelReport& report) {
  if (t.vxlan != 0 && !(t.old_forwarding.empty() && t.old_neighbours.empty())) {
    PeerBatch batch(socket, t.vxlan);
    for (const NeighbourEntry& entry : t.old_neighbours) batch.take(entry);
    for (const ForwardingEntry& entry : t.old_forwarding) batch.take(entry);
    report.removed += batch.size();
    CARACAL_TRY(send(batch, report));
  }
  if (t.wireguard != 0 && wireguard_family && !t.old_wireguard.empty()) {
    WireguardChange change;
    change.gone = t.old_wireguard;
    if (auto gone = change_wireguard(generic, *wireguard_family, t.wireguard, change); !gone)
      report.problems.push_back({fmt::format("device {}", t.wanted.wireguard->name), gone.error()});
    else
      report.removed += change.gone.size();
  }
  t.old_forwarding.clear();
  t.old_neighbours.clear();
  t.old_wireguard.clear();
  return {};
}

TunnelDriver::TunnelDriver(std::unique_ptr<State> state) : state_(std::move(state)) {}
TunnelDriver::TunnelDriver(TunnelDriver&&) noexcept = default;
TunnelDriver& TunnelDriver::operator=(TunnelDriver&&) noexcept = default;
TunnelDriver::~TunnelDriver() = default;

Result<TunnelDriver> TunnelDriver::open(TunnelOptions options) {
  CARACAL_ASSIGN(netlink::Socket socket, netlink::Socket::open(NETLINK_ROUTE));
  (void)::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer,
                     sizeof kReceiveBuffer);
  CARACAL_ASSIGN(netlink::Socket generic, netlink::Socket::open(NETLINK_GENERIC));
  CARACAL_ASSIGN(TunnelWatch watch, TunnelWatch::open());
  return TunnelDriver(std::make_unique<State>(std::move(options), std::move(socket),
                                              std::move(generic), std::move(watch)));
}

Result<TunnelDriver> TunnelDriver::open_in(const netlink::NetworkNamespace& ns,
                                           TunnelOptions options) {
  return ns.run([&] { return open(std::move(options)); });
}

Result<TunnelReport> TunnelDriver::sync(const desired::PodNetwork& network) {
  State& s = *state_;
  TunnelReport report;
  s.in_sync = false;
  s.of(net::Family::kIPv4).wanted = network.v4;
  s.of(net::Family::kIPv6).wanted = network.v6;
  for (const Tunnels& t : s.families) s.names_of(t.wanted);
  CARACAL_ASSIGN(const Links links, find_tunnel_links(s.socket, s.names));
  for (Tunnels& t : s.families) {
    CARACAL_TRY(s.ensure_devices(t, links, report));
    CARACAL_TRY(s.ensure_peers(t, report));
    CARACAL_TRY(s.ensure_wireguard_peers(t, report));
  }
  s.devices_left = true;
  s.in_sync = true;
  return report;
}

Result<TunnelReport> TunnelDriver::apply(const desired::PodNetworkDelta& delta,
                                         const desired::PodNetwork& next) {
  State& s = *state_;
  if (!s.in_sync) return fail(Errc::kConflict, "tunnels: apply() before a successful sync()");
  TunnelReport report;
  for (Tunnels& t : s.families) {
    const desired::FamilyTunnels& to = t.family == net::Family::kIPv4 ? next.v4 : next.v6;
    const bool devices = delta.devices && !same_devices(t.wanted, to);
    const bool wireguard = delta.wireguard_peers || devices;
    if (devices) {
      t.wanted = to;
      s.names_of(to);
      CARACAL_ASSIGN(const Links links, find_tunnel_links(s.socket, s.names));
      CARACAL_TRY(s.ensure_devices(t, links, report));
      // A device that is new has no peers yet.
      CARACAL_TRY(s.ensure_peers(t, report));
      s.devices_left = true;
    } else {
      // What is not named has not changed: thousands of peers are not copied for one.
      for (const auto& [address, peer] : delta.vxlan_peers) {
        if (address.family() != t.family) continue;
        if (peer)
          t.wanted.vxlan_peers.insert_or_assign(address, *peer);
        else
          t.wanted.vxlan_peers.erase(address);
      }
      if (wireguard) t.wanted.wireguard_peers = to.wireguard_peers;
      CARACAL_TRY(s.change_peers(t, delta, report));
    }
    if (wireguard) CARACAL_TRY(s.ensure_wireguard_peers(t, report));
  }
  report.right = 0;
  return report;
}

Result<TunnelReport> TunnelDriver::drop_unneeded() {
  State& s = *state_;
  TunnelReport report;
  if (!s.in_sync) return report;
  for (Tunnels& t : s.families) CARACAL_TRY(s.drop_from(t, report));
  if (!s.devices_left) return report;
  std::set<std::string> needed;
  for (const Tunnels& t : s.families) {
    if (t.wanted.vxlan) needed.insert(t.wanted.vxlan->name);
    if (t.wanted.ipip) needed.insert(t.wanted.ipip->name);
    if (t.wanted.wireguard) needed.insert(t.wanted.wireguard->name);
  }
  CARACAL_ASSIGN(const Links links, find_tunnel_links(s.socket, s.names));
  s.devices_left = false;
  for (const auto& [name, link] : links) {
    if (needed.contains(name)) continue;
    Result<bool> gone = false;
    if (link.link.kind == "ipip")
      gone = release_ipip(s.socket, link);
    else if (link.link.kind == "vxlan" || link.link.kind == "wireguard")
      gone = remove_device(s.socket, name, link.link.kind, link);
    if (!gone) {
      report.problems.push_back({fmt::format("device {}", name), gone.error()});
      s.devices_left = true;
    } else if (*gone) {
      ++report.removed;
      report.notes.push_back(fmt::format("{}: removed", name));
    }
  }
  return report;
}

Status TunnelDriver::remove() {
  CARACAL_TRY(sync({}));
  CARACAL_ASSIGN(const TunnelReport report, drop_unneeded());
  state_->in_sync = false;
  if (!report.problems.empty()) return fail(report.problems.front().error);
  return {};
}

int TunnelDriver::watch_fd() const { return state_->watch.fd(); }

bool TunnelDriver::State::drifted(const Tunnels& t, const TunnelEvents& events) {
  const auto link_differs = [&](const auto& wanted, uint32_t index) {
    if (!wanted) return false;
    const auto found = events.links.find(wanted->name);
    if (found == events.links.end()) return false;
    if (!found->second) return true;
    // One that could not be made is tried again when its name becomes free.
    if (index == 0) return found->second->link.kind == kind_of(*wanted);
    return found->second->link.index != index || !is_right(*found->second, *wanted);
  };
  const auto addresses_differ = [&](uint32_t index, const std::optional<net::IpAddr>& address,
                                    bool only) {
    if (index == 0 || !events.addresses.contains(index)) return false;
    const auto right = addresses_right(socket, index, t.family, address, only);
    return !right || !*right;
  };
  const desired::FamilyTunnels& w = t.wanted;
  if (link_differs(w.vxlan, t.vxlan) || link_differs(w.ipip, t.ipip) ||
      link_differs(w.wireguard, t.wireguard))
    return true;
  if ((w.vxlan && addresses_differ(t.vxlan, w.vxlan->address, true)) ||
      (w.ipip && addresses_differ(t.ipip, w.ipip->address, false)) ||
      (w.wireguard && addresses_differ(t.wireguard, w.wireguard->address, true)))
    return true;
  if (t.vxlan == 0) return false;
  for (const auto& [key, event] : events.forwarding) {
    if (key.first != t.vxlan) continue;
    const auto wanted = t.peers.forwarding.find(key.second);
    if (wanted == t.peers.forwarding.end()) {
      if (event.present && event.node && !t.old_forwarding.contains({key.second, *event.node}))
        return true;
    } else if (!event.present || event.node != wanted->second) {
      return true;
    }
  }
  for (const auto& [key, event] : events.neighbours) {
    if (key.first != t.vxlan) continue;
    const auto wanted = t.peers.neighbours.find(key.second);
    if (wanted == t.peers.neighbours.end()) {
      if (event.present && event.mac && !t.old_neighbours.contains({key.second, *event.mac}))
        return true;
    } else if (!event.present || event.mac != wanted->second) {
      return true;
    }
  }
  return false;
}

Result<bool> TunnelDriver::changed() {
  State& s = *state_;
  CARACAL_ASSIGN(const TunnelEvents events, s.watch.take(s.names, s.indexes()));
  if (!s.in_sync) return false;
  if (events.lost) return true;
  return std::any_of(s.families.begin(), s.families.end(),
                     [&](const Tunnels& t) { return s.drifted(t, events); });
}

Result<bool> TunnelDriver::look() {
  State& s = *state_;
  if (!s.in_sync || !s.wireguard_family) return false;
  for (const Tunnels& t : s.families) {
    if (t.wireguard == 0) continue;
    const auto present = read_wireguard(s.generic, *s.wireguard_family, t.wireguard);
    if (!present) return true;  // the device went; sync() tells more
    std::vector<Error> bad;
    const auto wanted =
        peer_states(t.wanted.wireguard_peers, t.wanted.wireguard->keepalive_seconds, bad);
    if (present->private_key.empty() ||
        (t.wanted.wireguard->port != 0 && present->port != t.wanted.wireguard->port))
      return true;
    std::set<WireguardKey> known = t.old_wireguard;
    for (const auto& [key, state] : wanted) {
      const auto found = present->peers.find(key);
      if (found == present->peers.end() || found->second.allowed != state.allowed ||
          found->second.keepalive_seconds != state.keepalive_seconds)
        return true;  // an endpoint may roam: that is WireGuard's own doing
      known.insert(key);
    }
    for (const auto& [key, state] : present->peers)
      if (!known.contains(key)) return true;
  }
  return false;
}

}  // namespace caracal::dataplane::tunnel
