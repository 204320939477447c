#include "dataplane/tunnel/tunnel_devices.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/strings.h"
#include "netlink/message.h"

namespace caracal::dataplane::tunnel {
namespace {

using netlink::Message;
using netlink::Socket;

constexpr std::string_view kAlias = "caracal ";  // and the address we gave

Status wrong_kind(const TunnelLink& present, std::string_view kind) {
  return fail(Errc::kConflict,
              fmt::format("interface \"{}\" is of kind \"{}\", not \"{}\": it is somebody else's, "
                          "rename or remove it",
                          present.link.name, present.link.kind, kind));
}

ifinfomsg link_header(uint32_t index, bool up) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(index);
  header.ifi_flags = up ? IFF_UP : 0;
  header.ifi_change = IFF_UP;
  return header;
}

// Creates a device of a kind that is up at once; `settings` writes IFLA_INFO_DATA.
template <typename Settings>
Status create(Socket& socket, const std::string& name, const char* kind, uint32_t mtu,
              const std::optional<net::MacAddr>& mac, Settings&& settings) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link_header(0, true));
  message.put_string(IFLA_IFNAME, name);
  if (mtu != 0) message.put_u32(IFLA_MTU, mtu);
  // With the device, not after: whoever renames or re-addresses new devices leaves one alone whose
  // address was given.
  if (mac) message.put(IFLA_ADDRESS, mac->bytes.data(), mac->bytes.size());
  const size_t info = message.begin_nest(IFLA_LINKINFO);
  message.put_string(IFLA_INFO_KIND, kind);
  settings(message);
  message.end_nest(info);
  auto made = socket.request(message.header());
  if (made) return {};
  Error error =
      made.error().within(fmt::format("cannot make interface \"{}\" of kind \"{}\"", name, kind));
  if (error.code == Errc::kUnsupported)
    error.message = fmt::format(
        "this kernel has no devices of kind \"{}\" (module {}): \"{}\" "
        "cannot be made",
        kind, kind, name);
  return fail(std::move(error));
}

Status change_address(Socket& socket, uint16_t type, uint32_t index, const HostPrefix& prefix) {
  ifaddrmsg header{};
  header.ifa_family = prefix.address.is_v4() ? AF_INET : AF_INET6;
  header.ifa_prefixlen = static_cast<uint8_t>(prefix.bits);
  header.ifa_index = index;
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  const bool add = type == RTM_NEWADDR;
  Message message(type, add ? NLM_F_CREATE | NLM_F_EXCL : 0, header);
  message.put(IFA_LOCAL, prefix.address.data(), prefix.address.size());
  message.put(IFA_ADDRESS, prefix.address.data(), prefix.address.size());
  // Usable at once; nobody answers duplicate address detection on a tunnel.
  if (add && prefix.address.is_v6()) message.put_u32(IFA_FLAGS, IFA_F_NODAD);
  auto done = socket.request(message.header());
  if (done || (!add && done.error().code == Errc::kNotFound) ||
      (add && done.error().code == Errc::kExists))
    return {};
  return fail(done.error().within(fmt::format("cannot {} address {}/{} {} interface {}",
                                              add ? "add" : "remove", prefix.address.to_string(),
                                              prefix.bits, add ? "to" : "from", index)));
}

HostPrefix host_prefix(const net::IpAddr& address) {
  return {address, net::address_bits(address.family())};
}

// The wanted address, and no other when `only`. True when something was changed.
Result<bool> ensure_address(Socket& socket, uint32_t index, net::Family family,
                            const std::optional<net::IpAddr>& wanted, bool only) {
  CARACAL_ASSIGN(const std::set<HostPrefix> present, list_addresses(socket, index, family));
  bool changed = false;
  if (wanted && !present.contains(host_prefix(*wanted))) {
    CARACAL_TRY(change_address(socket, RTM_NEWADDR, index, host_prefix(*wanted)));
    changed = true;
  }
  for (const HostPrefix& prefix : present) {
    if (!only || (wanted && prefix == host_prefix(*wanted))) continue;
    CARACAL_TRY(change_address(socket, RTM_DELADDR, index, prefix));
    changed = true;
  }
  return changed;
}

// MTU, state, and what else can be changed on a living device; nothing is sent when nothing is to
// be changed. What was wrong in words.
Result<std::string> ensure_settings(Socket& socket, const netlink::Link& link, uint32_t mtu,
                                    const std::optional<net::MacAddr>& mac) {
  std::string wrong;
  const auto note = [&](std::string text) {
    if (!wrong.empty()) wrong += ", ";
    wrong += text;
  };
  Message message(RTM_NEWLINK, 0, link_header(link.index, true));
  if (mtu != 0 && link.mtu != mtu) {
    note(fmt::format("MTU {} instead of {}", link.mtu, mtu));
    message.put_u32(IFLA_MTU, mtu);
  }
  if (mac && link.mac != *mac) {
    note(fmt::format("MAC {} instead of {}", link.mac.to_string(), mac->to_string()));
    message.put(IFLA_ADDRESS, mac->bytes.data(), mac->bytes.size());
  }
  if (!link.up()) note("it was down");
  if (wrong.empty()) return wrong;
  if (auto set = socket.request(message.header()); !set)
    return fail(set.error().within(fmt::format("cannot set up interface \"{}\"", link.name)));
  return wrong;
}

bool settings_right(const netlink::Link& link, uint32_t mtu,
                    const std::optional<net::MacAddr>& mac) {
  return link.up() && (mtu == 0 || link.mtu == mtu) && (!mac || link.mac == *mac);
}

Status set_alias(Socket& socket, uint32_t index, const std::string& alias) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(index);
  Message message(RTM_NEWLINK, 0, header);
  message.put_string(IFLA_IFALIAS, alias);
  return socket.request(message.header());
}

std::optional<net::IpAddr> address_in_alias(const TunnelLink& link) {
  if (!link.alias.starts_with(kAlias)) return std::nullopt;
  const auto address = net::IpAddr::parse(link.alias.substr(kAlias.size()));
  if (!address) return std::nullopt;
  return *address;
}

}  // namespace

Result<bool> addresses_right(Socket& socket, uint32_t index, net::Family family,
                             const std::optional<net::IpAddr>& wanted, bool only) {
  CARACAL_ASSIGN(const std::set<HostPrefix> present, list_addresses(socket, index, family));
  if (wanted && !present.contains(host_prefix(*wanted))) return false;
  return !only || present.size() == (wanted ? 1u : 0u);
}

Result<DeviceState> ensure_vxlan(Socket& socket, const desired::VxlanDevice& wanted,
                                 const std::optional<TunnelLink>& present) {
  DeviceState state;
  const net::Family family = wanted.local.family();
  std::optional<netlink::Link> link;
  if (present) {
    if (present->link.kind != "vxlan") return fail(wrong_kind(*present, "vxlan").error());
    state.why = wrong_for_good(*present, wanted);
    if (state.why.empty())
      link = present->link;
    else
      CARACAL_TRY(netlink::delete_link(socket, wanted.name));
  }
  if (!link) {
    CARACAL_TRY(create(socket, wanted.name, "vxlan", wanted.mtu, wanted.mac, [&](Message& message) {
      const size_t data = message.begin_nest(IFLA_INFO_DATA);
      message.put_u32(IFLA_VXLAN_ID, wanted.vni);
      message.put_u16(IFLA_VXLAN_PORT, htons(wanted.port));
      message.put(wanted.local.is_v4() ? uint16_t{IFLA_VXLAN_LOCAL} : uint16_t{IFLA_VXLAN_LOCAL6},
                  wanted.local.data(), wanted.local.size());
      message.put_u8(IFLA_VXLAN_LEARNING, 0);
      message.end_nest(data);
    }));
    CARACAL_ASSIGN(link, netlink::get_link(socket, wanted.name));
    state.was = DeviceWas::kMade;
  }
  state.index = link->index;
  CARACAL_ASSIGN(const std::string wrong, ensure_settings(socket, *link, wanted.mtu, wanted.mac));
  CARACAL_ASSIGN(const bool addressed,
                 ensure_address(socket, link->index, family, wanted.address, true));
  if (state.was == DeviceWas::kRight && (addressed || !wrong.empty())) {
    state.was = DeviceWas::kChanged;
    state.why = wrong.empty() ? "other addresses" : wrong;
  }
  return state;
}

Result<DeviceState> ensure_wireguard(Socket& socket, const desired::WireguardDevice& wanted,
                                     net::Family family, const std::optional<TunnelLink>& present) {
  DeviceState state;
  std::optional<netlink::Link> link;
  if (present) {
    if (present->link.kind != "wireguard") return fail(wrong_kind(*present, "wireguard").error());
    link = present->link;
  } else {
    CARACAL_TRY(
        create(socket, wanted.name, "wireguard", wanted.mtu, std::nullopt, [](Message&) {}));
    CARACAL_ASSIGN(link, netlink::get_link(socket, wanted.name));
    state.was = DeviceWas::kMade;
  }
  state.index = link->index;
  CARACAL_ASSIGN(const std::string wrong, ensure_settings(socket, *link, wanted.mtu, std::nullopt));
  CARACAL_ASSIGN(const bool addressed,
                 ensure_address(socket, link->index, family, wanted.address, true));
  if (state.was == DeviceWas::kRight && (addressed || !wrong.empty())) {
    state.was = DeviceWas::kChanged;
    state.why = wrong.empty() ? "other addresses" : wrong;
  }
  return state;
}

Result<DeviceState> ensure_ipip(Socket& socket, const desired::IpipDevice& wanted,
                                const std::optional<TunnelLink>& present) {
  DeviceState state;
  std::optional<TunnelLink> device = present;
  if (!device) {
    // Asking for the kind loads the module, and the module makes tunl0 in every network namespace
    // (unless net.core.fb_tunnels_only_for_init_net says otherwise; then this one is ours alone).
    auto made = create(socket, wanted.name, "ipip", 0, std::nullopt, [](Message&) {});
    if (!made && made.error().code != Errc::kExists) return fail(std::move(made).error());
    CARACAL_ASSIGN(const auto found, find_tunnel_links(socket, {wanted.name}));
    const auto it = found.find(wanted.name);
    if (it == found.end()) {
      if (!made) return fail(std::move(made).error());
      return fail(Errc::kNotFound, fmt::format("interface \"{}\" did not come", wanted.name));
    }
    device = it->second;
    state.was = DeviceWas::kMade;
  }
  if (device->link.kind != "ipip") return fail(wrong_kind(*device, "ipip").error());
  const uint32_t index = device->link.index;
  state.index = index;
  // The note first: what is not noted would stay for ever.
  const std::string alias = fmt::format("{}{}", kAlias, wanted.address.to_string());
  if (const auto former = address_in_alias(*device); former && *former != wanted.address) {
    CARACAL_TRY(change_address(socket, RTM_DELADDR, index, host_prefix(*former)));
    state.why =
        fmt::format("address {} instead of {}", former->to_string(), wanted.address.to_string());
  }
  if (device->alias != alias) CARACAL_TRY(set_alias(socket, index, alias));
  CARACAL_ASSIGN(const std::string wrong,
                 ensure_settings(socket, device->link, wanted.mtu, std::nullopt));
  CARACAL_ASSIGN(const bool addressed,
                 ensure_address(socket, index, net::Family::kIPv4, wanted.address, false));
  if (!wrong.empty()) state.why = wrong;
  if (state.was == DeviceWas::kRight && (addressed || !state.why.empty())) {
    state.was = DeviceWas::kChanged;
    if (state.why.empty()) state.why = "it had no address of ours";
  }
  return state;
}

bool is_right(const TunnelLink& link, const desired::VxlanDevice& wanted) {
  return link.link.kind == "vxlan" && wrong_for_good(link, wanted).empty() &&
         settings_right(link.link, wanted.mtu, wanted.mac);
}
bool is_right(const TunnelLink& link, const desired::WireguardDevice& wanted) {
  return link.link.kind == "wireguard" && settings_right(link.link, wanted.mtu, std::nullopt);
}
bool is_right(const TunnelLink& link, const desired::IpipDevice& wanted) {
  return link.link.kind == "ipip" && settings_right(link.link, wanted.mtu, std::nullopt);
}

Result<bool> remove_device(Socket& socket, const std::string& name, const std::string& kind,
                           const std::optional<TunnelLink>& present) {
  if (!present || present->link.kind != kind) return false;
  auto deleted = netlink::delete_link(socket, name);
  if (!deleted && deleted.error().code != Errc::kNotFound) return fail(std::move(deleted).error());
  return deleted.has_value();
}

Result<bool> release_ipip(Socket& socket, const std::optional<TunnelLink>& present) {
  if (!present || present->link.kind != "ipip") return false;
  const auto address = address_in_alias(*present);
  if (!address) return false;
  const uint32_t index = present->link.index;
  CARACAL_TRY(change_address(socket, RTM_DELADDR, index, host_prefix(*address)));
  CARACAL_ASSIGN(const std::set<HostPrefix> left,
                 list_addresses(socket, index, net::Family::kIPv4));
  // The kernel's own tunl0 cannot be deleted. With other addresses on it, somebody uses it.
  if (left.empty()) {
    Message message(RTM_NEWLINK, 0, link_header(index, false));
    CARACAL_TRY(socket.request(message.header()));
  }
  CARACAL_TRY(set_alias(socket, index, ""));
  return true;
}

}  // namespace caracal::dataplane::tunnel
