// check_pod_link(): compares what is there with the spec.
#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "dataplane/fib/route_message.h"
#include "dataplane/link/link_message.h"
#include "dataplane/link/pod_link.h"
#include "dataplane/link/pod_routes.h"
#include "dataplane/link/sysctl.h"
#include "netlink/network_namespace.h"
#include "netlink/rtnetlink.h"

namespace caracal::dataplane::link {
namespace {

using netlink::Socket;
using Differences = std::vector<std::string>;

// All routes over one interface.
Result<std::vector<fib::KernelRoute>> routes_over(Socket& socket, uint32_t index) {
  std::vector<fib::KernelRoute> out;
  for (const uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
    rtmsg header{};
    header.rtm_family = family;
    netlink::Message message(RTM_GETROUTE, NLM_F_DUMP, header);
    message.put_u32(RTA_OIF, index);  // newer kernels list these only
    CARACAL_TRY(socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
      auto route = fib::parse_route(answer);
      if (route && route->device_index == index) out.push_back(std::move(*route));
      return {};
    }));
  }
  return out;
}

bool has_route(const std::vector<fib::KernelRoute>& routes, const fib::RouteKey& key,
               const fib::Route& wanted) {
  return std::any_of(routes.begin(), routes.end(), [&](const fib::KernelRoute& r) {
    // The metric may differ: Calico puts one on, older versions of it did not.
    return r.key.destination == key.destination && r.key.table == key.table &&
           r.route.type == wanted.type && r.route.via == wanted.via;
  });
}

void check_side(const netlink::Link& link, std::string_view side, uint32_t mtu, Differences& out) {
  if (!link.up()) out.push_back(fmt::format("{} interface {} is down", side, link.name));
  if (link.kind != "veth")
    out.push_back(fmt::format("{} interface {} is no veth but \"{}\"", side, link.name, link.kind));
  if (link.mtu != mtu)
    out.push_back(
        fmt::format("{} interface {} has MTU {} and not {}", side, link.name, link.mtu, mtu));
}

}  // namespace

Result<std::vector<std::string>> check_pod_link(const PodLinkSpec& spec) {
  CARACAL_ASSIGN(const netlink::NetworkNamespace ns,
                 netlink::NetworkNamespace::open(spec.netns_path));
  CARACAL_ASSIGN(Socket host, Socket::open(NETLINK_ROUTE));
  CARACAL_ASSIGN(Socket pod, Socket::open_in(ns, NETLINK_ROUTE));
  Differences out;
  const auto host_link = netlink::get_link(host, spec.host_interface);
  const auto pod_link = netlink::get_link(pod, spec.pod_interface);
  if (!host_link) out.push_back(fmt::format("host interface {} is missing", spec.host_interface));
  if (!pod_link) out.push_back(fmt::format("pod interface {} is missing", spec.pod_interface));

  if (host_link) {
    check_side(*host_link, "host", spec.mtu, out);
    if (host_link->mac != kHostMac)
      out.push_back(fmt::format("host interface {} has MAC {} and not {}", host_link->name,
                                host_link->mac.to_string(), kHostMac.to_string()));
    CARACAL_ASSIGN(const auto routes, routes_over(host, host_link->index));
    for (const auto& [key, route] : host_routes(spec))
      if (!has_route(routes, key, route))
        out.push_back(
            fmt::format("host route {} {} is missing", key.to_string(), route.to_string()));
    for (const Sysctl& setting : host_sysctls(spec)) {
      const auto set = sysctl_is_set(setting);
      if (!set || !*set) out.push_back(fmt::format("{} is not {}", setting.path, setting.value));
    }
    if (has_family(spec, net::Family::kIPv6)) {
      CARACAL_ASSIGN(const auto addresses, list_addresses(host, host_link->index));
      if (std::none_of(addresses.begin(), addresses.end(),
                       [](const LinkAddress& a) { return a.address == gateway_v6(); }))
        out.push_back(
            fmt::format("host interface {} lacks {}", host_link->name, gateway_v6().to_string()));
    }
  }
  if (pod_link) {
    check_side(*pod_link, "pod", spec.mtu, out);
    if (spec.pod_mac && pod_link->mac != *spec.pod_mac)
      out.push_back(fmt::format("pod interface {} has MAC {} and not {}", pod_link->name,
                                pod_link->mac.to_string(), spec.pod_mac->to_string()));
    CARACAL_ASSIGN(const auto addresses, list_addresses(pod, pod_link->index));
    for (const net::IpAddr& wanted : spec.addresses)
      if (std::none_of(addresses.begin(), addresses.end(),
                       [&](const LinkAddress& a) { return a.address == wanted; }))
        out.push_back(
            fmt::format("pod interface {} lacks address {}", pod_link->name, wanted.to_string()));
    CARACAL_ASSIGN(const auto routes, routes_over(pod, pod_link->index));
    for (const auto& [key, route] : pod_routes(spec))
      if (!has_route(routes, key, route))
        out.push_back(
            fmt::format("pod route {} {} is missing", key.to_string(), route.to_string()));
  }
  if (host_link && pod_link &&
      (host_link->peer_index != pod_link->index || pod_link->peer_index != host_link->index))
    out.push_back(
        fmt::format("{} and {} are not the two ends of one link", host_link->name, pod_link->name));
  return out;
}

}  // namespace caracal::dataplane::link
