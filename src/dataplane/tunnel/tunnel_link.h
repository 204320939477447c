// TunnelLink: a tunnel device as the kernel tells it (RTM_GETLINK), and its addresses. Pure but for
// the two questions. Private to this folder.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/result.h"
#include "desired/network.h"
#include "net/ip_addr.h"
#include "netlink/rtnetlink.h"
#include "netlink/socket.h"

namespace caracal::dataplane::tunnel {

struct TunnelLink {
  netlink::Link link;
  std::string alias;
  // Of kind "vxlan".
  uint32_t vni = 0;
  uint16_t port = 0;
  std::optional<net::IpAddr> local;
  bool learning = false;
  bool group = false;     // a multicast group or a default destination
  bool external = false;  // keyed by metadata: no VNI of its own
};

std::optional<TunnelLink> parse_tunnel_link(const nlmsghdr* message);
// Those of `names` that exist.
Result<std::map<std::string, TunnelLink>> find_tunnel_links(netlink::Socket& socket,
                                                            const std::set<std::string>& names);
// What of the device can only be had by making it anew: "VNI 7 instead of 4096"; empty: nothing.
std::string wrong_for_good(const TunnelLink& link, const desired::VxlanDevice& wanted);

struct HostPrefix {
  net::IpAddr address;
  int bits = 0;
  auto operator<=>(const HostPrefix&) const = default;
};
// The device's addresses of a family, without those of scope link.
Result<std::set<HostPrefix>> list_addresses(netlink::Socket& socket, uint32_t index,
                                            net::Family family);

}  // namespace caracal::dataplane::tunnel
