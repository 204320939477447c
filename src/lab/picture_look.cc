#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <set>
#include <thread>

#include "base/file.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "cli/world_loader.h"
#include "kube/blocking_client.h"
#include "lab/block_routes.h"
#include "lab/faults.h"
#include "lab/node_reporter.h"
#include "lab/picture.h"
#include "lab/routing.h"
#include "netlink/network_namespace.h"

namespace caracal::lab {
namespace {

constexpr uint16_t kBgpPort = 179;
constexpr size_t kWorkers = 8;

struct Block {
  net::Cidr cidr;
  std::string node;
};

json::array ip_json(const std::string& netns, std::vector<std::string> arguments,
                    std::vector<std::string>& warnings) {
  std::vector<std::string> argv = {"ip", "-j"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const auto text =
      run_checked({.argv = argv, .netns = netns_path(netns), .timeout = std::chrono::seconds(10)});
  if (!text) {
    warnings.push_back(fmt::format("{}: {}", netns, text.error().message));
    return {};
  }
  auto value = jsonio::parse(trim(*text).empty() ? "[]" : trim(*text));
  if (!value || !value->is_array()) return {};
  return std::move(value->get_array());
}

std::string tunnel_kind(std::string_view link_kind) {
  if (link_kind == "vxlan" || link_kind == "ipip" || link_kind == "wireguard")
    return std::string(link_kind);
  return link_kind == "sit" ? "ipip" : "";
}

std::vector<PictureTunnel> tunnels_in(const std::string& netns,
                                      std::vector<std::string>& warnings) {
  std::vector<PictureTunnel> out;
  for (const json::value& link : ip_json(netns, {"-d", "address", "show", "up"}, warnings)) {
    PictureTunnel tunnel;
    tunnel.kind = tunnel_kind(jsonio::get_string(link, {"linkinfo", "info_kind"}));
    if (tunnel.kind.empty()) continue;
    tunnel.device = jsonio::get_string(link, {"ifname"});
    tunnel.mtu = static_cast<int>(jsonio::get_int(link, {"mtu"}));
    for (const json::value& address : jsonio::get_array(link, {"addr_info"})) {
      if (jsonio::get_string(address, {"scope"}) != "link")
        tunnel.addresses.emplace_back(jsonio::get_string(address, {"local"}));
    }
    out.push_back(std::move(tunnel));
  }
  return out;
}

std::vector<PictureRoute> routes_in(const Lab& lab, const std::string& node,
                                    const std::vector<Block>& blocks,
                                    const std::vector<PictureTunnel>& tunnels,
                                    std::vector<std::string>& warnings) {
  std::vector<PictureRoute> out;
  std::set<std::string> node_addresses;
  for (size_t i = 0; i < lab.plan.topology.nodes.size(); ++i) {
    for (const net::IpAddr& address : lab.plan.node_addresses(i))
      node_addresses.insert(address.to_string());
  }
  for (const char* family : {"-4", "-6"}) {
    for (const json::value& route :
         ip_json(lab.plan.node_netns(node), {family, "route", "show"}, warnings)) {
      const auto to = net::Cidr::parse_or_host(jsonio::get_string(route, {"dst"}));
      if (!to) continue;
      // The longest block that holds it, when it is another node's.
      const Block* owner = nullptr;
      for (const Block& block : blocks) {
        if (block.cidr.contains(*to) &&
            (owner == nullptr || block.cidr.bits() > owner->cidr.bits()))
          owner = &block;
      }
      if (owner == nullptr || owner->node == node || owner->node.empty()) continue;
      PictureRoute one{*to,
                       owner->node,
                       std::string(jsonio::get_string(route, {"dev"})),
                       std::string(jsonio::get_string(route, {"gateway"})),
                       "",
                       false};
      if (one.via.empty()) one.via = jsonio::get_string(route, {"via", "host"});
      const std::string_view protocol = jsonio::get_string(route, {"protocol"});
      one.bgp = protocol == "bird" || protocol == "12";
      if (one.device.empty()) continue;  // a blackhole
      for (const PictureTunnel& tunnel : tunnels) {
        if (tunnel.device == one.device) one.path = tunnel.kind;
      }
      if (one.path.empty() && one.device.starts_with("cali")) continue;  // a pod of this node
      if (one.path.empty()) one.path = node_addresses.contains(one.via) ? "direct" : "router";
      out.push_back(std::move(one));
    }
  }
  return out;
}

std::vector<TcpSocket> sockets_in(const std::string& netns) {
  std::vector<TcpSocket> out;
  const auto ns = netlink::NetworkNamespace::open(netns_path(netns));
  if (!ns) return out;
  [[maybe_unused]] const Status read = ns->run([&]() -> Status {
    for (const char* file : {"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"}) {
      const auto text = read_file(file);
      if (!text) continue;
      const auto table = parse_tcp_table(*text);
      out.insert(out.end(), table.begin(), table.end());
    }
    return {};
  });
  return out;
}

// Who has an address: nodes, and routers.
std::map<std::string, std::string> names_by_address(const Plan& plan) {
  std::map<std::string, std::string> out;
  for (size_t i = 0; i < plan.topology.nodes.size(); ++i) {
    for (const net::IpAddr& address : plan.node_addresses(i))
      out[address.to_string()] = plan.topology.nodes[i].name;
  }
  for (const Link& link : plan.links()) {
    const std::string name = link.name.substr(0, link.name.find(':'));
    for (const net::IpAddr& address : link.addresses) {
      if (link.name.find(':') != std::string::npos) out[address.to_string()] = name;
    }
  }
  return out;
}

// Sessions of the whole lab, each pair once: established ones as both ends' sockets show them; of
// routers and agents with their own list also those that are not.
std::vector<PictureSession> sessions_of(const Lab& lab, const std::vector<PictureNode>& nodes,
                                        const std::map<std::string, std::string>& names) {
  const Plan& plan = lab.plan;
  std::vector<PictureSession> out;
  std::set<std::pair<std::string, std::string>> known;  // local and remote address
  const auto add = [&](const std::string& place, const std::string& local,
                       const std::string& remote, const std::string& state) {
    if (known.contains({local, remote}) || known.contains({remote, local})) return;
    known.insert({local, remote});
    const auto to = names.find(remote);
    out.push_back(
        {place, to == names.end() ? remote : to->second, remote, state == "Established", state});
  };
  std::vector<std::pair<std::string, std::string>> places;
  for (const NodeSpec& node : plan.topology.nodes)
    places.emplace_back(node.name, plan.node_netns(node.name));
  for (const RouterSpec& router : plan.topology.routers)
    places.emplace_back(router.name, plan.router_netns(router.name));
  for (const auto& [name, netns] : places) {
    for (const TcpSocket& socket : sockets_in(netns)) {
      if (socket.established && (socket.local_port == kBgpPort || socket.remote_port == kBgpPort))
        add(name, socket.local.to_string(), socket.remote.to_string(), "Established");
    }
  }
  for (const RouterSpec& router : plan.topology.routers) {
    if (!router.bgp) continue;
    const auto summary = ask_router(lab.paths, router.name, "show bgp summary json");
    if (!summary || !summary->is_object()) continue;
    for (const auto& family : summary->get_object()) {
      for (const auto& peer : jsonio::get_object(family.value(), {"peers"})) {
        const std::string state(jsonio::get_string(peer.value(), {"state"}));
        const std::string remote(peer.key());
        const bool told = std::any_of(known.begin(), known.end(), [&](const auto& pair) {
          return (pair.second == remote || pair.first == remote);
        });
        if (state != "Established" && !told) add(router.name, router.name, remote, state);
      }
    }
  }
  // Down between two nodes: both tell of it, of each family's session.
  std::set<std::array<std::string, 3>> down;
  for (const PictureNode& node : nodes) {
    for (const PictureSession& session : node.sessions) {
      const bool v6 = session.address.find(':') != std::string::npos;
      const auto pair = std::minmax(session.from, session.to);
      const bool told = std::any_of(known.begin(), known.end(), [&](const auto& ends) {
        const auto local = names.find(ends.first), remote = names.find(ends.second);
        return local != names.end() && remote != names.end() &&
               (ends.first.find(':') != std::string::npos) == v6 &&
               std::minmax(local->second, remote->second) == pair;
      });
      const bool fresh = down.insert({pair.first, pair.second, v6 ? "6" : "4"}).second;
      if (!session.established && !told && fresh) out.push_back(session);
    }
  }
  return out;
}

std::vector<Block> blocks_of(const Lab& lab, kube::BlockingClient& client) {
  std::vector<Block> out;
  if (const auto list = client.list("/apis/crd.projectcalico.org/v1/ipamblocks")) {
    for (const json::value& object : jsonio::get_array(*list, {"items"})) {
      if (const auto block = read_block_owner(object)) out.push_back({block->cidr, block->node});
    }
  }
  if (!out.empty()) return out;
  for (const NodeSpec& node : lab.plan.topology.nodes) {
    for (const net::Cidr& cidr : node.pod_cidrs) out.push_back({cidr, node.name});
  }
  return out;
}

}  // namespace

std::vector<TcpSocket> parse_tcp_table(std::string_view text) {
  // "sl local_address rem_address st ...": addresses as the host's 32-bit words in hexadecimal.
  const auto hex = [](std::string_view digits) {
    uint32_t out = 0;
    for (const char c : digits) {
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                               : 0;
      out = out << 4 | static_cast<uint32_t>(digit);
    }
    return out;
  };
  const auto address = [&](std::string_view digits) -> std::optional<net::IpAddr> {
    if (digits.size() != 8 && digits.size() != 32) return std::nullopt;
    uint8_t bytes[16] = {};
    for (size_t word = 0; word < digits.size() / 8; ++word) {
      const uint32_t value = hex(digits.substr(word * 8, 8));
      for (size_t b = 0; b < 4; ++b) bytes[word * 4 + b] = static_cast<uint8_t>(value >> (8 * b));
    }
    return net::IpAddr::from_bytes(bytes, digits.size() / 2);
  };
  std::vector<TcpSocket> out;
  for (const std::string_view line : split(text, '\n')) {
    std::vector<std::string_view> fields;
    for (const std::string_view field : split(trim(line), ' ')) {
      if (!field.empty()) fields.push_back(field);
    }
    if (fields.size() < 4 || fields[0].empty() || fields[0].back() != ':') continue;
    const size_t local = fields[1].find(':'), remote = fields[2].find(':');
    if (local == std::string_view::npos || remote == std::string_view::npos) continue;
    const auto from = address(fields[1].substr(0, local));
    const auto to = address(fields[2].substr(0, remote));
    if (!from || !to) continue;
    out.push_back({*from, *to, static_cast<uint16_t>(hex(fields[1].substr(local + 1))),
                   static_cast<uint16_t>(hex(fields[2].substr(remote + 1))), fields[3] == "01"});
  }
  return out;
}

std::vector<PictureSession> read_sessions(const std::string& node, const json::value& status,
                                          const std::map<std::string, std::string>& names) {
  std::vector<PictureSession> out;
  for (const json::value& peer : jsonio::get_array(status, {"network", "bgp", "peers"})) {
    PictureSession one;
    one.from = node;
    one.address = jsonio::get_string(peer, {"address"});
    one.to = jsonio::get_string(peer, {"peer"});
    if (one.to.empty()) {
      const auto name = names.find(one.address);
      one.to = name == names.end() ? one.address : name->second;
    }
    one.established = jsonio::get_bool(peer, {"up"});
    one.state = jsonio::get_string(peer, {"state"});
    one.kind = jsonio::get_string(peer, {"kind"});
    // To the second: "2026-01-02 03:04:05.678".
    one.since = jsonio::get_string(peer, {"since"}).substr(0, 19);
    one.why = jsonio::get_string(peer, {"whyNotUp"});
    out.push_back(std::move(one));
  }
  return out;
}

Picture look_at_network(const Lab& lab) {
  const Plan& plan = lab.plan;
  Picture out;
  out.name = plan.topology.name;
  out.api = plan.api_url();
  out.host_address = plan.host_addresses().front().to_string();
  for (const net::IpAddr& address : plan.topology.outside)
    out.outside.push_back(address.to_string());
  const std::vector<Segment> segments = plan.segments();
  for (const Segment& segment : segments) {
    PictureSegment one{segment.name, {}};
    for (const net::Cidr& cidr : segment.cidrs) one.cidrs.push_back(cidr.to_string());
    out.segments.push_back(std::move(one));
  }
  std::vector<Block> blocks;
  std::map<std::string, std::vector<std::string>> pods;
  std::map<std::string, std::map<std::string, std::string>> annotations;
  if (auto access = access_of(lab)) {
    kube::BlockingClient client(std::move(*access));
    blocks = blocks_of(lab, client);
    const auto loaded = cli::load_world(client);
    if (loaded) {
      for (const auto& [name, pod] : loaded->world.pods) {
        if (!pod.host_network && !pod.addresses.empty()) pods[pod.node].push_back(name.to_string());
      }
    } else {
      out.warnings.push_back(loaded.error().message);
    }
    if (const auto nodes = client.list("/api/v1/nodes")) {
      for (const json::value& node : jsonio::get_array(*nodes, {"items"})) {
        for (const auto& one : jsonio::get_object(node, {"metadata", "annotations"})) {
          const json::string* text = one.value().if_string();
          if (text != nullptr && std::string_view(one.key()).starts_with("projectcalico.org/"))
            annotations[std::string(jsonio::get_string(node, {"metadata", "name"}))]
                       [std::string(one.key())] = std::string(*text);
        }
      }
    }
  } else {
    out.warnings.push_back(access.error().message);
  }
  const std::vector<Link> links = plan.links();
  const std::map<std::string, std::string> names = names_by_address(plan);
  // Each node by a worker: what is asked of the kernel and of an agent takes its time.
  out.nodes.resize(plan.topology.nodes.size());
  std::vector<std::vector<std::string>> warnings(out.nodes.size());
  std::atomic<size_t> next{0};
  const auto look_at_nodes = [&] {
    for (size_t i = next++; i < out.nodes.size(); i = next++) {
      const std::string& name = plan.topology.nodes[i].name;
      const auto link = plan.find_link(name);
      PictureNode node;
      node.name = name;
      node.segment = segments[link->segment].name;
      node.mtu = link->mtu;
      for (const net::IpAddr& address : plan.node_addresses(i))
        node.addresses.push_back(address.to_string());
      const Status answer = ask_agent(lab.paths.node_socket(name));
      node.state = answer ? "ready" : answer.error().message;
      if (answer) {
        const auto status = agent_status(lab.paths.node_socket(name));
        if (status) node.sessions = read_sessions(name, *status, names);
      }
      for (const Block& block : blocks) {
        if (block.node == name) node.blocks.push_back(block.cidr.to_string());
      }
      node.pods = pods.contains(name) ? pods.at(name) : std::vector<std::string>();
      node.annotations =
          annotations.contains(name) ? annotations.at(name) : std::map<std::string, std::string>();
      node.tunnels = tunnels_in(plan.node_netns(name), warnings[i]);
      node.routes = routes_in(lab, name, blocks, node.tunnels, warnings[i]);
      out.nodes[i] = std::move(node);
    }
  };
  std::vector<std::thread> workers;
  for (size_t i = 0; i < std::min(kWorkers, out.nodes.size()); ++i)
    workers.emplace_back(look_at_nodes);
  for (std::thread& worker : workers) worker.join();
  for (const auto& list : warnings)
    out.warnings.insert(out.warnings.end(), list.begin(), list.end());
  for (const RouterSpec& router : plan.topology.routers) {
    PictureRouter one;
    one.name = router.name;
    one.as = router.bgp ? router.bgp->as : 0;
    for (const Link& link : links) {
      if (link.netns != plan.router_netns(router.name)) continue;
      PictureLeg leg{segments[link.segment].name, link.device, {}};
      for (const net::IpAddr& address : link.addresses)
        leg.addresses.push_back(address.to_string());
      one.legs.push_back(std::move(leg));
    }
    for (const char* family : {"-4", "-6"}) {
      for (const json::value& route :
           ip_json(plan.router_netns(router.name), {family, "route", "show"}, out.warnings)) {
        const auto to = net::Cidr::parse_or_host(jsonio::get_string(route, {"dst"}));
        one.routes += to && std::any_of(blocks.begin(), blocks.end(), [&](const Block& block) {
                        return block.cidr.contains(*to);
                      });
      }
    }
    out.routers.push_back(std::move(one));
  }
  out.sessions = sessions_of(lab, out.nodes, names);
  if (const auto faults = active_faults(lab)) {
    for (const ActiveFault& fault : *faults) out.faults.push_back(fault.text);
  }
  return out;
}

}  // namespace caracal::lab
