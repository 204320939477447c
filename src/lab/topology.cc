#include "lab/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "jsonio/yaml.h"

namespace caracal::lab {
namespace {

constexpr int kMaxNodes = 200;  // node N is host number N + 10 of the fabric's /24

const std::vector<std::string_view> kTopologyFields = {"name", "families", "podNetworks", "nodes",
                                                       "outside"};
const std::vector<std::string_view> kNodeFields = {"name", "labels", "podCIDRs"};

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > 40) return false;
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  for (const char c : text) {
    if (!alnum(c) && c != '-') return false;
  }
  return alnum(text.front()) && alnum(text.back());
}

tl::unexpected<Error> invalid(const std::string& field, const std::string& what) {
  return fail(Errc::kInvalid, fmt::format("{}: {}", field, what));
}

std::string shown(const json::value& value) { return jsonio::to_string(value); }

Status check_fields(const json::object& object, const std::vector<std::string_view>& known,
                    const std::string& prefix) {
  for (const auto& member : object) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return invalid(prefix + std::string(key),
                     fmt::format("unknown field; known are {}", fmt::join(known, ", ")));
    }
  }
  return {};
}

Result<std::vector<std::string>> texts(const json::value& value, const std::string& field) {
  const json::array* array = value.if_array();
  if (array == nullptr) return invalid(field, shown(value) + " is not a list");
  std::vector<std::string> out;
  for (size_t i = 0; i < array->size(); ++i) {
    const json::string* text = (*array)[i].if_string();
    if (text == nullptr) {
      return invalid(fmt::format("{}[{}]", field, i), shown((*array)[i]) + " is not a text");
    }
    out.emplace_back(*text);
  }
  return out;
}

Result<std::vector<net::Cidr>> cidrs(const json::value& value, const std::string& field) {
  CARACAL_ASSIGN(const std::vector<std::string> list, texts(value, field));
  std::vector<net::Cidr> out;
  for (size_t i = 0; i < list.size(); ++i) {
    auto cidr = net::Cidr::parse(list[i]);
    if (!cidr) {
      return invalid(fmt::format("{}[{}]", field, i),
                     fmt::format("\"{}\" is not an address prefix; valid are for example "
                                 "192.168.0.0/16 and fd00:1::/48",
                                 list[i]));
    }
    out.push_back(*cidr);
  }
  return out;
}

Result<NodeSpec> parse_node(const json::value& value, const std::string& field) {
  const json::object* object = value.if_object();
  if (object == nullptr) return invalid(field, "must be an object with name, labels, podCIDRs");
  CARACAL_TRY(check_fields(*object, kNodeFields, field + "."));
  NodeSpec node;
  if (const json::value* name = object->if_contains("name")) {
    const json::string* text = name->if_string();
    if (text == nullptr) return invalid(field + ".name", shown(*name) + " is not a text");
    node.name = std::string(*text);
  }
  if (const json::value* labels = object->if_contains("labels")) {
    const json::object* map = labels->if_object();
    if (map == nullptr) return invalid(field + ".labels", "must be an object of texts");
    for (const auto& member : *map) {
      const json::string* text = member.value().if_string();
      if (text == nullptr) {
        return invalid(field + ".labels." + std::string(member.key()),
                       shown(member.value()) + " is not a text (quote it)");
      }
      node.labels[std::string(member.key())] = std::string(*text);
    }
  }
  if (const json::value* list = object->if_contains("podCIDRs")) {
    CARACAL_ASSIGN(node.pod_cidrs, cidrs(*list, field + ".podCIDRs"));
  }
  return node;
}

Result<Topology> parse_document(const json::value& document) {
  const json::object* object = document.if_object();
  if (object == nullptr) return fail(Errc::kInvalid, "a topology is an object");
  CARACAL_TRY(check_fields(*object, kTopologyFields, ""));
  Topology topology;
  if (const json::value* name = object->if_contains("name")) {
    const json::string* text = name->if_string();
    if (text == nullptr) return invalid("name", shown(*name) + " is not a text");
    topology.name = std::string(*text);
  }
  if (const json::value* families = object->if_contains("families")) {
    CARACAL_ASSIGN(const std::vector<std::string> list, texts(*families, "families"));
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
    CARACAL_ASSIGN(topology.pod_networks, cidrs(*networks, "podNetworks"));
  }
  if (const json::value* nodes = object->if_contains("nodes")) {
    const json::array* array = nodes->if_array();
    if (array == nullptr) return invalid("nodes", shown(*nodes) + " is not a list");
    for (size_t i = 0; i < array->size(); ++i) {
      CARACAL_ASSIGN(NodeSpec node, parse_node((*array)[i], fmt::format("nodes[{}]", i)));
      if (node.name.empty()) node.name = fmt::format("node{}", i + 1);
      topology.nodes.push_back(std::move(node));
    }
  }
  if (const json::value* outside = object->if_contains("outside")) {
    CARACAL_ASSIGN(const std::vector<std::string> list, texts(*outside, "outside"));
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

bool overlap(const net::Cidr& a, const net::Cidr& b) {
  return a.family() == b.family() && (a.contains(b) || b.contains(a));
}

json::array to_array(const auto& values) {
  json::array out;
  for (const auto& value : values) out.emplace_back(json::string(value.to_string()));
  return out;
}

}  // namespace

json::value to_json(const Topology& topology) {
  json::array nodes;
  for (const NodeSpec& node : topology.nodes) {
    json::object labels;
    for (const auto& [key, value] : node.labels) labels[key] = value;
    nodes.push_back(
        {{"name", node.name}, {"labels", labels}, {"podCIDRs", to_array(node.pod_cidrs)}});
  }
  json::array families;
  for (const net::Family family : topology.families) families.emplace_back(net::to_string(family));
  return {{"name", topology.name},
          {"families", families},
          {"podNetworks", to_array(topology.pod_networks)},
          {"nodes", nodes},
          {"outside", to_array(topology.outside)}};
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
    if (!is_label(node.name)) {
      return invalid(field + ".name",
                     fmt::format("\"{}\": must be 1 to 40 lower-case letters, digits and '-', "
                                 "beginning and ending with a letter or digit",
                                 node.name));
    }
    if (node.name == "fabric" || node.name == "outside") {
      return invalid(field + ".name",
                     fmt::format("\"{}\" is the name of another part of the lab", node.name));
    }
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
  return {};
}

}  // namespace caracal::lab
