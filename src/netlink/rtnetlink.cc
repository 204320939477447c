#include "netlink/rtnetlink.h"

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>

#include "netlink/attributes.h"
#include "netlink/message.h"

namespace caracal::netlink {
namespace {

ifinfomsg link_header(uint32_t index = 0) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = static_cast<int>(index);
  return header;
}

}  // namespace

bool Link::up() const { return (flags & IFF_UP) != 0; }

std::optional<Link> parse_link(const nlmsghdr* message) {
  const auto* header = header_of<ifinfomsg>(message);
  if (header == nullptr || header->ifi_index <= 0) return std::nullopt;
  Link link;
  link.index = static_cast<uint32_t>(header->ifi_index);
  link.flags = header->ifi_flags;
  for (const Attribute& attribute : Attributes(message, sizeof *header)) {
    switch (attribute.type) {
      case IFLA_IFNAME:
        link.name = attribute.string();
        break;
      case IFLA_MTU:
        link.mtu = attribute.u32().value_or(0);
        break;
      case IFLA_LINK:
        link.peer_index = attribute.u32().value_or(0);
        break;
      case IFLA_LINK_NETNSID:
        if (auto id = attribute.u32()) link.peer_netns = static_cast<int32_t>(*id);
        break;
      case IFLA_ADDRESS:
        if (attribute.payload.size() == link.mac.bytes.size())
          std::memcpy(link.mac.bytes.data(), attribute.payload.data(), link.mac.bytes.size());
        break;
      case IFLA_LINKINFO:
        if (auto kind = Attributes(attribute).find(IFLA_INFO_KIND)) link.kind = kind->string();
        break;
      default:
        break;
    }
  }
  if (link.name.empty()) return std::nullopt;
  return link;
}

Result<Link> get_link(Socket& route_socket, const std::string& name) {
  Message message(RTM_GETLINK, 0, link_header());
  message.put_string(IFLA_IFNAME, name);
  std::optional<Link> found;
  auto asked = route_socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
    if (answer->nlmsg_type == RTM_NEWLINK) found = parse_link(answer);
    return {};
  });
  if (!asked && asked.error().code != Errc::kNotFound) return fail(std::move(asked).error());
  if (!found) return fail(Errc::kNotFound, fmt::format("no interface \"{}\"", name));
  return *std::move(found);
}

Result<std::vector<Link>> list_links(Socket& route_socket) {
  constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    std::vector<Link> links;
    Message message(RTM_GETLINK, NLM_F_DUMP, link_header());
    auto asked = route_socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
      if (answer->nlmsg_type == RTM_NEWLINK)
        if (auto link = parse_link(answer)) links.push_back(std::move(*link));
      return {};
    });
    if (asked) return links;
    if (asked.error().code != Errc::kUnavailable || attempt == kAttempts)
      return fail(asked.error().within("cannot list interfaces"));
  }
}

Status set_link_up(Socket& route_socket, uint32_t index) {
  ifinfomsg header = link_header(index);
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  Message message(RTM_NEWLINK, 0, header);
  return route_socket.request(message.header());
}

Status delete_link(Socket& route_socket, const std::string& name) {
  auto link = get_link(route_socket, name);
  if (!link) return fail(std::move(link).error());
  Message message(RTM_DELLINK, 0, link_header(link->index));
  if (auto deleted = route_socket.request(message.header()); !deleted)
    return fail(deleted.error().within(fmt::format("cannot delete interface \"{}\"", name)));
  return {};
}

}  // namespace caracal::netlink
