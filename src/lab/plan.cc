#include "lab/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/sha1.h"

namespace caracal::lab {

std::string Plan::pod_netns(const model::ObjectName& pod) const {
  std::string name = prefix() + pod.ns + "." + pod.name;
  // NAME_MAX is 255, and `ip netns` has its own longer messages; keep well below.
  if (name.size() > 200) name = name.substr(0, 180) + "-" + sha1_hex(name).substr(0, 12);
  return name;
}

const NodeSpec* Plan::find_node(std::string_view name) const {
  for (const NodeSpec& node : topology.nodes) {
    if (node.name == name) return &node;
  }
  return nullptr;
}

std::vector<net::IpAddr> Plan::numbered(const std::vector<net::Cidr>& cidrs, int host) {
  std::vector<net::IpAddr> out;
  for (const net::Cidr& cidr : cidrs) {
    std::array<uint8_t, 16> bytes{};
    std::copy_n(cidr.address().data(), cidr.address().size(), bytes.begin());
    bytes[cidr.address().size() - 1] = static_cast<uint8_t>(host);
    out.push_back(net::IpAddr::from_bytes(bytes.data(), cidr.address().size()));
  }
  return out;
}

size_t Plan::subnet_index(std::string_view name) const {
  size_t i = 0;
  while (i < topology.subnets.size() && topology.subnets[i].name != name) ++i;
  return i;
}

std::vector<net::IpAddr> Plan::node_addresses(size_t index) const {
  if (topology.flat()) return numbered(fabric, 11 + static_cast<int>(index));
  const std::string& subnet = topology.nodes[index].subnet;
  int host = 11;  // the first node of its subnet
  for (size_t i = 0; i < index; ++i) host += topology.nodes[i].subnet == subnet ? 1 : 0;
  return numbered(subnet_cidrs[subnet_index(subnet)], host);
}

std::vector<net::IpAddr> Plan::router_addresses(const RouterSpec& router, size_t subnet) const {
  int host = 1;  // routers are numbered in the order in which they stand in the topology
  for (const RouterSpec& other : topology.routers) {
    if (&other == &router || other.name == router.name) break;
    const auto& names = other.subnets;
    host +=
        std::find(names.begin(), names.end(), topology.subnets[subnet].name) != names.end() ? 1 : 0;
  }
  return numbered(subnet_cidrs[subnet], host);
}

std::vector<net::IpAddr> Plan::gateway(size_t node) const {
  if (topology.flat()) return {};
  return numbered(subnet_cidrs[subnet_index(topology.nodes[node].subnet)], 1);
}

std::vector<Segment> Plan::segments() const {
  if (topology.flat()) {
    return {{topology.subnets.empty() ? "fabric" : topology.subnets.front().name, "br0", fabric}};
  }
  std::vector<Segment> out = {{"management", "br0", fabric}};
  for (size_t i = 0; i < topology.subnets.size(); ++i)
    out.push_back({topology.subnets[i].name, fmt::format("br{}", i + 1), subnet_cidrs[i]});
  return out;
}

std::vector<Link> Plan::links() const {
  const std::vector<Segment> all = segments();
  const auto subnet_mtu = [&](size_t subnet) {
    const int mtu = subnet < topology.subnets.size() ? topology.subnets[subnet].mtu : 0;
    return mtu == 0 ? 1500 : mtu;
  };
  const int fabric_mtu = topology.flat() ? subnet_mtu(0) : 1500;
  std::vector<Link> out;
  const auto add = [&](std::string name, std::string netns, std::string device, std::string port,
                       size_t segment, std::vector<net::IpAddr> addresses, int mtu) {
    std::vector<int> bits;
    for (const net::Cidr& cidr : all[segment].cidrs) bits.push_back(cidr.bits());
    out.push_back({std::move(name), std::move(netns), std::move(device), std::move(port), segment,
                   std::move(addresses), std::move(bits), mtu});
  };
  add("host", "", host_interface(), "host", 0, host_addresses(), fabric_mtu);
  add("outside", outside_netns(), "eth0", "outside", 0, outside_router(), fabric_mtu);
  for (size_t i = 0; i < topology.nodes.size(); ++i) {
    const NodeSpec& node = topology.nodes[i];
    const size_t subnet = topology.flat() ? 0 : subnet_index(node.subnet);
    // Node names may be too long for a device.
    add(node.name, node_netns(node.name), "eth0", fmt::format("node{}", i + 1),
        topology.flat() ? 0 : subnet + 1, node_addresses(i),
        node.mtu == 0 ? subnet_mtu(subnet) : node.mtu);
  }
  for (size_t i = 0; i < topology.routers.size(); ++i) {
    const RouterSpec& router = topology.routers[i];
    for (size_t k = 0; k < router.subnets.size(); ++k) {
      const size_t subnet = subnet_index(router.subnets[k]);
      add(router.name + ":" + router.subnets[k], router_netns(router.name), fmt::format("eth{}", k),
          fmt::format("router{}p{}", i + 1, k), subnet + 1, router_addresses(router, subnet),
          subnet_mtu(subnet));
    }
    add(router.name + ":management", router_netns(router.name), "mgmt",
        fmt::format("router{}m", i + 1), 0, router_management(i), 1500);
  }
  return out;
}

std::optional<Link> Plan::find_link(std::string_view name) const {
  for (Link& link : links()) {
    if (link.name == name) return std::move(link);
  }
  return std::nullopt;
}

std::string Plan::api_url() const {
  const net::IpAddr address = host_addresses().front();
  return address.is_v4() ? fmt::format("https://{}:{}", address.to_string(), api_port)
                         : fmt::format("https://[{}]:{}", address.to_string(), api_port);
}

Result<std::vector<net::Cidr>> choose_fabric(const std::vector<net::Family>& families,
                                             const std::vector<net::Cidr>& taken) {
  std::vector<net::Cidr> out;
  for (const net::Family family : families) {
    bool found = false;
    for (int third = 255; third >= 0 && !found; --third) {
      const net::Cidr candidate = *net::Cidr::parse(
          family == net::Family::kIPv4 ? fmt::format("172.31.{}.0/24", third)
                                       : fmt::format("fd00:ca2a:fab:{:x}::/64", third));
      const bool free = std::none_of(taken.begin(), taken.end(), [&](const net::Cidr& t) {
        return t.bits() > 0 && t.family() == family &&
               (t.contains(candidate) || candidate.contains(t));
      });
      if (free) {
        out.push_back(candidate);
        found = true;
      }
    }
    if (!found) {
      return fail(
          Errc::kExhausted,
          fmt::format("no free {} prefix for the lab's fabric: the host has addresses or "
                      "routes in all of {}",
                      net::to_string(family),
                      family == net::Family::kIPv4 ? "172.31.0.0/16" : "fd00:ca2a:fab::/56"));
    }
  }
  return out;
}

Result<Plan> make_plan(Topology topology, const std::vector<net::Cidr>& taken) {
  Plan plan;
  std::vector<net::Cidr> used = taken;
  for (size_t i = 0; i < topology.subnets.size(); ++i) {
    for (const net::Cidr& cidr : topology.subnets[i].cidrs) {
      for (const net::Cidr& other : taken) {
        if (other.bits() == 0 || other.family() != cidr.family()) continue;
        if (!other.contains(cidr) && !cidr.contains(other)) continue;
        return fail(Errc::kInvalid,
                    fmt::format("subnets[{}].cidrs: {} overlaps {}, to which this machine has an "
                                "address or a route of its own",
                                i, cidr.to_string(), other.to_string()));
      }
      used.push_back(cidr);
    }
  }
  // What is given is taken as it is, what is not is chosen.
  const auto choose = [&](const std::vector<net::Cidr>& given) -> Result<std::vector<net::Cidr>> {
    std::vector<net::Cidr> out;
    for (const net::Family family : topology.families) {
      const auto found = std::find_if(given.begin(), given.end(), [family](const net::Cidr& cidr) {
        return cidr.family() == family;
      });
      if (found != given.end()) {
        out.push_back(*found);
        continue;
      }
      CARACAL_ASSIGN(const std::vector<net::Cidr> chosen, choose_fabric({family}, used));
      out.push_back(chosen.front());
      used.push_back(chosen.front());
    }
    return out;
  };
  const bool only_one = topology.flat() && !topology.subnets.empty();
  CARACAL_ASSIGN(plan.fabric,
                 choose(only_one ? topology.subnets.front().cidrs : std::vector<net::Cidr>{}));
  for (const SubnetSpec& subnet : topology.subnets) {
    if (only_one) {
      plan.subnet_cidrs.push_back(plan.fabric);
      continue;
    }
    CARACAL_ASSIGN(std::vector<net::Cidr> cidrs, choose(subnet.cidrs));
    plan.subnet_cidrs.push_back(std::move(cidrs));
  }
  plan.topology = std::move(topology);
  return plan;
}

namespace {

json::array cidr_array(const std::vector<net::Cidr>& cidrs) {
  json::array out;
  for (const net::Cidr& cidr : cidrs) out.emplace_back(json::string(cidr.to_string()));
  return out;
}

Result<std::vector<net::Cidr>> read_cidrs(const json::array& list, std::string_view source,
                                          std::string_view field) {
  std::vector<net::Cidr> out;
  for (const json::value& entry : list) {
    const json::string* prefix = entry.if_string();
    if (prefix == nullptr)
      return fail(Errc::kInvalid, fmt::format("{}: {}: not a text", source, field));
    CARACAL_ASSIGN(const net::Cidr cidr, net::Cidr::parse(*prefix));
    out.push_back(cidr);
  }
  return out;
}

}  // namespace

json::value to_json(const Plan& plan) {
  json::array subnets;
  for (const auto& cidrs : plan.subnet_cidrs) subnets.emplace_back(cidr_array(cidrs));
  return {{"topology", to_json(plan.topology)},
          {"fabric", cidr_array(plan.fabric)},
          {"subnets", subnets},
          {"apiPort", plan.api_port}};
}

Result<Plan> parse_plan(std::string_view text, std::string_view source) {
  CARACAL_ASSIGN(const json::value value, jsonio::parse(text));
  Plan plan;
  const json::value* topology = jsonio::get(value, {"topology"});
  if (topology == nullptr) return fail(Errc::kInvalid, fmt::format("{}: no topology", source));
  CARACAL_ASSIGN(plan.topology, parse_topology(jsonio::to_string(*topology), source));
  CARACAL_ASSIGN(plan.fabric, read_cidrs(jsonio::get_array(value, {"fabric"}), source, "fabric"));
  const size_t families = plan.topology.families.size();
  if (plan.fabric.size() != families) {
    return fail(Errc::kInvalid, fmt::format("{}: fabric: {} prefixes for {} families", source,
                                            plan.fabric.size(), families));
  }
  for (const json::value& entry : jsonio::get_array(value, {"subnets"})) {
    const json::array* list = entry.if_array();
    if (list == nullptr || list->size() != families)
      return fail(Errc::kInvalid, fmt::format("{}: subnets: one prefix a family wanted", source));
    CARACAL_ASSIGN(std::vector<net::Cidr> cidrs, read_cidrs(*list, source, "subnets"));
    plan.subnet_cidrs.push_back(std::move(cidrs));
  }
  if (plan.subnet_cidrs.size() != plan.topology.subnets.size()) {
    return fail(Errc::kInvalid,
                fmt::format("{}: subnets: {} of {}", source, plan.subnet_cidrs.size(),
                            plan.topology.subnets.size()));
  }
  const int64_t port = jsonio::get_int(value, {"apiPort"});
  if (port < 1 || port > 65535) {
    return fail(Errc::kInvalid,
                fmt::format("{}: apiPort {}: must be between 1 and 65535", source, port));
  }
  plan.api_port = static_cast<uint16_t>(port);
  return plan;
}

}  // namespace caracal::lab
