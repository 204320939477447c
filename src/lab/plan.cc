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

std::vector<net::IpAddr> Plan::numbered(int host) const {
  std::vector<net::IpAddr> out;
  for (const net::Cidr& cidr : fabric) {
    std::array<uint8_t, 16> bytes{};
    std::copy_n(cidr.address().data(), cidr.address().size(), bytes.begin());
    bytes[cidr.address().size() - 1] = static_cast<uint8_t>(host);
    out.push_back(net::IpAddr::from_bytes(bytes.data(), cidr.address().size()));
  }
  return out;
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

json::value to_json(const Plan& plan) {
  json::array fabric;
  for (const net::Cidr& cidr : plan.fabric) fabric.emplace_back(json::string(cidr.to_string()));
  return {{"topology", to_json(plan.topology)}, {"fabric", fabric}, {"apiPort", plan.api_port}};
}

Result<Plan> parse_plan(std::string_view text, std::string_view source) {
  CARACAL_ASSIGN(const json::value value, jsonio::parse(text));
  Plan plan;
  const json::value* topology = jsonio::get(value, {"topology"});
  if (topology == nullptr) return fail(Errc::kInvalid, fmt::format("{}: no topology", source));
  CARACAL_ASSIGN(plan.topology, parse_topology(jsonio::to_string(*topology), source));
  for (const json::value& entry : jsonio::get_array(value, {"fabric"})) {
    const json::string* prefix = entry.if_string();
    if (prefix == nullptr)
      return fail(Errc::kInvalid, fmt::format("{}: fabric: not a text", source));
    CARACAL_ASSIGN(const net::Cidr cidr, net::Cidr::parse(*prefix));
    plan.fabric.push_back(cidr);
  }
  if (plan.fabric.empty()) return fail(Errc::kInvalid, fmt::format("{}: fabric: empty", source));
  const int64_t port = jsonio::get_int(value, {"apiPort"});
  if (port < 1 || port > 65535) {
    return fail(Errc::kInvalid,
                fmt::format("{}: apiPort {}: must be between 1 and 65535", source, port));
  }
  plan.api_port = static_cast<uint16_t>(port);
  return plan;
}

}  // namespace caracal::lab
