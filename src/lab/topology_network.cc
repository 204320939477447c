#include "lab/topology_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "lab/topology_fields.h"

namespace caracal::lab {
namespace {

using fields::invalid;

constexpr int64_t kMaxAs = 4'294'967'295;
constexpr int64_t kLeastMtu = 1280;  // RFC 8200, section 5
constexpr int64_t kMostMtu = 65'535;
constexpr size_t kMaxRouters = 50;
constexpr size_t kMaxSubnets = 60;

Result<SubnetSpec> parse_subnet(const json::value& value, const std::string& field) {
  CARACAL_ASSIGN(const json::object* object,
                 fields::object(value, field, {"name", "cidrs", "mtu"}));
  SubnetSpec out;
  if (const json::value* name = object->if_contains("name")) {
    CARACAL_ASSIGN(out.name, fields::text(*name, field + ".name"));
  }
  if (const json::value* cidrs = object->if_contains("cidrs")) {
    CARACAL_ASSIGN(out.cidrs, fields::cidrs(*cidrs, field + ".cidrs"));
  }
  if (const json::value* mtu = object->if_contains("mtu")) {
    CARACAL_ASSIGN(const int64_t n, fields::number(*mtu, field + ".mtu", kLeastMtu, kMostMtu));
    out.mtu = static_cast<int>(n);
  }
  return out;
}

Result<uint32_t> parse_as(const json::value& value, const std::string& field) {
  CARACAL_ASSIGN(const int64_t n, fields::number(value, field, 1, kMaxAs));
  return static_cast<uint32_t>(n);
}

Result<RouterSpec> parse_router(const json::value& value, const std::string& field) {
  CARACAL_ASSIGN(const json::object* object,
                 fields::object(value, field, {"name", "subnets", "bgp"}));
  RouterSpec out;
  if (const json::value* name = object->if_contains("name")) {
    CARACAL_ASSIGN(out.name, fields::text(*name, field + ".name"));
  }
  if (const json::value* subnets = object->if_contains("subnets")) {
    CARACAL_ASSIGN(out.subnets, fields::texts(*subnets, field + ".subnets"));
  }
  if (const json::value* bgp = object->if_contains("bgp"); bgp != nullptr && !bgp->is_null()) {
    CARACAL_ASSIGN(const json::object* settings,
                   fields::object(*bgp, field + ".bgp", {"as", "nodeAS"}));
    RouterBgp speaker;
    const json::value* as = settings->if_contains("as");
    if (as == nullptr) return invalid(field + ".bgp.as", "must be there, such as 65001");
    CARACAL_ASSIGN(speaker.as, parse_as(*as, field + ".bgp.as"));
    if (const json::value* node_as = settings->if_contains("nodeAS")) {
      CARACAL_ASSIGN(speaker.node_as, parse_as(*node_as, field + ".bgp.nodeAS"));
    }
    out.bgp = speaker;
  }
  return out;
}

// A rack: a subnet, its router, and so many nodes.
Status parse_rack(const json::value& value, const std::string& field, bool spine,
                  Topology& topology) {
  CARACAL_ASSIGN(const json::object* object,
                 fields::object(value, field, {"name", "as", "nodeAS", "nodes", "cidrs", "mtu"}));
  SubnetSpec subnet;
  if (const json::value* name = object->if_contains("name")) {
    CARACAL_ASSIGN(subnet.name, fields::text(*name, field + ".name"));
  }
  if (const json::value* cidrs = object->if_contains("cidrs")) {
    CARACAL_ASSIGN(subnet.cidrs, fields::cidrs(*cidrs, field + ".cidrs"));
  }
  if (const json::value* mtu = object->if_contains("mtu")) {
    CARACAL_ASSIGN(const int64_t n, fields::number(*mtu, field + ".mtu", kLeastMtu, kMostMtu));
    subnet.mtu = static_cast<int>(n);
  }
  CARACAL_TRY(fields::check_name(subnet.name, field + ".name"));
  RouterSpec router;
  router.name = "tor-" + subnet.name;
  router.subnets = {subnet.name};
  if (spine) router.subnets.emplace_back("spine");
  const json::value* as = object->if_contains("as");
  if (as == nullptr) return invalid(field + ".as", "must be there, such as 65001");
  RouterBgp speaker;
  CARACAL_ASSIGN(speaker.as, parse_as(*as, field + ".as"));
  if (const json::value* node_as = object->if_contains("nodeAS")) {
    CARACAL_ASSIGN(speaker.node_as, parse_as(*node_as, field + ".nodeAS"));
  }
  router.bgp = speaker;
  int64_t count = 1;
  if (const json::value* nodes = object->if_contains("nodes")) {
    CARACAL_ASSIGN(count, fields::number(*nodes, field + ".nodes", 0, 200));
  }
  for (int64_t i = 1; i <= count; ++i) {
    topology.nodes.push_back({.name = fmt::format("{}-{}", subnet.name, i),
                              .labels = {{"rack", subnet.name}},
                              .subnet = subnet.name});
  }
  topology.subnets.push_back(std::move(subnet));
  topology.routers.push_back(std::move(router));
  return {};
}

// "none", or a prefix of the family.
Result<std::string> parse_pool(const json::value& value, const std::string& field,
                               net::Family family) {
  CARACAL_ASSIGN(std::string pool, fields::text(value, field));
  if (pool == "none") return pool;
  const auto cidr = net::Cidr::parse(pool);
  if (!cidr || cidr->family() != family) {
    return invalid(field, fmt::format("\"{}\" is neither \"none\" nor an {} prefix", pool,
                                      net::to_string(family)));
  }
  return pool;
}

Result<NetworkSpec> parse_settings(const json::value& value) {
  CARACAL_ASSIGN(
      const json::object* object,
      fields::object(value, "network", {"ipam", "bgp", "ipAutodetection", "defaultPool"}));
  NetworkSpec out;
  if (const json::value* ipam = object->if_contains("ipam")) {
    CARACAL_ASSIGN(out.ipam, fields::choice(*ipam, "network.ipam", {"pools", "pod-cidr"}));
  }
  if (const json::value* bgp = object->if_contains("bgp")) {
    CARACAL_ASSIGN(out.bgp, fields::choice(*bgp, "network.bgp", {"auto", "off"}));
  }
  if (const json::value* method = object->if_contains("ipAutodetection")) {
    CARACAL_ASSIGN(out.ip_autodetection, fields::text(*method, "network.ipAutodetection"));
  }
  if (const json::value* pool = object->if_contains("defaultPool")) {
    CARACAL_ASSIGN(const json::object* settings,
                   fields::object(*pool, "network.defaultPool", {"ipv4", "ipv6", "encapsulation"}));
    if (const json::value* ipv4 = settings->if_contains("ipv4")) {
      CARACAL_ASSIGN(out.pool_ipv4,
                     parse_pool(*ipv4, "network.defaultPool.ipv4", net::Family::kIPv4));
    }
    if (const json::value* ipv6 = settings->if_contains("ipv6")) {
      CARACAL_ASSIGN(out.pool_ipv6,
                     parse_pool(*ipv6, "network.defaultPool.ipv6", net::Family::kIPv6));
    }
    if (const json::value* mode = settings->if_contains("encapsulation")) {
      CARACAL_ASSIGN(out.encapsulation, fields::choice(*mode, "network.defaultPool.encapsulation",
                                                       {"none", "ipip", "ipip-cross-subnet",
                                                        "vxlan", "vxlan-cross-subnet"}));
    }
  }
  return out;
}

Status parse_racks(const json::object& document, Topology& topology) {
  const json::value* value = document.if_contains("racks");
  if (value == nullptr) {
    if (document.contains("spine")) return invalid("spine", "is of use with racks only");
    return {};
  }
  CARACAL_ASSIGN(const json::array* racks, fields::list(*value, "racks"));
  const bool spine = racks->size() > 1 || document.contains("spine");
  if (spine) {
    SubnetSpec subnet;
    if (const json::value* settings = document.if_contains("spine")) {
      CARACAL_ASSIGN(subnet, parse_subnet(*settings, "spine"));
    }
    subnet.name = "spine";
    topology.subnets.push_back(std::move(subnet));
  }
  for (size_t i = 0; i < racks->size(); ++i)
    CARACAL_TRY(parse_rack((*racks)[i], fmt::format("racks[{}]", i), spine, topology));
  return {};
}

Status check_routers(const Topology& topology, std::set<std::string>& names) {
  std::set<std::string> reached;
  for (size_t i = 0; i < topology.routers.size(); ++i) {
    const RouterSpec& router = topology.routers[i];
    const std::string field = fmt::format("routers[{}]", i);
    CARACAL_TRY(fields::check_name(router.name, field + ".name"));
    if (!names.insert(router.name).second) {
      return invalid(field + ".name", fmt::format("\"{}\" is there twice", router.name));
    }
    if (router.subnets.empty()) {
      return invalid(field + ".subnets", "must name the subnets that the router joins");
    }
    std::set<std::string> own;
    for (size_t k = 0; k < router.subnets.size(); ++k) {
      const std::string& subnet = router.subnets[k];
      const std::string where = fmt::format("{}.subnets[{}]", field, k);
      if (topology.find_subnet(subnet) == nullptr) {
        return invalid(where, fmt::format("there is no subnet \"{}\"", subnet));
      }
      if (!own.insert(subnet).second) {
        return invalid(where, fmt::format("\"{}\" is there twice", subnet));
      }
      reached.insert(subnet);
    }
  }
  if (topology.flat()) {
    if (topology.subnets.size() > 1) {
      return invalid("routers", fmt::format("{} subnets and no router that joins them",
                                            topology.subnets.size()));
    }
    return {};
  }
  if (topology.subnets.empty()) return invalid("subnets", "routers need subnets to join");
  for (size_t i = 0; i < topology.subnets.size(); ++i) {
    if (reached.contains(topology.subnets[i].name)) continue;
    return invalid(fmt::format("subnets[{}]", i),
                   fmt::format("no router joins {}: its nodes could not reach the API server",
                               topology.subnets[i].name));
  }
  return {};
}

}  // namespace

std::vector<std::string> NetworkSpec::agent_arguments() const {
  std::vector<std::string> out;
  const auto add = [&out](const char* flag, const std::string& value) {
    if (!value.empty()) out.insert(out.end(), {flag, value});
  };
  add("--ipam", ipam);
  add("--bgp", bgp);
  add("--ip-autodetection", ip_autodetection);
  add("--default-pool-ipv4", pool_ipv4);
  add("--default-pool-ipv6", pool_ipv6);
  add("--default-pool-encapsulation", encapsulation);
  return out;
}

const SubnetSpec* Topology::find_subnet(std::string_view wanted) const {
  for (const SubnetSpec& subnet : subnets) {
    if (subnet.name == wanted) return &subnet;
  }
  return nullptr;
}

Status parse_network(const json::object& document, Topology& topology) {
  if (const json::value* value = document.if_contains("subnets")) {
    CARACAL_ASSIGN(const json::array* list, fields::list(*value, "subnets"));
    for (size_t i = 0; i < list->size(); ++i) {
      CARACAL_ASSIGN(SubnetSpec one, parse_subnet((*list)[i], fmt::format("subnets[{}]", i)));
      topology.subnets.push_back(std::move(one));
    }
  }
  if (const json::value* value = document.if_contains("routers")) {
    CARACAL_ASSIGN(const json::array* list, fields::list(*value, "routers"));
    for (size_t i = 0; i < list->size(); ++i) {
      CARACAL_ASSIGN(RouterSpec one, parse_router((*list)[i], fmt::format("routers[{}]", i)));
      topology.routers.push_back(std::move(one));
    }
  }
  CARACAL_TRY(parse_racks(document, topology));
  if (const json::value* value = document.if_contains("network")) {
    CARACAL_ASSIGN(topology.network, parse_settings(*value));
  }
  return {};
}

void network_to_json(const Topology& topology, json::object& out) {
  json::array subnets;
  for (const SubnetSpec& subnet : topology.subnets) {
    json::object one{{"name", subnet.name}, {"cidrs", fields::to_array(subnet.cidrs)}};
    if (subnet.mtu != 0) one["mtu"] = subnet.mtu;
    subnets.emplace_back(std::move(one));
  }
  json::array routers;
  for (const RouterSpec& router : topology.routers) {
    json::object one{{"name", router.name}, {"subnets", fields::text_array(router.subnets)}};
    if (router.bgp) {
      one["bgp"] = json::object{{"as", router.bgp->as}, {"nodeAS", router.bgp->node_as}};
    }
    routers.emplace_back(std::move(one));
  }
  json::object network;
  json::object pool;
  const auto put = [](json::object& object, const char* key, const std::string& value) {
    if (!value.empty()) object[key] = value;
  };
  put(network, "ipam", topology.network.ipam);
  put(network, "bgp", topology.network.bgp);
  put(network, "ipAutodetection", topology.network.ip_autodetection);
  put(pool, "ipv4", topology.network.pool_ipv4);
  put(pool, "ipv6", topology.network.pool_ipv6);
  put(pool, "encapsulation", topology.network.encapsulation);
  if (!pool.empty()) network["defaultPool"] = std::move(pool);
  out["subnets"] = std::move(subnets);
  out["routers"] = std::move(routers);
  out["network"] = std::move(network);
}

Status complete_network(Topology& topology) {
  if (topology.subnets.size() > kMaxSubnets) {
    return invalid("subnets", fmt::format("{} are too many; a lab has at most {}",
                                          topology.subnets.size(), kMaxSubnets));
  }
  if (topology.routers.size() > kMaxRouters) {
    return invalid("routers", fmt::format("{} are too many; a lab has at most {}",
                                          topology.routers.size(), kMaxRouters));
  }
  std::set<std::string> names;
  std::vector<std::pair<std::string, net::Cidr>> taken;
  for (size_t i = 0; i < topology.subnets.size(); ++i) {
    SubnetSpec& subnet = topology.subnets[i];
    const std::string field = fmt::format("subnets[{}]", i);
    CARACAL_TRY(fields::check_name(subnet.name, field + ".name"));
    if (!names.insert(subnet.name).second) {
      return invalid(field + ".name", fmt::format("\"{}\" is there twice", subnet.name));
    }
    std::erase_if(subnet.cidrs,
                  [&](const net::Cidr& cidr) { return !topology.has(cidr.family()); });
    CARACAL_TRY(fields::check_one_a_family(subnet.cidrs, field + ".cidrs"));
    for (const net::Cidr& cidr : subnet.cidrs) {
      // Hosts are numbered in the last byte.
      const int most = cidr.family() == net::Family::kIPv4 ? 24 : 64;
      if (cidr.bits() < 8 || cidr.bits() > most) {
        return invalid(field + ".cidrs", fmt::format("{} must have a length of 8 to {} bits",
                                                     cidr.to_string(), most));
      }
      for (const auto& [other, theirs] : taken) {
        if (fields::overlap(cidr, theirs)) {
          return invalid(field + ".cidrs",
                         fmt::format("{} overlaps {} of subnet {}", cidr.to_string(),
                                     theirs.to_string(), other));
        }
      }
      taken.emplace_back(subnet.name, cidr);
    }
  }
  std::set<std::string> owners;
  for (const NodeSpec& node : topology.nodes) owners.insert(node.name);
  CARACAL_TRY(check_routers(topology, owners));
  for (size_t i = 0; i < topology.nodes.size(); ++i) {
    NodeSpec& node = topology.nodes[i];
    const std::string field = fmt::format("nodes[{}].subnet", i);
    if (node.subnet.empty() && !topology.subnets.empty())
      node.subnet = topology.subnets.front().name;
    if (node.subnet.empty() || topology.find_subnet(node.subnet) != nullptr) continue;
    return invalid(field, fmt::format("there is no subnet \"{}\"", node.subnet));
  }
  return {};
}

}  // namespace caracal::lab
