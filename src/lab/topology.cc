#include "lab/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "jsonio/yaml.h"
#include "lab/topology_fields.h"
#include "lab/topology_network.h"

namespace caracal::lab {
namespace {

constexpr int kMaxNodes = 200;  // node N is host number N + 10 of the fabric's /24

using fields::invalid;
using fields::overlap;
using fields::to_array;

Result<NodeSpec> parse_node(const json::value& value, const std::string& field) {
  CARACAL_ASSIGN(const json::object* object,
                 fields::object(value, field, {"name", "labels", "podCIDRs", "subnet", "mtu"}));
  NodeSpec node;
  if (const json::value* name = object->if_contains("name")) {
    CARACAL_ASSIGN(node.name, fields::text(*name, field + ".name"));
  }
  if (const json::value* subnet = object->if_contains("subnet")) {
    CARACAL_ASSIGN(node.subnet, fields::text(*subnet, field + ".subnet"));
  }
  if (const json::value* mtu = object->if_contains("mtu")) {
    CARACAL_ASSIGN(const int64_t n, fields::number(*mtu, field + ".mtu", 1280, 65'535));
    node.mtu = static_cast<int>(n);
  }
  if (const json::value* labels = object->if_contains("labels")) {
    const json::object* map = labels->if_object();
    if (map == nullptr) return invalid(field + ".labels", "must be an object of texts");
    for (const auto& member : *map) {
      const json::string* text = member.value().if_string();
      if (text == nullptr) {
        return invalid(field + ".labels." + std::string(member.key()),
                       jsonio::to_string(member.value()) + " is not a text (quote it)");
      }
      node.labels[std::string(member.key())] = std::string(*text);
    }
  }
  if (const json::value* list = object->if_contains("podCIDRs")) {
    CARACAL_ASSIGN(node.pod_cidrs, fields::cidrs(*list, field + ".podCIDRs"));
  }
  return node;
}

// `nodes`, or `nodeCount` of them, shared out among the subnets in their order.
Status parse_nodes(const json::object& document, Topology& topology) {
  const json::value* count = document.if_contains("nodeCount");
  const json::value* nodes = document.if_contains("nodes");
  if (count != nullptr) {
    if (nodes != nullptr) return invalid("nodeCount", "excludes nodes");
    CARACAL_ASSIGN(const int64_t n, fields::number(*count, "nodeCount", 1, kMaxNodes));
    const auto total = static_cast<size_t>(n);
    std::vector<std::string> subnets;
    if (const json::value* value = document.if_contains("subnets")) {
      CARACAL_ASSIGN(const json::array* list, fields::list(*value, "subnets"));
      for (const json::value& one : *list) subnets.emplace_back(jsonio::get_string(one, {"name"}));
    }
    for (size_t i = 0; i < total; ++i) {
      topology.nodes.push_back(
          {.name = fmt::format("node{}", i + 1),
           .labels = {},
           .subnet = subnets.empty() ? "" : subnets[i * subnets.size() / total]});
    }
  }
  if (nodes == nullptr) return {};
  CARACAL_ASSIGN(const json::array* list, fields::list(*nodes, "nodes"));
  for (size_t i = 0; i < list->size(); ++i) {
    CARACAL_ASSIGN(NodeSpec node, parse_node((*list)[i], fmt::format("nodes[{}]", i)));
    if (node.name.empty()) node.name = fmt::format("node{}", i + 1);
    topology.nodes.push_back(std::move(node));
  }
  return {};
}

Result<json::array> parse_objects(const json::value& value) {
  CARACAL_ASSIGN(const json::array* list, fields::list(value, "objects"));
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string field = fmt::format("objects[{}]", i);
    for (const auto& path :
         {std::vector<std::string_view>{"apiVersion"}, {"kind"}, {"metadata", "name"}}) {
      const json::value* found = &(*list)[i];
      for (const std::string_view part : path) {
        if (found != nullptr) found = jsonio::get(*found, {part});
      }
      if (found == nullptr || !found->is_string()) {
        return invalid(fmt::format("{}.{}", field, fmt::join(path, ".")), "must be a text");
      }
    }
  }
  return *list;
}

Result<Topology> parse_document(const json::value& document) {
  if (!document.is_object()) return fail(Errc::kInvalid, "a topology is an object");
  CARACAL_ASSIGN(
      const json::object* object,
      fields::object(document, "",
                     {"name", "families", "podNetworks", "nodes", "nodeCount", "outside", "subnets",
                      "routers", "racks", "spine", "network", "agentArguments", "objects"}));
  Topology topology;
  if (const json::value* name = object->if_contains("name")) {
    CARACAL_ASSIGN(topology.name, fields::text(*name, "name"));
  }
  if (const json::value* families = object->if_contains("families")) {
    CARACAL_ASSIGN(const std::vector<std::string> list, fields::texts(*families, "families"));
    topology.families.clear();
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i] != "IPv4" && list[i] != "IPv6") {
        return invalid(fmt::format("families[{}]", i),
                       fmt::format("\"{}\" is none of IPv4, IPv6", list[i]));
      }
      topology.families.push_back(list[i] == "IPv4" ? net::Family::kIPv4 : net::Family::kIPv6);
    }
  }
  if (const json::value* networks = object->if_contains("podNetworks")) {
    CARACAL_ASSIGN(topology.pod_networks, fields::cidrs(*networks, "podNetworks"));
  }
  CARACAL_TRY(parse_nodes(*object, topology));
  CARACAL_TRY(parse_network(*object, topology));
  if (const json::value* list = object->if_contains("agentArguments")) {
    CARACAL_ASSIGN(topology.agent_arguments, fields::texts(*list, "agentArguments"));
  }
  if (const json::value* list = object->if_contains("objects")) {
    CARACAL_ASSIGN(topology.objects, parse_objects(*list));
  }
  if (const json::value* outside = object->if_contains("outside")) {
    CARACAL_ASSIGN(const std::vector<std::string> list, fields::texts(*outside, "outside"));
    for (size_t i = 0; i < list.size(); ++i) {
      auto address = net::IpAddr::parse(list[i]);
      if (!address) {
        return invalid(fmt::format("outside[{}]", i),
                       fmt::format("\"{}\" is not an IPv4 or IPv6 address", list[i]));
      }
      topology.outside.push_back(*address);
    }
  }
  CARACAL_TRY(complete(topology));
  return topology;
}

// The number-th subnet (0, 1, ...) of `network` that a node gets: a /24 or a /64.
Result<net::Cidr> node_share(const net::Cidr& network, int number) {
  const int bits = network.family() == net::Family::kIPv4 ? 24 : 64;
  if (network.bits() > bits - 8) {
    return fail(
        Errc::kInvalid,
        fmt::format("podNetworks: {} is too small for a /{} for each node; it must be a /{} "
                    "or larger",
                    network.to_string(), bits, bits - 8));
  }
  std::array<uint8_t, 16> bytes{};
  std::copy_n(network.address().data(), network.address().size(), bytes.begin());
  const auto low = static_cast<size_t>(bits / 8 - 1);
  bytes[low] = static_cast<uint8_t>(number);
  return net::Cidr(net::IpAddr::from_bytes(bytes.data(), network.address().size()), bits);
}

}  // namespace

json::value to_json(const Topology& topology) {
  json::array nodes;
  for (const NodeSpec& node : topology.nodes) {
    json::object labels;
    for (const auto& [key, value] : node.labels) labels[key] = value;
    json::object one{
        {"name", node.name}, {"labels", labels}, {"podCIDRs", to_array(node.pod_cidrs)}};
    if (!node.subnet.empty()) one["subnet"] = node.subnet;
    if (node.mtu != 0) one["mtu"] = node.mtu;
    nodes.emplace_back(std::move(one));
  }
  json::array families;
  for (const net::Family family : topology.families) families.emplace_back(net::to_string(family));
  json::object out{{"name", topology.name},
                   {"families", families},
                   {"podNetworks", to_array(topology.pod_networks)},
                   {"nodes", nodes},
                   {"outside", to_array(topology.outside)},
                   {"agentArguments", fields::text_array(topology.agent_arguments)},
                   {"objects", topology.objects}};
  network_to_json(topology, out);
  return out;
}

bool Topology::has(net::Family family) const {
  return std::find(families.begin(), families.end(), family) != families.end();
}

Status check_lab_name(std::string_view name) {
  const bool ok = !name.empty() && name.size() <= 8 && name[0] >= 'a' && name[0] <= 'z' &&
                  name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == name.npos;
  if (ok) return {};
  return fail(Errc::kInvalid,
              fmt::format("lab name \"{}\": must be 1 to 8 lower-case letters and digits, "
                          "beginning with a letter",
                          name));
}

Result<Topology> parse_topology(std::string_view yaml, std::string_view source) {
  auto documents = jsonio::parse_yaml(yaml);
  if (!documents) return fail(documents.error().within(source));
  if (documents->size() > 1) {
    return fail(Errc::kInvalid, fmt::format("{}: holds {} documents; a topology is one", source,
                                            documents->size()));
  }
  auto topology =
      parse_document(documents->empty() ? json::value(json::object()) : documents->front());
  if (!topology) return fail(topology.error().within(source));
  return topology;
}

Result<Topology> default_topology(std::string_view name, int count,
                                  std::vector<net::Family> families) {
  Topology topology;
  topology.name = name;
  topology.families = std::move(families);
  for (int i = 1; i <= count; ++i) topology.nodes.push_back({.name = fmt::format("node{}", i)});
  CARACAL_TRY(complete(topology));
  return topology;
}

Status complete(Topology& topology) {
  CARACAL_TRY(check_lab_name(topology.name));
  if (topology.families.empty() || topology.families.size() > 2 ||
      (topology.families.size() == 2 && topology.families[0] == topology.families[1])) {
    return fail(Errc::kInvalid, "families: must be [IPv4], [IPv6] or both, each once");
  }
  if (topology.nodes.empty()) {
    for (int i = 1; i <= 3; ++i) topology.nodes.push_back({.name = fmt::format("node{}", i)});
  }
  if (topology.nodes.size() > kMaxNodes) {
    return fail(Errc::kInvalid, fmt::format("nodes: {} are too many; a lab has at most {}",
                                            topology.nodes.size(), kMaxNodes));
  }
  for (const net::Family family : net::kFamilies) {
    const auto of_family = [family](const auto& cidr) { return cidr.family() == family; };
    const auto count =
        std::count_if(topology.pod_networks.begin(), topology.pod_networks.end(), of_family);
    if (count > 1) {
      return fail(Errc::kInvalid, fmt::format("podNetworks: {} of family {}; at most one", count,
                                              to_string(family)));
    }
    if (count == 0) {
      topology.pod_networks.push_back(*net::Cidr::parse(
          family == net::Family::kIPv4 ? "192.168.0.0/16" : "fd00:ca2a:ca1::/48"));
    }
  }
  if (topology.outside.empty()) {
    // One address inside what examples/allow-cidr-except.yaml lets in, one inside its exception.
    for (const char* text :
         {"198.51.100.10", "198.51.100.70", "2001:db8:100::10", "2001:db8:100:bad::10"}) {
      topology.outside.push_back(*net::IpAddr::parse(text));
    }
  }
  const auto foreign = [&](const auto& value) { return !topology.has(value.family()); };
  std::erase_if(topology.pod_networks, foreign);
  std::erase_if(topology.outside, foreign);

  std::set<std::string> names;
  std::vector<std::pair<std::string, net::Cidr>> taken;
  for (size_t i = 0; i < topology.nodes.size(); ++i) {
    NodeSpec& node = topology.nodes[i];
    const std::string field = fmt::format("nodes[{}]", i);
    CARACAL_TRY(fields::check_name(node.name, field + ".name"));
    if (!names.insert(node.name).second) {
      return invalid(field + ".name", fmt::format("\"{}\" is there twice", node.name));
    }
    std::erase_if(node.pod_cidrs, foreign);
    for (const net::Family family : topology.families) {
      const auto mine = [family](const net::Cidr& c) { return c.family() == family; };
      const auto count = std::count_if(node.pod_cidrs.begin(), node.pod_cidrs.end(), mine);
      if (count > 1) {
        return invalid(field + ".podCIDRs",
                       fmt::format("{} of family {}; at most one", count, to_string(family)));
      }
      if (count == 1) continue;
      const auto network =
          std::find_if(topology.pod_networks.begin(), topology.pod_networks.end(), mine);
      CARACAL_ASSIGN(const net::Cidr share, node_share(*network, static_cast<int>(i) + 1));
      node.pod_cidrs.push_back(share);
    }
    std::stable_sort(node.pod_cidrs.begin(), node.pod_cidrs.end(),
                     [&](const auto& a, const auto& b) {
                       return a.family() != b.family() && a.family() == topology.families.front();
                     });
    for (const net::Cidr& cidr : node.pod_cidrs) {
      for (const auto& [other, theirs] : taken) {
        if (overlap(cidr, theirs)) {
          return invalid(field + ".podCIDRs",
                         fmt::format("{} overlaps {} of node {}", cidr.to_string(),
                                     theirs.to_string(), other));
        }
      }
      taken.emplace_back(node.name, cidr);
    }
  }
  return complete_network(topology);
}

}  // namespace caracal::lab
