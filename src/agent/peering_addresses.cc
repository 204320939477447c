#include "agent/peering_addresses.h"

#include <sys/socket.h>

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <optional>

#include "netlink/attributes.h"
#include "netlink/message.h"
#include "netlink/rtnetlink.h"
#include "netlink/socket.h"

namespace caracal::agent {
namespace {

using netlink::Message;
using netlink::Socket;

struct Present {
  uint32_t index = 0;
  net::IpAddr address;
  bool marked = false;
};

Result<std::vector<Present>> list_addresses(Socket& socket) {
  std::vector<Present> out;
  ifaddrmsg header{};
  Message message(RTM_GETADDR, NLM_F_DUMP, header);
  CARACAL_TRY(socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
    const auto* found = netlink::header_of<ifaddrmsg>(answer);
    if (answer->nlmsg_type != RTM_NEWADDR || found == nullptr) return {};
    Present one{found->ifa_index, {}, false};
    bool has_address = false;
    for (const netlink::Attribute& a : netlink::Attributes(answer, sizeof *found)) {
      if (a.type == IFA_PROTO) one.marked = a.u8() == netlink::kRouteProtocol;
      const bool wanted = a.type == IFA_LOCAL || (a.type == IFA_ADDRESS && !has_address);
      if (!wanted || (a.payload.size() != 4 && a.payload.size() != 16)) continue;
      one.address = net::IpAddr::from_bytes(a.payload.data(), a.payload.size());
      has_address = true;
    }
    if (has_address) out.push_back(one);
    return {};
  }));
  return out;
}

Status change(Socket& socket, uint16_t type, const netlink::Link& link,
              const net::IpAddr& address) {
  ifaddrmsg header{};
  header.ifa_family = address.is_v4() ? AF_INET : AF_INET6;
  header.ifa_prefixlen = static_cast<uint8_t>(net::address_bits(address.family()));
  header.ifa_index = link.index;
  header.ifa_scope = RT_SCOPE_HOST;
  const bool add = type == RTM_NEWADDR;
  Message message(type, add ? NLM_F_CREATE | NLM_F_EXCL : 0, header);
  message.put(IFA_LOCAL, address.data(), address.size());
  message.put(IFA_ADDRESS, address.data(), address.size());
  if (add) {
    message.put_u8(IFA_PROTO, netlink::kRouteProtocol);
    if (address.is_v6()) {
      message.put_u32(IFA_FLAGS, IFA_F_NODAD);
      const ifa_cacheinfo never_preferred{
          .ifa_prefered = 0, .ifa_valid = UINT32_MAX, .cstamp = 0, .tstamp = 0};
      message.put(IFA_CACHEINFO, &never_preferred, sizeof never_preferred);
    }
  }
  auto done = socket.request(message.header());
  if (done || done.error().code == (add ? Errc::kExists : Errc::kNotFound)) return {};
  return fail(done.error().within(fmt::format("cannot {} address {} {} interface {}",
                                              add ? "add" : "remove", address.to_string(),
                                              add ? "to" : "from", link.name)));
}

}  // namespace

Status PeeringAddresses::apply(const Wanted& wanted) {
  if (wanted.empty() && given_.empty() && looked_) return {};
  CARACAL_ASSIGN(Socket socket, Socket::open(NETLINK_ROUTE));
  CARACAL_ASSIGN(const std::vector<netlink::Link> links, netlink::list_links(socket));
  CARACAL_ASSIGN(const std::vector<Present> present, list_addresses(socket));
  looked_ = true;
  std::set<std::pair<std::string, net::IpAddr>> now;
  Status first;
  const auto note = [&first](Status done) {
    if (first && !done) first = std::move(done);
  };
  for (const netlink::Link& link : links) {
    if (!link.name.starts_with(interface_prefix_)) continue;
    const auto entry = wanted.find(link.name);
    std::set<net::IpAddr> missing = entry == wanted.end() ? std::set<net::IpAddr>() : entry->second;
    for (const Present& one : present) {
      if (one.index != link.index) continue;
      const bool is_wanted = missing.erase(one.address) > 0;
      const bool ours = one.marked || given_.contains({link.name, one.address});
      if (is_wanted && ours) now.emplace(link.name, one.address);
      if (!is_wanted && ours) note(change(socket, RTM_DELADDR, link, one.address));
    }
    for (const net::IpAddr& address : missing) {
      Status added = change(socket, RTM_NEWADDR, link, address);
      if (added) now.emplace(link.name, address);
      note(std::move(added));
    }
  }
  given_ = std::move(now);
  return first;
}

}  // namespace caracal::agent
