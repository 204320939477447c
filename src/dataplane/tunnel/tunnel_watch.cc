#include "dataplane/tunnel/tunnel_watch.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "netlink/attributes.h"

namespace caracal::dataplane::tunnel {

Result<TunnelWatch> TunnelWatch::open() {
  CARACAL_ASSIGN(netlink::Socket socket, netlink::Socket::open(NETLINK_ROUTE));
  for (const unsigned group :
       {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NEIGH})
    CARACAL_TRY(socket.subscribe(group));
  return TunnelWatch(std::move(socket));
}

Result<TunnelEvents> TunnelWatch::take(const std::set<std::string>& names,
                                       const std::set<uint32_t>& indexes) {
  TunnelEvents out;
  auto drained = socket_.drain([&](const nlmsghdr* message) -> Status {
    switch (message->nlmsg_type) {
      case RTM_NEWLINK:
      case RTM_DELLINK: {
        // Bridges and others speak of links in their own families, too.
        const auto* header = netlink::header_of<ifinfomsg>(message);
        if (header == nullptr || header->ifi_family != AF_UNSPEC) break;
        auto link = parse_tunnel_link(message);
        if (!link || !names.contains(link->link.name)) break;
        const std::string name = link->link.name;
        if (message->nlmsg_type == RTM_DELLINK)
          out.links[name] = std::nullopt;
        else
          out.links[name] = *std::move(link);
        break;
      }
      case RTM_NEWADDR:
      case RTM_DELADDR:
        if (const auto* header = netlink::header_of<ifaddrmsg>(message);
            header != nullptr && indexes.contains(header->ifa_index))
          out.addresses.insert(header->ifa_index);
        break;
      case RTM_NEWNEIGH:
      case RTM_DELNEIGH: {
        const auto* header = netlink::header_of<ndmsg>(message);
        if (header == nullptr || !indexes.contains(static_cast<uint32_t>(header->ndm_ifindex)))
          break;
        const auto event = parse_peer_event(message);
        if (!event) break;
        if (event->forwarding)
          out.forwarding.insert_or_assign({event->device, *event->forwarding}, *event);
        else
          out.neighbours.insert_or_assign({event->device, *event->neighbour}, *event);
        break;
      }
      default:
        break;
    }
    return {};
  });
  if (!drained) {
    if (drained.error().code != Errc::kExhausted) return fail(std::move(drained).error());
    out.lost = true;
  }
  return out;
}

}  // namespace caracal::dataplane::tunnel
