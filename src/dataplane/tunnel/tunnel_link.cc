#include "dataplane/tunnel/tunnel_link.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "netlink/attributes.h"
#include "netlink/message.h"

namespace caracal::dataplane::tunnel {
namespace {

using netlink::Attribute;
using netlink::Attributes;

constexpr int kAttempts = 20;

std::optional<net::IpAddr> address_in(const Attribute& attribute) {
  const size_t size = attribute.payload.size();
  if (size != 4 && size != 16) return std::nullopt;
  return net::IpAddr::from_bytes(attribute.payload.data(), size);
}

void read_vxlan(const Attribute& settings, TunnelLink& out) {
  for (const Attribute& attribute : Attributes(settings)) {
    switch (attribute.type) {
      case IFLA_VXLAN_ID:
        out.vni = attribute.u32().value_or(0);
        break;
      case IFLA_VXLAN_PORT:
        out.port = ntohs(attribute.u16().value_or(0));
        break;
      case IFLA_VXLAN_LOCAL:
      case IFLA_VXLAN_LOCAL6:
        out.local = address_in(attribute);
        break;
      case IFLA_VXLAN_GROUP:
      case IFLA_VXLAN_GROUP6:
        out.group = true;
        break;
      case IFLA_VXLAN_LEARNING:
        out.learning = attribute.u8().value_or(0) != 0;
        break;
      case IFLA_VXLAN_COLLECT_METADATA:
        out.external = attribute.u8().value_or(0) != 0;
        break;
      default:
        break;
    }
  }
}

}  // namespace

std::optional<TunnelLink> parse_tunnel_link(const nlmsghdr* message) {
  auto link = netlink::parse_link(message);
  if (!link) return std::nullopt;
  TunnelLink out;
  out.link = *std::move(link);
  for (const Attribute& attribute : Attributes(message, sizeof(ifinfomsg))) {
    if (attribute.type == IFLA_IFALIAS) out.alias = attribute.string();
    if (attribute.type == IFLA_LINKINFO && out.link.kind == "vxlan")
      if (const auto settings = Attributes(attribute).find(IFLA_INFO_DATA))
        read_vxlan(*settings, out);
  }
  return out;
}

Result<std::map<std::string, TunnelLink>> find_tunnel_links(netlink::Socket& socket,
                                                            const std::set<std::string>& names) {
  std::map<std::string, TunnelLink> out;
  for (const std::string& name : names) {
    ifinfomsg header{};
    netlink::Message message(RTM_GETLINK, 0, header);
    message.put_string(IFLA_IFNAME, name);
    auto asked = socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
      if (auto link = parse_tunnel_link(answer); link && link->link.name == name)
        out.emplace(name, *std::move(link));
      return {};
    });
    if (!asked && asked.error().code != Errc::kNotFound)
      return fail(asked.error().within(fmt::format("cannot look at interface \"{}\"", name)));
  }
  return out;
}

std::string wrong_for_good(const TunnelLink& link, const desired::VxlanDevice& wanted) {
  if (link.external) return "it takes its VNI from metadata";
  if (link.vni != wanted.vni) return fmt::format("VNI {} instead of {}", link.vni, wanted.vni);
  if (link.port != wanted.port) return fmt::format("port {} instead of {}", link.port, wanted.port);
  if (link.local != wanted.local)
    return fmt::format("local address {} instead of {}",
                       link.local ? link.local->to_string() : "none", wanted.local.to_string());
  if (link.learning) return "it learns addresses from packets";
  if (link.group) return "it has a default destination";
  return {};
}

Result<std::set<HostPrefix>> list_addresses(netlink::Socket& socket, uint32_t index,
                                            net::Family family) {
  for (int attempt = 1;; ++attempt) {
    std::set<HostPrefix> out;
    ifaddrmsg header{};
    header.ifa_family = family == net::Family::kIPv4 ? AF_INET : AF_INET6;
    header.ifa_index = index;  // understood by kernels that check requests strictly; checked below
    netlink::Message message(RTM_GETADDR, NLM_F_DUMP, header);
    auto asked = socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
      const auto* found = netlink::header_of<ifaddrmsg>(answer);
      if (answer->nlmsg_type != RTM_NEWADDR || found == nullptr || found->ifa_index != index ||
          found->ifa_scope == RT_SCOPE_LINK)
        return {};
      const Attributes attributes(answer, sizeof *found);
      // IPv4 tells its own address in IFA_LOCAL, IPv6 in IFA_ADDRESS.
      auto attribute = attributes.find(IFA_LOCAL);
      if (!attribute) attribute = attributes.find(IFA_ADDRESS);
      if (!attribute) return {};
      if (const auto address = address_in(*attribute)) out.insert({*address, found->ifa_prefixlen});
      return {};
    });
    // A device that goes meanwhile has no addresses.
    if (!asked && asked.error().code == Errc::kNotFound) return std::set<HostPrefix>();
    if (asked) return out;
    if (asked.error().code != Errc::kUnavailable || attempt == kAttempts)
      return fail(asked.error().within("cannot list addresses"));
  }
}

}  // namespace caracal::dataplane::tunnel
