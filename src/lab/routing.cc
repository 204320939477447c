#include "lab/routing.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "base/subprocess.h"

namespace caracal::lab {
namespace {

constexpr const char* kFolder = "/usr/lib/frr";
constexpr const char* kUser = "frr";

std::string daemon_path(const char* name) { return fmt::format("{}/{}", kFolder, name); }

bool shares(const RouterSpec& a, const std::string& subnet) {
  return std::find(a.subnets.begin(), a.subnets.end(), subnet) != a.subnets.end();
}

// 32 bits for a router that has no IPv4 address: unique in the lab is enough.
std::string router_id(const Plan& plan, size_t router) {
  for (const net::IpAddr& address : plan.router_management(router)) {
    if (address.is_v4()) return address.to_string();
  }
  return fmt::format("10.255.0.{}", router + 1);
}

struct Peer {
  net::IpAddr address;
  uint32_t as = 0;
  std::string name;
};

std::vector<Peer> router_peers(const Plan& plan, size_t self) {
  const Topology& topology = plan.topology;
  std::vector<Peer> out;
  for (size_t s = 0; s < topology.subnets.size(); ++s) {
    if (!shares(topology.routers[self], topology.subnets[s].name)) continue;
    for (size_t i = 0; i < topology.routers.size(); ++i) {
      const RouterSpec& other = topology.routers[i];
      if (i == self || !other.bgp || !shares(other, topology.subnets[s].name)) continue;
      for (const net::IpAddr& address : plan.router_addresses(other, s))
        out.push_back({address, other.bgp->as, other.name});
    }
  }
  return out;
}

bool has_nodes(const Topology& topology, const std::string& subnet) {
  return std::any_of(topology.nodes.begin(), topology.nodes.end(),
                     [&](const NodeSpec& node) { return node.subnet == subnet; });
}

}  // namespace

Status check_routing_programs(const Topology& topology) {
  for (const RouterSpec& router : topology.routers) {
    if (!router.bgp) continue;
    for (const char* name : {"zebra", "bgpd"}) {
      if (::access(daemon_path(name).c_str(), X_OK) == 0) continue;
      return fail(Errc::kNotFound,
                  fmt::format("router {} speaks BGP by FRR, and there is no {}; Debian's package "
                              "frr has it: apt-get install frr",
                              router.name, daemon_path(name)));
    }
  }
  return {};
}

std::string make_bgpd_config(const Plan& plan, size_t index) {
  const Topology& topology = plan.topology;
  const RouterSpec& router = topology.routers[index];
  const std::vector<Peer> peers = router_peers(plan, index);
  const bool internal = router.bgp->as == router.bgp->node_as;
  std::string out;
  const auto line = [&out](std::string text) { out += text + "\n"; };
  line("! Made by caracal lab from its topology.");
  line("frr defaults datacenter");
  line("hostname " + router.name);
  // Nodes have a default route to their router: they need not hear of the segments.
  for (const net::Family family : topology.families) {
    const bool v4 = family == net::Family::kIPv4;
    const char* list = v4 ? "ip prefix-list BLOCKS4" : "ipv6 prefix-list BLOCKS6";
    for (const Segment& segment : plan.segments()) {
      for (const net::Cidr& cidr : segment.cidrs) {
        if (cidr.family() == family) line(fmt::format("{} deny {}", list, cidr.to_string()));
      }
    }
    line(fmt::format("{} permit {}", list, v4 ? "0.0.0.0/0 le 32" : "::/0 le 128"));
  }
  line(fmt::format("router bgp {}", router.bgp->as));
  line(" bgp router-id " + router_id(plan, index));
  line(" no bgp ebgp-requires-policy");
  line(" no bgp default ipv4-unicast");
  line(" bgp graceful-restart");
  line(" bgp bestpath as-path multipath-relax");
  // A peer group is of one family: the families of its addresses.
  for (const net::Family family : topology.families) {
    const char* group = family == net::Family::kIPv4 ? "NODES4" : "NODES6";
    line(fmt::format(" neighbor {} peer-group", group));
    line(fmt::format(" neighbor {} remote-as {}", group, router.bgp->node_as));
  }
  line(" bgp listen limit 1000");
  for (size_t s = 0; s < topology.subnets.size(); ++s) {
    if (!shares(router, topology.subnets[s].name) || !has_nodes(topology, topology.subnets[s].name))
      continue;
    for (const net::Cidr& cidr : plan.subnet_cidrs[s]) {
      line(fmt::format(" bgp listen range {} peer-group {}", cidr.to_string(),
                       cidr.family() == net::Family::kIPv4 ? "NODES4" : "NODES6"));
    }
  }
  for (const Peer& peer : peers) {
    line(fmt::format(" neighbor {} remote-as {}", peer.address.to_string(), peer.as));
    line(fmt::format(" neighbor {} description {}", peer.address.to_string(), peer.name));
  }
  for (const net::Family family : topology.families) {
    const bool v4 = family == net::Family::kIPv4;
    const char* group = v4 ? "NODES4" : "NODES6";
    line(fmt::format(" address-family {} unicast", v4 ? "ipv4" : "ipv6"));
    line("  redistribute connected");
    line(fmt::format("  neighbor {} activate", group));
    // Nodes of several racks have the same number: without this they would take each other's
    // routes for loops (RFC 4271, section 9.1.2).
    line(fmt::format("  neighbor {} {}", group,
                     internal ? "route-reflector-client" : "as-override"));
    line(fmt::format("  neighbor {} prefix-list {} out", group, v4 ? "BLOCKS4" : "BLOCKS6"));
    for (const Peer& peer : peers) {
      if (peer.address.is_v4() == v4)
        line(fmt::format("  neighbor {} activate", peer.address.to_string()));
    }
    line(" exit-address-family");
  }
  line("exit");
  return out;
}

Status write_router_files(const Plan& plan, const Paths& paths) {
  for (size_t i = 0; i < plan.topology.routers.size(); ++i) {
    const RouterSpec& router = plan.topology.routers[i];
    if (!router.bgp) continue;
    const std::string folder = paths.router(router.name);
    CARACAL_TRY(make_directories(folder));
    CARACAL_TRY(write_file_atomic(folder + "/zebra.conf", "hostname " + router.name + "\n"));
    CARACAL_TRY(write_file_atomic(folder + "/bgpd.conf", make_bgpd_config(plan, i)));
    const passwd* user = ::getpwnam(kUser);
    if (user == nullptr) {
      return fail(
          Errc::kNotFound,
          fmt::format("there is no user {}, as whom FRR runs; Debian's package frr makes it",
                      kUser));
    }
    if (::chown(folder.c_str(), user->pw_uid, user->pw_gid) != 0)
      return fail_errno(errno, "chown " + folder);
  }
  return {};
}

std::vector<KeptProgram> routers_of(const Plan& plan, const Paths& paths) {
  std::vector<KeptProgram> out;
  for (const RouterSpec& router : plan.topology.routers) {
    if (!router.bgp) continue;
    const std::string folder = paths.router(router.name);
    for (const char* name : {"zebra", "bgpd"}) {
      KeptProgram one;
      one.record = fmt::format("{}-{}", name, router.name);
      one.stop_file = folder + "/stopped";
      // Without zebra bgpd would wait ten seconds before it tries again.
      if (std::string_view(name) == "bgpd") one.needs = folder + "/zserv.api";
      one.spawn.netns = netns_path(plan.router_netns(router.name));
      // FRR runs as the package's user only (its group of shells is compiled in); the files are the
      // router's own, so that the host's FRR is not touched.
      one.spawn.argv = {daemon_path(name),
                        "--user",
                        kUser,
                        "--group",
                        kUser,
                        "--config_file",
                        fmt::format("{}/{}.conf", folder, name),
                        "--pid_file",
                        fmt::format("{}/{}.pid", folder, name),
                        "--socket",
                        folder + "/zserv.api",
                        "--vty_socket",
                        folder,
                        "--vty_port",
                        "0",
                        "--log",
                        "stdout",
                        "--log-level",
                        "notifications"};
      out.push_back(std::move(one));
    }
  }
  return out;
}

Result<json::value> ask_router(const Paths& paths, const std::string& router,
                               const std::string& command) {
  CARACAL_ASSIGN(const std::string text,
                 run_checked({.argv = {"vtysh", "--vty_socket", paths.router(router), "-d", "bgpd",
                                       "-c", command},
                              .timeout = std::chrono::seconds(5)}));
  return jsonio::parse(text);
}

}  // namespace caracal::lab
