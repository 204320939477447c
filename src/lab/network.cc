#include "lab/network.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

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

void add_addresses(std::vector<std::string>& lines, std::string_view link,
                   const std::vector<net::IpAddr>& addresses) {
  for (const net::IpAddr& address : addresses) {
    // nodad: nobody else is on this link, and an address that is being checked cannot be used yet.
    lines.push_back(fmt::format("addr add {}/{} dev {}{}", address.to_string(),
                                address.is_v4() ? 24 : 64, link, address.is_v4() ? "" : " nodad"));
  }
}

const net::IpAddr* of_family(const std::vector<net::IpAddr>& addresses, net::Family family) {
  for (const net::IpAddr& address : addresses) {
    if (address.family() == family) return &address;
  }
  return nullptr;
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
  std::vector<IpBatch> out;
  const Topology& topology = plan.topology;

  IpBatch fabric{plan.fabric_netns(), {}};
  // Without snooping, neighbour discovery needs no querier.
  fabric.lines = {"link add br0 type bridge stp_state 0 mcast_snooping 0", "link set br0 up"};
  IpBatch host{"", {}};
  host.lines.push_back(fmt::format("link add {} type veth peer name host netns {}",
                                   plan.host_interface(), plan.fabric_netns()));
  add_addresses(host.lines, plan.host_interface(), plan.host_addresses());
  host.lines.push_back(fmt::format("link set {} up", plan.host_interface()));

  IpBatch outside{plan.outside_netns(), {}};
  outside.lines.push_back(
      fmt::format("link add eth0 type veth peer name outside netns {}", plan.fabric_netns()));
  outside.lines.emplace_back("link set eth0 up");
  add_addresses(outside.lines, "eth0", plan.outside_router());
  for (const net::IpAddr& address : topology.outside) {
    outside.lines.push_back(fmt::format("addr add {} dev lo{}",
                                        net::Cidr::host(address).to_string(),
                                        address.is_v4() ? "" : " nodad"));
  }

  const std::vector<net::IpAddr> routers = plan.outside_router();
  std::vector<std::string> ports = {"host", "outside"};
  std::vector<IpBatch> nodes;
  for (size_t i = 0; i < topology.nodes.size(); ++i) {
    const NodeSpec& node = topology.nodes[i];
    const std::string port = fmt::format("node{}", i + 1);  // node names may be too long for a link
    ports.push_back(port);
    const std::vector<net::IpAddr> addresses = plan.node_addresses(i);
    IpBatch batch{plan.node_netns(node.name), {}};
    batch.lines.push_back(
        fmt::format("link add eth0 type veth peer name {} netns {}", port, plan.fabric_netns()));
    batch.lines.emplace_back("link set eth0 up");
    add_addresses(batch.lines, "eth0", addresses);
    for (const net::IpAddr& address : topology.outside) {
      const net::IpAddr* router = of_family(routers, address.family());
      if (router == nullptr) continue;
      batch.lines.push_back(fmt::format("route add {} via {}", net::Cidr::host(address).to_string(),
                                        router->to_string()));
    }
    for (const net::Cidr& cidr : node.pod_cidrs) {
      const net::IpAddr* router = of_family(addresses, cidr.family());
      if (router == nullptr) continue;
      outside.lines.push_back(
          fmt::format("route add {} via {}", cidr.to_string(), router->to_string()));
    }
    nodes.push_back(std::move(batch));
  }

  IpBatch connect{plan.fabric_netns(), {}};
  for (const std::string& port : ports) {
    connect.lines.push_back(fmt::format("link set {} master br0 up", port));
  }
  out.push_back(std::move(fabric));
  out.push_back(std::move(host));
  out.insert(out.end(), nodes.begin(), nodes.end());
  out.push_back(std::move(outside));
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
  for (const std::string& name : names) {
    auto made = netlink::NetworkNamespace::create(name);
    if (!made) return fail(made.error().within("network namespace " + name));
    CARACAL_TRY(set_ipv6(plan, name));
  }
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
