#include "dataplane/link/pod_link.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "base/sha1.h"
#include "base/strings.h"
#include "dataplane/fib/route_message.h"
#include "dataplane/link/link_message.h"
#include "dataplane/link/pod_routes.h"
#include "dataplane/link/sysctl.h"
#include "netlink/network_namespace.h"
#include "netlink/rtnetlink.h"

namespace caracal::dataplane::link {
namespace {

using netlink::NetworkNamespace;
using netlink::Socket;

constexpr size_t kMaxName = IFNAMSIZ - 1;
constexpr uint32_t kMinMtu = 68;      // RFC 791
constexpr uint32_t kMinMtuV6 = 1280;  // RFC 8200
constexpr uint32_t kMaxMtu = 65535;

Status check_name(std::string_view field, const std::string& name) {
  const bool bad_byte = std::any_of(name.begin(), name.end(), [](char c) {
    return c == '/' || c == ':' || c <= ' ' || c == 127;
  });
  if (name.empty() || name.size() > kMaxName || bad_byte || name == "." || name == "..")
    return fail(Errc::kInvalid,
                fmt::format("{} \"{}\": must be 1 to {} bytes without '/', ':' or space", field,
                            name, kMaxName));
  return {};
}

Status check_spec(const PodLinkSpec& spec) {
  CARACAL_TRY(check_name("host interface", spec.host_interface));
  CARACAL_TRY(check_name("pod interface", spec.pod_interface));
  if (spec.addresses.empty())
    return fail(Errc::kInvalid,
                fmt::format("{}: addresses: at least one is needed", spec.host_interface));
  const uint32_t min = has_family(spec, net::Family::kIPv6) ? kMinMtuV6 : kMinMtu;
  if (spec.mtu < min || spec.mtu > kMaxMtu)
    return fail(Errc::kInvalid, fmt::format("{}: mtu {}: must be {} to {}", spec.host_interface,
                                            spec.mtu, min, kMaxMtu));
  return {};
}

// Settings of the host side before it is set up.
Status configure_host(const PodLinkSpec& spec) {
  for (const Sysctl& setting : host_sysctls(spec)) CARACAL_TRY(set_sysctl(setting));
  return {};
}

Status add_host_routes(Socket& socket, const PodLinkSpec& spec, uint32_t index) {
  for (const auto& [key, route] : host_routes(spec)) {
    const auto add = [&, &k = key, &r = route] {
      RequestBatch batch(socket);
      const auto sequence = batch.begin(fmt::format("cannot add host route {}", k.to_string()));
      fib::put_new_route(batch.batch(), sequence, NLM_F_CREATE | NLM_F_EXCL, k, r, index,
                         netlink::kRouteProtocol);
      return batch.send();
    };
    auto added = add();
    if (!added && added.error().code == Errc::kExists) {
      // Ours to another interface, left by a former owner of the address? The protocol in the
      // message keeps it off everybody else's.
      RequestBatch stale(socket);
      fib::put_delete_route(stale.batch(), stale.begin("stale route"), key, route, 0,
                            netlink::kRouteProtocol);
      (void)stale.send();
      added = add();
    }
    CARACAL_TRY(std::move(added));
  }
  return {};
}

// What is inside the pod. `pod` is a socket opened there.
Status configure_pod(const PodLinkSpec& spec, const NetworkNamespace& ns, Socket& pod,
                     uint32_t index) {
  const auto configured = ns.run([&]() -> Status {
    for (const Sysctl& setting : pod_sysctls(spec)) CARACAL_TRY(set_sysctl(setting));
    return {};
  });
  CARACAL_TRY(configured);
  RequestBatch batch(pod);
  constexpr uint32_t kLoopback = 1;
  batch.set_up(kLoopback);
  batch.set_up(index);
  for (const net::IpAddr& address : spec.addresses)
    batch.add_address(index, address, net::address_bits(address.family()));
  for (const net::IpAddr& gateway : gateways(spec))
    batch.add_permanent_neighbour(index, gateway, kHostMac);
  for (const auto& [key, route] : pod_routes(spec)) {
    const auto sequence =
        batch.begin(fmt::format("cannot add route {} in the pod", key.to_string()));
    fib::put_new_route(batch.batch(), sequence, NLM_F_CREATE | NLM_F_EXCL, key, route, index,
                       RTPROT_BOOT);
  }
  return batch.send();
}

Result<PodLink> describe(Socket& host, Socket& pod, const PodLinkSpec& spec) {
  CARACAL_ASSIGN(const netlink::Link host_link, netlink::get_link(host, spec.host_interface));
  CARACAL_ASSIGN(const netlink::Link pod_link, netlink::get_link(pod, spec.pod_interface));
  return PodLink{.host_interface = host_link.name,
                 .host_index = host_link.index,
                 .host_mac = host_link.mac,
                 .pod_interface = pod_link.name,
                 .pod_index = pod_link.index,
                 .pod_mac = pod_link.mac,
                 .mtu = host_link.mtu};
}

// Everything on top of the fresh pair.
Result<PodLink> configure(Socket& host, Socket& pod, const NetworkNamespace& ns,
                          const PodLinkSpec& spec) {
  CARACAL_ASSIGN(const PodLink made, describe(host, pod, spec));
  CARACAL_TRY(configure_host(spec));
  RequestBatch up(host);
  if (has_family(spec, net::Family::kIPv6)) up.add_address(made.host_index, gateway_v6(), 64);
  up.set_up(made.host_index);
  CARACAL_TRY(up.send());
  CARACAL_TRY(configure_pod(spec, ns, pod, made.pod_index));
  CARACAL_TRY(add_host_routes(host, spec, made.host_index));
  return made;
}

}  // namespace

std::string host_interface_name(std::string_view ns, std::string_view pod) {
  constexpr size_t kDigits = 11;
  return std::string(kInterfacePrefix) + sha1_hex(fmt::format("{}.{}", ns, pod)).substr(0, kDigits);
}

net::IpAddr gateway_v4() { return net::IpAddr::v4(0xa9fe0101); }

net::IpAddr gateway_v6() {
  // RFC 4291 appendix A: the universal bit inverted, ff:fe in the middle.
  std::array<uint8_t, 16> bytes{0xfe, 0x80};
  const auto& mac = kHostMac.bytes;
  bytes[8] = mac[0] ^ 0x02;
  bytes[9] = mac[1];
  bytes[10] = mac[2];
  bytes[11] = 0xff;
  bytes[12] = 0xfe;
  bytes[13] = mac[3];
  bytes[14] = mac[4];
  bytes[15] = mac[5];
  return net::IpAddr::v6(bytes);
}

Result<PodLink> create_pod_link(const PodLinkSpec& spec) {
  CARACAL_TRY(check_spec(spec));
  CARACAL_ASSIGN(const NetworkNamespace ns, NetworkNamespace::open(spec.netns_path));
  CARACAL_ASSIGN(Socket host, Socket::open(NETLINK_ROUTE));
  CARACAL_ASSIGN(Socket pod, Socket::open_in(ns, NETLINK_ROUTE));
  if (netlink::get_link(host, spec.host_interface)) {
    CARACAL_ASSIGN(const std::vector<std::string> differences, check_pod_link(spec));
    if (differences.empty()) return describe(host, pod, spec);
    log::info("pod link is replaced",
              {{"interface", spec.host_interface}, {"because", differences.front()}});
    CARACAL_TRY(delete_pod_link(spec.host_interface));
  }
  if (netlink::get_link(pod, spec.pod_interface))
    return fail(Errc::kExists,
                fmt::format("the pod has an interface \"{}\" already", spec.pod_interface));
  RequestBatch veth(host);
  veth.add_veth({.host_name = spec.host_interface,
                 .host_mac = kHostMac,
                 .pod_name = spec.pod_interface,
                 .pod_mac = spec.pod_mac,
                 .pod_netns = ns.fd(),
                 .mtu = spec.mtu});
  CARACAL_TRY(veth.send());
  auto made = configure(host, pod, ns, spec);
  if (!made) {
    // All of it hangs on the pair, so taking that away leaves nothing behind.
    if (auto undone = delete_pod_link(spec.host_interface); !undone)
      log::error("pod link cannot be taken back",
                 {{"interface", spec.host_interface}, {"error", undone.error().message}});
    return fail(made.error().within(fmt::format("pod link {}", spec.host_interface)));
  }
  return made;
}

Status delete_pod_link(const std::string& host_interface) {
  CARACAL_TRY(check_name("host interface", host_interface));
  CARACAL_ASSIGN(Socket socket, Socket::open(NETLINK_ROUTE));
  auto deleted = netlink::delete_link(socket, host_interface);
  if (!deleted && deleted.error().code != Errc::kNotFound) return deleted;
  return {};
}

Result<std::vector<HostLink>> list_host_links(std::string_view prefix) {
  CARACAL_ASSIGN(Socket socket, Socket::open(NETLINK_ROUTE));
  CARACAL_ASSIGN(const std::vector<netlink::Link> links, netlink::list_links(socket));
  std::vector<HostLink> out;
  for (const netlink::Link& link : links)
    if (link.kind == "veth" && link.name.starts_with(prefix))
      out.push_back({link.name, link.index, link.up(), link.mtu, link.mac});
  std::sort(out.begin(), out.end(),
            [](const HostLink& a, const HostLink& b) { return a.name < b.name; });
  return out;
}

Status enable_forwarding() {
  CARACAL_TRY(set_sysctl({"/proc/sys/net/ipv4/ip_forward", "1"}));
  if (!read_file("/proc/sys/net/ipv6/conf/all/forwarding")) return {};  // kernel without IPv6
  return set_sysctl({"/proc/sys/net/ipv6/conf/all/forwarding", "1"});
}

}  // namespace caracal::dataplane::link
