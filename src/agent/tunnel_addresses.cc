#include "agent/tunnel_addresses.h"

#include <fmt/format.h>

#include "agent/wireguard_keys.h"
#include "base/log.h"

namespace caracal::agent {
namespace {

// After the last block that needed it: watches tell the other nodes within moments.
constexpr event::Duration kGiveUpAfter{30'000};

struct KindWords {
  const char* handle;  // + node
  const char* type;
  const char* annotation;
  const char* key_annotation;  // of WireGuard
  net::Family family;
};
constexpr std::array<KindWords, 5> kWords = {
    {{"vxlan-tunnel-addr-", "vxlanTunnelAddress", "projectcalico.org/IPv4VXLANTunnelAddr", nullptr,
      net::Family::kIPv4},
     {"vxlan-v6-tunnel-addr-", "vxlanV6TunnelAddress", "projectcalico.org/IPv6VXLANTunnelAddr",
      nullptr, net::Family::kIPv6},
     {"ipip-tunnel-addr-", "ipipTunnelAddress", "projectcalico.org/IPv4IPIPTunnelAddr", nullptr,
      net::Family::kIPv4},
     {"wireguard-tunnel-addr-", "wireguardTunnelAddress",
      "projectcalico.org/IPv4WireguardInterfaceAddr", "projectcalico.org/WireguardPublicKey",
      net::Family::kIPv4},
     {"wireguard-v6-tunnel-addr-", "wireguardV6TunnelAddress",
      "projectcalico.org/IPv6WireguardInterfaceAddr", "projectcalico.org/WireguardPublicKeyV6",
      net::Family::kIPv6}}};

}  // namespace

TunnelAddresses::TunnelAddresses(event::Loop& loop, const Options& options,
                                 NodeAnnotations& annotations, TunnelAddressSource& source,
                                 Prepare prepare)
    : loop_(loop),
      options_(options),
      annotations_(annotations),
      source_(source),
      prepare_(std::move(prepare)) {}

void TunnelAddresses::set_node(const model::Node& node) {
  known_ = true;
  seen_ = node.annotations;
  for (size_t kind = 0; kind < kKinds; ++kind) look(kind);
}

void TunnelAddresses::set_needs(const route::TunnelNeeds& needs) {
  const std::array<bool, kKinds> needed = {needs.vxlan_v4, needs.vxlan_v6, needs.ipip,
                                           needs.wireguard_v4, needs.wireguard_v6};
  for (size_t kind = 0; kind < kKinds; ++kind) {
    tunnels_[kind].needed = needed[kind];
    look(kind);
  }
}

void TunnelAddresses::look(size_t kind) {
  if (!known_) return;
  Tunnel& tunnel = tunnels_[kind];
  const KindWords& words = kWords[kind];
  if (tunnel.needed) {
    tunnel.give_up.reset();
    if (tunnel.acquiring || tunnel.retry.active()) return;
    if (!tunnel.have) return acquire(kind);
    if (tunnel.address && !source_.keeps_tunnel(*tunnel.address)) move(kind);
    return;
  }
  tunnel.retry.reset();
  const bool told = seen_.contains(words.annotation) ||
                    (words.key_annotation != nullptr && seen_.contains(words.key_annotation));
  if ((tunnel.have || told) && !tunnel.acquiring && !tunnel.give_up.active())
    tunnel.give_up = loop_.after(kGiveUpAfter, [this, kind] { give_up(kind); });
}

void TunnelAddresses::acquire(size_t kind) {
  const KindWords& words = kWords[kind];
  tunnels_[kind].acquiring = true;
  source_.acquire_tunnel(words.handle + options_.node_name, words.type, words.family,
                         [this, kind](const Result<net::IpAddr>& address) {
                           tunnels_[kind].acquiring = false;
                           if (address) return acquired(kind, *address);
                           not_acquired(kind, address.error().message);
                         });
}

void TunnelAddresses::acquired(size_t kind, const net::IpAddr& address) {
  Tunnel& tunnel = tunnels_[kind];
  tunnel.have = true;
  tunnel.address = address;
  const OwnTunnel own{static_cast<OwnTunnel::Kind>(kind), address, own_key(kind)};
  prepare_(own, [this, kind, own](const std::string& problem) {
    if (tunnels_[kind].address != own.address) return;  // given up meanwhile
    // Others must not send into a tunnel that is not there.
    if (!problem.empty()) {
      tunnels_[kind].have = false;
      return not_acquired(kind, problem);
    }
    tunnels_[kind].error.clear();
    tunnels_[kind].backoff.reset();
    annotations_.want(kWords[kind].annotation, own.address->to_string());
    if (!own.key.empty()) annotations_.want(kWords[kind].key_annotation, own.key);
  });
  look(kind);
}

void TunnelAddresses::not_acquired(size_t kind, const std::string& error) {
  Tunnel& tunnel = tunnels_[kind];
  if (tunnel.error != error)
    log::warn("no tunnel yet", {{"type", kWords[kind].type}, {"error", error}});
  tunnel.error = error;
  tunnel.retry = loop_.after(tunnel.backoff.next(), [this, kind] {
    tunnels_[kind].retry.reset();
    look(kind);
  });
}

// To another pool: the old address goes first, since a handle has one.
void TunnelAddresses::move(size_t kind) {
  Tunnel& tunnel = tunnels_[kind];
  log::info("a tunnel address moves to another pool",
            {{"type", kWords[kind].type}, {"address", tunnel.address->to_string()}});
  tunnel.acquiring = true;
  source_.release_tunnel(kWords[kind].handle + options_.node_name,
                         [this, kind](const Status& done) {
                           Tunnel& one = tunnels_[kind];
                           one.acquiring = false;
                           if (done) {
                             one.have = false;
                             one.address.reset();
                           } else {
                             one.retry = loop_.after(one.backoff.next(), [this, kind] {
                               tunnels_[kind].retry.reset();
                               look(kind);
                             });
                           }
                           look(kind);
                         });
}

void TunnelAddresses::give_up(size_t kind) {
  Tunnel& tunnel = tunnels_[kind];
  tunnel.give_up.reset();
  if (tunnel.needed || tunnel.acquiring) return;
  const KindWords& words = kWords[kind];
  log::info("a tunnel address is no longer needed", {{"type", words.type}});
  annotations_.want(words.annotation, std::nullopt);
  if (words.key_annotation != nullptr) annotations_.want(words.key_annotation, std::nullopt);
  prepare_({static_cast<OwnTunnel::Kind>(kind), std::nullopt, {}}, [](const std::string&) {});
  tunnel.have = false;
  tunnel.address.reset();
  tunnel.acquiring = true;  // until the answer: a new need waits for it
  source_.release_tunnel(words.handle + options_.node_name, [this, kind](const Status& released) {
    tunnels_[kind].acquiring = false;
    if (!released) {
      log::warn("a tunnel address is not released; caracal-controller will find it",
                {{"type", kWords[kind].type}, {"error", released.error().message}});
    }
    if (tunnels_[kind].needed) look(kind);
  });
}

std::string TunnelAddresses::own_key(size_t kind) {
  if (kWords[kind].key_annotation == nullptr) return {};
  // A small file, read or written once; both families have the same key.
  const auto keys = load_wireguard_keys(key_path(options_));
  if (keys) return keys->open.to_string();
  tunnels_[kind].error = keys.error().message;
  log::error("no WireGuard key", {{"error", keys.error().message}});
  return {};
}

json::array TunnelAddresses::problems() const {
  json::array out;
  for (size_t kind = 0; kind < kKinds; ++kind) {
    if (!tunnels_[kind].error.empty() && tunnels_[kind].needed)
      out.emplace_back(fmt::format("{}: {}", kWords[kind].type, tunnels_[kind].error));
  }
  return out;
}

}  // namespace caracal::agent
