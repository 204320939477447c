// What the drivers over NETLINK_ROUTE share: our route protocol number, and questions about links.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/mac_addr.h"
#include "netlink/socket.h"

namespace caracal::netlink {

// Marks the routes that are ours (rtm_protocol), 0xCA. Free in the kernel's and iproute2's lists;
// Calico uses 80, BIRD 12, FRR 186 and up.
inline constexpr uint8_t kRouteProtocol = 202;

// A network interface, as RTM_GETLINK tells it.
struct Link {
  uint32_t index = 0;
  std::string name;
  std::string kind;    // "veth", "vxlan", ...; "" for hardware
  uint32_t flags = 0;  // IFF_*
  uint32_t mtu = 0;
  net::MacAddr mac;
  uint32_t peer_index = 0;            // veth: the other end's index, in its own namespace
  std::optional<int32_t> peer_netns;  // id of the other end's namespace, when it is another one
  bool up() const;
};

// Errors: kNotFound when there is no interface of that name.
Result<Link> get_link(Socket& route_socket, const std::string& name);
Result<std::vector<Link>> list_links(Socket& route_socket);
// An answer or notification of type RTM_NEWLINK or RTM_DELLINK; nullopt when it makes no sense.
std::optional<Link> parse_link(const nlmsghdr* message);

Status set_link_up(Socket& route_socket, uint32_t index);
// Errors: kNotFound.
Status delete_link(Socket& route_socket, const std::string& name);

}  // namespace caracal::netlink
