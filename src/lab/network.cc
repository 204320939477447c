#include "lab/network.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>

#include "base/file.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "netlink/network_namespace.h"

namespace caracal::lab {
namespace {

Status run_batch(const IpBatch& batch) {
  Command command;
  command.argv = {"ip", "-batch", "-"};
  if (!batch.netns.empty()) command.netns = netns_path(batch.netns);
  command.input = join(batch.lines, "\n") + "\n";
  auto result = run_checked(command);
  if (result) return {};
  return fail(
      result.error().within(batch.netns.empty() ? "host namespace" : "namespace " + batch.netns));
}

Result<json::value> ip_json(std::vector<std::string> arguments) {
  std::vector<std::string> argv = {"ip", "-j"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  CARACAL_ASSIGN(const std::string text, run_checked({.argv = argv}));
  return jsonio::parse(trim(text).empty() ? "[]" : text);
}

// The cable and its end: made in the namespace of the end, as the fabric's is made first.
void add_link(std::vector<std::string>& lines, const Plan& plan, const Link& link) {
  lines.push_back(fmt::format("link add {} mtu {} type veth peer name {} mtu {} netns {}",
                              link.device, link.mtu, link.port, link.mtu, plan.fabric_netns()));
  for (size_t i = 0; i < link.addresses.size(); ++i) {
    const net::IpAddr& address = link.addresses[i];
    // nodad: nobody else is on this link, and an address that is being checked cannot be used yet.
    lines.push_back(fmt::format("addr add {}/{} dev {}{}", address.to_string(), link.bits[i],
                                link.device, address.is_v4() ? "" : " nodad"));
  }
  lines.push_back(fmt::format("link set {} up", link.device));
}

const net::IpAddr* of_family(const std::vector<net::IpAddr>& addresses, net::Family family) {
  for (const net::IpAddr& address : addresses) {
    if (address.family() == family) return &address;
  }
  return nullptr;
}

void add_route(std::vector<std::string>& lines, const net::Cidr& to,
               const std::vector<net::IpAddr>& gateways) {
  const net::IpAddr* via = of_family(gateways, to.family());
  if (via != nullptr)
    lines.push_back(fmt::format("route add {} via {}", to.to_string(), via->to_string()));
}

void add_default_route(std::vector<std::string>& lines, const std::vector<net::IpAddr>& gateways) {
  for (const net::IpAddr& via : gateways) {
    lines.push_back(
        fmt::format("route add {} via {}", via.is_v4() ? "0.0.0.0/0" : "::/0", via.to_string()));
  }
}

bool joins(const RouterSpec& router, const std::string& subnet) {
  return std::find(router.subnets.begin(), router.subnets.end(), subnet) != router.subnets.end();
}

// The router in a subnet of `from` over which the shortest way (in routers) leads to the subnet
// `to`, and the subnet in between.
struct NextRouter {
  size_t router = 0;
  size_t subnet = 0;
};
std::optional<NextRouter> next_router(const Topology& topology, size_t from, size_t to) {
  // Breadth first; `first` remembers the first step of the way to each router.
  std::vector<std::optional<NextRouter>> first(topology.routers.size());
  std::vector<bool> seen(topology.routers.size());
  std::vector<size_t> queue = {from};
  seen[from] = true;
  for (size_t head = 0; head < queue.size(); ++head) {
    const size_t at = queue[head];
    if (at != from && joins(topology.routers[at], topology.subnets[to].name)) return first[at];
    for (size_t s = 0; s < topology.subnets.size(); ++s) {
      if (!joins(topology.routers[at], topology.subnets[s].name)) continue;
      for (size_t next = 0; next < topology.routers.size(); ++next) {
        if (seen[next] || !joins(topology.routers[next], topology.subnets[s].name)) continue;
        seen[next] = true;
        first[next] = at == from ? NextRouter{next, s} : *first[at];
        queue.push_back(next);
      }
    }
  }
  return std::nullopt;
}

// Of a router without BGP: to every subnet it does not join; and where pods have the addresses of
// spec.podCIDRs, to those of each node, as the route table of a cloud would have them.
void add_router_routes(std::vector<std::string>& lines, const Plan& plan, size_t index) {
  const Topology& topology = plan.topology;
  const RouterSpec& router = topology.routers[index];
  for (size_t s = 0; s < topology.subnets.size(); ++s) {
    const bool own = joins(router, topology.subnets[s].name);
    const auto next = own ? std::nullopt : next_router(topology, index, s);
    if (!own && !next) continue;
    const auto gateways = own ? std::vector<net::IpAddr>()
                              : plan.router_addresses(topology.routers[next->router], next->subnet);
    if (!own) {
      for (const net::Cidr& cidr : plan.subnet_cidrs[s]) add_route(lines, cidr, gateways);
    }
    if (topology.network.ipam != "pod-cidr") continue;
    for (size_t n = 0; n < topology.nodes.size(); ++n) {
      if (topology.nodes[n].subnet != topology.subnets[s].name) continue;
      for (const net::Cidr& cidr : topology.nodes[n].pod_cidrs)
        add_route(lines, cidr, own ? plan.node_addresses(n) : gateways);
    }
  }
}

// Forwarding, and every ICMP error told: a trace wants them all.
Status set_forwarding(const std::string& netns) {
  CARACAL_ASSIGN(const auto ns, netlink::NetworkNamespace::open(netns_path(netns)));
  return ns.run([&]() -> Status {
    CARACAL_TRY(write_sysctl("/proc/sys/net/ipv4/ip_forward", "1"));
    CARACAL_TRY(write_sysctl("/proc/sys/net/ipv4/icmp_ratelimit", "0"));
    if (::access("/proc/sys/net/ipv6", F_OK) != 0) return {};
    CARACAL_TRY(write_sysctl("/proc/sys/net/ipv6/conf/all/forwarding", "1"));
    return write_sysctl("/proc/sys/net/ipv6/icmp/ratelimit", "0");
  });
}

// IPv6 off where the kernel would otherwise give the links of a lab without it link-local
// addresses; no duplicate address detection, so that link-local addresses work at once.
Status set_ipv6(const Plan& plan, const std::string& netns) {
  CARACAL_ASSIGN(const auto ns, netlink::NetworkNamespace::open(netns_path(netns)));
  return ns.run([&]() -> Status {
    for (const char* scope : {"all", "default"}) {
      const std::string base = fmt::format("/proc/sys/net/ipv6/conf/{}/", scope);
      if (::access(base.c_str(), F_OK) != 0) return {};  // a kernel without IPv6
      CARACAL_TRY(
          write_sysctl(base + "disable_ipv6", plan.topology.has(net::Family::kIPv6) ? "0" : "1"));
      CARACAL_TRY(write_sysctl(base + "accept_dad", "0"));
    }
    return {};
  });
}

}  // namespace

Result<std::vector<net::Cidr>> host_prefixes() {
  std::vector<net::Cidr> out;
  CARACAL_ASSIGN(const json::value links, ip_json({"address", "show"}));
  if (const json::array* array = links.if_array()) {
    for (const json::value& link : *array) {
      for (const json::value& address : jsonio::get_array(link, {"addr_info"})) {
        const auto cidr = net::Cidr::parse_or_host(jsonio::get_string(address, {"local"}));
        if (cidr) out.push_back(*cidr);
      }
    }
  }
  for (const char* family : {"-4", "-6"}) {
    CARACAL_ASSIGN(const json::value routes, ip_json({family, "route", "show", "table", "all"}));
    if (const json::array* array = routes.if_array()) {
      for (const json::value& route : *array) {
        const auto cidr = net::Cidr::parse_or_host(jsonio::get_string(route, {"dst"}));
        if (cidr) out.push_back(*cidr);  // "default" and the like do not parse and take nothing
      }
    }
  }
  return out;
}

std::vector<IpBatch> network_commands(const Plan& plan) {
  const Topology& topology = plan.topology;
  const std::vector<Link> links = plan.links();
  const std::vector<Segment> segments = plan.segments();

  IpBatch fabric{plan.fabric_netns(), {}};
  IpBatch connect{plan.fabric_netns(), {}};
  for (const Segment& segment : segments) {
    // Without snooping, neighbour discovery needs no querier.
    fabric.lines.push_back(
        fmt::format("link add {} type bridge stp_state 0 mcast_snooping 0", segment.bridge));
    fabric.lines.push_back(fmt::format("link set {} up", segment.bridge));
  }
  std::vector<IpBatch> ends;
  const auto batch_of = [&ends](const std::string& netns) -> std::vector<std::string>& {
    for (IpBatch& batch : ends) {
      if (batch.netns == netns) return batch.lines;
    }
    return ends.emplace_back(IpBatch{netns, {}}).lines;
  };
  for (const Link& link : links) {
    add_link(batch_of(link.netns), plan, link);
    connect.lines.push_back(
        fmt::format("link set {} master {} up", link.port, segments[link.segment].bridge));
  }

  std::vector<std::string>& outside = batch_of(plan.outside_netns());
  for (const net::IpAddr& address : topology.outside) {
    outside.push_back(fmt::format("addr add {} dev lo{}", net::Cidr::host(address).to_string(),
                                  address.is_v4() ? "" : " nodad"));
  }
  if (topology.flat()) {
    for (size_t i = 0; i < topology.nodes.size(); ++i) {
      for (const net::IpAddr& address : topology.outside) {
        add_route(batch_of(plan.node_netns(topology.nodes[i].name)), net::Cidr::host(address),
                  plan.outside_router());
      }
      // Blocks of pools come and go: lab/block_routes.h follows them.
      if (topology.network.ipam != "pod-cidr") continue;
      for (const net::Cidr& cidr : topology.nodes[i].pod_cidrs)
        add_route(outside, cidr, plan.node_addresses(i));
    }
  } else {
    for (size_t i = 0; i < topology.nodes.size(); ++i)
      add_default_route(batch_of(plan.node_netns(topology.nodes[i].name)), plan.gateway(i));
    for (size_t i = 0; i < topology.routers.size(); ++i) {
      std::vector<std::string>& lines = batch_of(plan.router_netns(topology.routers[i].name));
      for (const net::IpAddr& address : topology.outside)
        add_route(lines, net::Cidr::host(address), plan.outside_router());
      if (!topology.routers[i].bgp) add_router_routes(lines, plan, i);
    }
    // The host and the outside client reach each subnet by way of the first router that joins it,
    // the client everything else by the first router of all.
    for (size_t s = 0; s < topology.subnets.size(); ++s) {
      for (size_t i = 0; i < topology.routers.size(); ++i) {
        if (!joins(topology.routers[i], topology.subnets[s].name)) continue;
        for (const net::Cidr& cidr : plan.subnet_cidrs[s]) {
          add_route(batch_of(""), cidr, plan.router_management(i));
          add_route(outside, cidr, plan.router_management(i));
        }
        break;
      }
    }
    add_default_route(outside, plan.router_management(0));
  }

  std::vector<IpBatch> out;
  out.push_back(std::move(fabric));
  out.insert(out.end(), std::make_move_iterator(ends.begin()), std::make_move_iterator(ends.end()));
  out.push_back(std::move(connect));
  return out;
}

Status share_netns_folder() {
  constexpr const char* kFolder = "/run/netns";
  CARACAL_TRY(make_directories(kFolder));
  if (::mount("", kFolder, "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
  // EINVAL: it is no mount of its own yet.
  if (errno != EINVAL || ::mount(kFolder, kFolder, "none", MS_BIND | MS_REC, nullptr) != 0 ||
      ::mount("", kFolder, "none", MS_SHARED | MS_REC, nullptr) != 0) {
    return fail_errno(errno, std::string("share ") + kFolder);
  }
  return {};
}

Status create_network(const Plan& plan) {
  CARACAL_TRY(share_netns_folder());
  std::vector<std::string> names = {plan.fabric_netns(), plan.outside_netns()};
  for (const NodeSpec& node : plan.topology.nodes) names.push_back(plan.node_netns(node.name));
  for (const RouterSpec& router : plan.topology.routers)
    names.push_back(plan.router_netns(router.name));
  for (const std::string& name : names) {
    auto made = netlink::NetworkNamespace::create(name);
    if (!made) return fail(made.error().within("network namespace " + name));
    CARACAL_TRY(set_ipv6(plan, name));
  }
  for (const RouterSpec& router : plan.topology.routers)
    CARACAL_TRY(set_forwarding(plan.router_netns(router.name)));
  for (const IpBatch& batch : network_commands(plan)) CARACAL_TRY(run_batch(batch));
  return {};
}

std::vector<std::string> list_netns(std::string_view prefix) {
  std::vector<std::string> out;
  DIR* folder = ::opendir("/run/netns");
  if (folder == nullptr) return out;
  while (const dirent* entry = ::readdir(folder)) {
    if (std::string_view(entry->d_name).starts_with(prefix)) out.emplace_back(entry->d_name);
  }
  ::closedir(folder);
  std::sort(out.begin(), out.end());
  return out;
}

Status remove_network(std::string_view lab_name) {
  const std::string link = "crl-" + std::string(lab_name);
  Status result;
  if (::access(("/sys/class/net/" + link).c_str(), F_OK) == 0) {
    const auto removed = run_checked({.argv = {"ip", "link", "delete", link}});
    if (!removed) result = fail(removed.error());
  }
  for (const std::string& name : list_netns(link + "-")) {
    const Status removed = netlink::NetworkNamespace::remove(name);
    if (!removed && removed.error().code != Errc::kNotFound) {
      result = fail(removed.error().within("network namespace " + name));
    }
  }
  return result;
}

}  // namespace caracal::lab
