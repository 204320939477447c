// The peers of a VXLAN device in the kernel: where a peer's MAC is (forwarding entry) and which MAC
// its tunnel address has (neighbour entry), both permanent, so that nobody ever asks by broadcast.
// RTM_NEWNEIGH and friends (rtnetlink(7)). Private to this folder.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "desired/network.h"
#include "net/ip_addr.h"
#include "net/mac_addr.h"
#include "netlink/message.h"
#include "netlink/socket.h"

namespace caracal::dataplane::tunnel {

struct ForwardingEntry {
  net::MacAddr mac;
  net::IpAddr node;  // destination of the outer packets
  auto operator<=>(const ForwardingEntry&) const = default;
  std::string to_string() const;
};
struct NeighbourEntry {
  net::IpAddr address;  // of the peer's tunnel
  net::MacAddr mac;
  auto operator<=>(const NeighbourEntry&) const = default;
  std::string to_string() const;
};

// One device's peers.
struct PeerTable {
  std::map<net::MacAddr, net::IpAddr> forwarding;
  std::map<net::IpAddr, net::MacAddr> neighbours;
  bool operator==(const PeerTable&) const = default;
};

// What the kernel lists: it allows more than PeerTable (several destinations of a MAC).
struct ListedPeers {
  std::set<ForwardingEntry> forwarding;
  std::set<NeighbourEntry> neighbours;
};
// The permanent entries of the device. Errors: kKernel, kUnavailable when they go on changing.
Result<ListedPeers> list_peers(netlink::Socket& socket, uint32_t device, net::Family family);

// A notification about an entry; `present` false: it is gone, or no longer permanent.
struct PeerEvent {
  uint32_t device = 0;
  std::optional<net::MacAddr> forwarding;  // one of the two is set
  std::optional<net::IpAddr> neighbour;
  bool present = false;
  std::optional<net::IpAddr> node;  // of forwarding
  std::optional<net::MacAddr> mac;  // of neighbour
};
std::optional<PeerEvent> parse_peer_event(const nlmsghdr* message);

// Numbered requests about entries, sent in pieces.
class PeerBatch {
 public:
  explicit PeerBatch(netlink::Socket& socket, uint32_t device) : socket_(socket), device_(device) {}
  void put(const ForwardingEntry& entry);
  void put(const NeighbourEntry& entry);
  void take(const ForwardingEntry& entry);
  void take(const NeighbourEntry& entry);
  size_t size() const { return steps_.size(); }

  struct Refused {
    std::string object;  // "forwarding entry 66:... of 192.0.2.1"
    Error error;
  };
  // What the kernel did not do. An entry to be taken that is not there is fine.
  Result<std::vector<Refused>> send();

 private:
  struct Step {
    uint32_t sequence;
    bool removal;
    std::string object;
    size_t end;
  };
  void begin(uint16_t type, uint16_t flags, uint8_t family);
  void end(bool removal, std::string object);

  netlink::Socket& socket_;
  uint32_t device_;
  uint32_t sequence_ = 0;
  netlink::MessageBatch batch_;
  std::vector<Step> steps_;
};

}  // namespace caracal::dataplane::tunnel
