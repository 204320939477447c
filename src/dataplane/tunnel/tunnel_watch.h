// TunnelWatch: what the kernel announced about our devices since it was asked last, folded to the
// last state of each object: what we did and undid ourselves does not show. Private to this folder.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/result.h"
#include "dataplane/tunnel/peer_entries.h"
#include "dataplane/tunnel/tunnel_link.h"
#include "netlink/socket.h"

namespace caracal::dataplane::tunnel {

struct TunnelEvents {
  bool lost = false;                                       // messages were dropped: anything may be
  std::map<std::string, std::optional<TunnelLink>> links;  // nullopt: gone
  std::set<uint32_t> addresses;                            // devices whose addresses changed
  std::map<std::pair<uint32_t, net::MacAddr>, PeerEvent> forwarding;
  std::map<std::pair<uint32_t, net::IpAddr>, PeerEvent> neighbours;
};

class TunnelWatch {
 public:
  static Result<TunnelWatch> open();
  int fd() const { return socket_.fd(); }
  // Events about these devices (by name, and by index for what has no name), and the names.
  Result<TunnelEvents> take(const std::set<std::string>& names, const std::set<uint32_t>& indexes);

 private:
  explicit TunnelWatch(netlink::Socket socket) : socket_(std::move(socket)) {}
  netlink::Socket socket_;
};

}  // namespace caracal::dataplane::tunnel
