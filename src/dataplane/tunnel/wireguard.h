// A WireGuard device's keys and peers, over generic netlink (linux/wireguard.h): read, compared,
// and changed only where they differ, so that a peer that is right keeps its session. Private to
// this folder.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/tunnel/wireguard_key.h"
#include "desired/network.h"
#include "net/cidr.h"
#include "netlink/generic.h"
#include "netlink/socket.h"

namespace caracal::dataplane::tunnel {

struct WireguardPeerState {
  std::optional<net::IpAddr> node;  // of the endpoint
  uint16_t port = 0;
  uint16_t keepalive_seconds = 0;
  std::set<net::Cidr> allowed;
  bool operator==(const WireguardPeerState&) const = default;
};
struct WireguardState {
  WireguardKey private_key;
  WireguardKey public_key;  // the kernel's, from the private one; never sent
  uint16_t port = 0;
  std::map<WireguardKey, WireguardPeerState> peers;
};

Result<WireguardState> read_wireguard(netlink::Socket& generic,
                                      const netlink::GenericFamily& family, uint32_t device);

// The peers as the kernel holds them; keys that are none are left out and told in `bad`.
std::map<WireguardKey, WireguardPeerState> peer_states(
    const std::map<std::string, desired::WireguardPeer>& peers, uint32_t keepalive_seconds,
    std::vector<Error>& bad);

struct WireguardChange {
  std::optional<WireguardKey> private_key;
  std::optional<uint16_t> port;
  // New or altered peers, with what is there now (nullopt: nothing).
  struct Peer {
    WireguardPeerState wanted;
    std::optional<WireguardPeerState> present;
  };
  std::map<WireguardKey, Peer> peers;
  std::set<WireguardKey> gone;
  bool empty() const { return !private_key && !port && peers.empty() && gone.empty(); }
};
// Sends it, in several messages when it is long. Stops at the first refusal.
Status change_wireguard(netlink::Socket& generic, const netlink::GenericFamily& family,
                        uint32_t device, const WireguardChange& change);

}  // namespace caracal::dataplane::tunnel
