#include "agent/link_monitor.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "agent/node_setup.h"
#include "base/log.h"
#include "netlink/attributes.h"
#include "netlink/message.h"

namespace caracal::agent {

Result<std::unique_ptr<LinkMonitor>> LinkMonitor::open(event::Loop& loop, std::string prefix,
                                                       Callbacks callbacks) {
  CARACAL_ASSIGN(netlink::Socket events, netlink::Socket::open(NETLINK_ROUTE));
  CARACAL_ASSIGN(netlink::Socket questions, netlink::Socket::open(NETLINK_ROUTE));
  for (const unsigned group : {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR})
    CARACAL_TRY(events.subscribe(group));
  std::unique_ptr<LinkMonitor> monitor(new LinkMonitor(std::move(prefix), std::move(callbacks),
                                                       std::move(events), std::move(questions)));
  CARACAL_TRY(monitor->list());
  CARACAL_ASSIGN(monitor->watch_,
                 loop.watch_fd(monitor->events_.fd(), {.read = true, .write = false},
                               [raw = monitor.get()](event::Ready) { raw->refresh(); }));
  return monitor;
}

LinkMonitor::LinkMonitor(std::string prefix, Callbacks callbacks, netlink::Socket events,
                         netlink::Socket questions)
    : prefix_(std::move(prefix)),
      callbacks_(std::move(callbacks)),
      events_(std::move(events)),
      questions_(std::move(questions)) {}

Status LinkMonitor::list() {
  interfaces_.clear();
  names_.clear();
  pods_changed_ = true;
  const auto ask = [&](int type, const auto& header) {
    netlink::Message message(static_cast<uint16_t>(type), NLM_F_DUMP, header);
    return questions_.query(message.header(), [&](const nlmsghdr* answer) -> Status {
      take(answer);
      return {};
    });
  };
  // An interrupted listing is completed by the notifications of what interrupted it.
  for (const Status& asked : {ask(RTM_GETLINK, ifinfomsg{}), ask(RTM_GETADDR, ifaddrmsg{})}) {
    if (!asked && asked.error().code != Errc::kUnavailable)
      return fail(asked.error().within("cannot list interfaces"));
  }
  return {};
}

void LinkMonitor::take(const nlmsghdr* message) {
  switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return take_address(message);
    default:
      return;
  }
  const auto* header = netlink::header_of<ifinfomsg>(message);
  // Bridges tell of their ports in the same words.
  if (header == nullptr || header->ifi_family != AF_UNSPEC) return;
  const auto link = netlink::parse_link(message);
  if (!link) return;
  const auto known = interfaces_.find(link->index);
  if (known != interfaces_.end()) {
    const std::string& name = known->second.link.name;
    const bool same = message->nlmsg_type == RTM_NEWLINK && name == link->name;
    if (!same) {
      pods_changed_ = pods_changed_ || is_pod(name);
      if (const auto it = names_.find(name); it != names_.end() && it->second == link->index)
        names_.erase(it);
    }
  }
  if (message->nlmsg_type == RTM_DELLINK) {
    interfaces_.erase(link->index);
    return;
  }
  pods_changed_ = pods_changed_ || (is_pod(link->name) && !names_.contains(link->name));
  names_.insert_or_assign(link->name, link->index);
  interfaces_[link->index].link = *link;
}

void LinkMonitor::take_address(const nlmsghdr* message) {
  const auto* header = netlink::header_of<ifaddrmsg>(message);
  if (header == nullptr) return;
  std::optional<net::IpAddr> address;
  for (const netlink::Attribute& a : netlink::Attributes(message, sizeof *header)) {
    // IFA_ADDRESS is the far end of a point-to-point link where there is an IFA_LOCAL.
    const bool wanted = a.type == IFA_LOCAL || (a.type == IFA_ADDRESS && !address);
    if (wanted && (a.payload.size() == 4 || a.payload.size() == 16))
      address = net::IpAddr::from_bytes(a.payload.data(), a.payload.size());
  }
  const auto found = interfaces_.find(header->ifa_index);
  if (!address || found == interfaces_.end()) return;
  if (message->nlmsg_type == RTM_NEWADDR) {
    found->second.addresses[*address] = header->ifa_prefixlen;
  } else {
    found->second.addresses.erase(*address);
  }
}

void LinkMonitor::refresh() {
  const Status drained = events_.drain([&](const nlmsghdr* message) -> Status {
    take(message);
    return {};
  });
  if (!drained) {
    // Told faster than we read: what is there now counts.
    if (Status listed = list(); !listed)
      log::error("interfaces not known", {{"error", listed.error().message}});
  }
  if (reporting_) tell();
}

void LinkMonitor::report() {
  reporting_ = true;
  refresh();
}

void LinkMonitor::tell() {
  std::map<std::string, model::HostInterface> now;
  std::set<net::IpAddr> addresses;
  std::vector<HostLink> links;
  for (const auto& [index, one] : interfaces_) {
    if (is_pod(one.link.name)) continue;
    const bool loopback = (one.link.flags & IFF_LOOPBACK) != 0;
    HostLink link{index, one.link.name, one.link.kind, one.link.up(), loopback, one.link.mtu, {}};
    model::HostInterface interface {
      one.link.name, {}
    };
    for (const auto& [address, bits] : one.addresses) {
      addresses.insert(address);
      link.addresses.push_back({address, bits});
      interface.addresses.push_back(address);
    }
    links.push_back(std::move(link));
    // What goes over the loopback never leaves the host.
    if (!loopback) now[one.link.name] = std::move(interface);
  }
  if (addresses != told_addresses_) {
    told_addresses_ = addresses;
    callbacks_.on_host_addresses(addresses);
  }
  for (const auto& [name, interface] : told_) {
    if (!now.contains(name)) callbacks_.on_host_interface({name, std::nullopt});
  }
  for (const auto& [name, interface] : now) {
    const auto before = told_.find(name);
    if (before == told_.end() || !(before->second == interface))
      callbacks_.on_host_interface({name, interface});
  }
  told_ = std::move(now);
  if (const uint32_t mtu = host_mtu(links, mtu_pattern_); mtu != mtu_) {
    mtu_ = mtu;
    callbacks_.on_mtu(mtu);
  }
  if (links != told_links_) {
    told_links_ = std::move(links);
    if (callbacks_.on_host_links) callbacks_.on_host_links(told_links_);
  }
  if (std::exchange(pods_changed_, false)) callbacks_.on_pod_links();
}

void LinkMonitor::set_mtu_pattern(const std::string& pattern) {
  if (pattern == mtu_pattern_) return;
  mtu_pattern_ = pattern;
  if (reporting_) tell();
}

std::string LinkMonitor::name_of(uint32_t index) const {
  const auto found = interfaces_.find(index);
  return found == interfaces_.end() ? std::string() : found->second.link.name;
}

}  // namespace caracal::agent
