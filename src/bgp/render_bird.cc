#include "bgp/render_bird.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "bgp/bird_text.h"
#include "bgp/render_filter.h"
#include "bgp/render_sessions.h"

namespace caracal::bgp {
namespace {

using Out = std::back_insert_iterator<std::string>;

// Protocol number of the agent's own routes (docs/OWNERSHIP.md).
constexpr int kAgentProtocol = 202;
// Devices of tunnels, ours and others': what the kernel routes over them was put there by whoever
// made the tunnel, and every node does so for itself.
constexpr std::array kTunnelDevices = {"tunl*", "*.calico", "*.cali", "flannel*", "vxlan*"};

// BIRD's classes from the least severe that is wanted on.
std::string log_classes(const std::string& severity) {
  static constexpr std::array kOrder = {"Debug", "Info", "Warning", "Error", "Fatal"};
  static constexpr std::array kClasses = {
      "all", "{ info, remote, warning, error, auth, fatal, bug }",
      "{ warning, error, auth, fatal, bug }", "{ error, fatal, bug }", "{ fatal, bug }"};
  const auto found = std::find(kOrder.begin(), kOrder.end(), severity);
  return kClasses.at(found == kOrder.end() ? 1 : static_cast<size_t>(found - kOrder.begin()));
}

// "[ 10.0.0.0/26+, ... ]". REQUIRES: not empty, since an empty set is no set in that language.
std::string prefix_set(const std::set<net::Cidr>& cidrs, const char* suffix) {
  std::string out = "[ ";
  for (const net::Cidr& cidr : cidrs) {
    if (out.size() > 2) out += ", ";
    out += cidr.to_string() + suffix;
  }
  return out + " ]";
}

void render_head(Out out, const Config& config, const RenderOptions& options) {
  fmt::format_to(out, "{}\n# Written by caracal-agent; changes are overwritten.\n",
                 bird_comment("BGP of node " + config.node));
  const std::string classes = log_classes(config.log_severity);
  const auto file = bird_string(options.log_file);
  const auto aside = bird_string(options.log_file + ".1");
  if (!options.log_file.empty() && file && aside) {
    fmt::format_to(out, "log {} {} {} {};\n", *file, options.log_bytes, *aside, classes);
  } else {
    fmt::format_to(out, "log stderr {};\n", classes);
  }
  fmt::format_to(out,
                 "router id {};\n"
                 "timeformat base iso long ms;\n"
                 "timeformat protocol iso long ms;\n"
                 "graceful restart wait {};\n"
                 "debug protocols {{ states }};\n"
                 "\n"
                 "protocol device {{ scan time 2; }}\n",
                 config.router_id.to_string(), options.recovery_seconds);
  std::string interfaces;
  for (const std::string& pattern : config.ignored_interfaces) {
    if (const auto text = bird_string(pattern)) interfaces += "-" + *text + ", ";
  }
  if (const auto pods = bird_string(options.pod_interface_prefix + "*"))
    interfaces += "-" + *pods + ", ";
  fmt::format_to(out, "protocol direct {{ ipv4; ipv6; interface {}-\"kube-ipvs*\", \"*\"; }}\n",
                 interfaces);
  const bool bfd = std::any_of(config.sessions.begin(), config.sessions.end(),
                               [](const Session& session) { return session.bfd; });
  // A peer that is silent for a second is down (RFC 5880: interval times multiplier; the
  // slower side's interval counts).
  if (bfd) {
    fmt::format_to(out,
                   "protocol bfd {{\n"
                   "  interface \"*\" {{ interval 200 ms; multiplier 5; }};\n"
                   "  multihop {{ interval 200 ms; multiplier 5; }};\n"
                   "}}\n");
  }
}

void render_statics(Out out, const FamilyConfig& part, const char* channel, const char* suffix) {
  const auto blackholes = [&](const char* name, const std::set<net::Cidr>& cidrs) {
    fmt::format_to(out, "protocol static {}_{} {{\n  {};\n", name, suffix, channel);
    for (const net::Cidr& cidr : cidrs)
      fmt::format_to(out, "  route {} blackhole;\n", cidr.to_string());
    fmt::format_to(out, "}}\n");
  };
  blackholes("blocks", part.own_blocks);
  blackholes("services", part.service_routes);
  if (part.peer_routes.empty()) return;
  fmt::format_to(out, "protocol static gateways_{} {{\n  {};\n", suffix, channel);
  for (const auto& [peer, gateway] : part.peer_routes) {
    fmt::format_to(out, "  route {} via {};\n", net::Cidr::host(peer).to_string(),
                   gateway.to_string());
  }
  fmt::format_to(out, "}}\n");
}

// Kernel -> BIRD: routes of others, and the agent's routes to pods of this node (a pod whose
// address is in no block of this node is told by that). The agent's blackholes stand in blocks_v4
// already, and its routes to other nodes are each node's own business.
// BIRD -> kernel: what peers have told, where the agent does not route itself.
void render_kernel(Out out, const FamilyConfig& part, const char* channel, const char* suffix,
                   const RenderOptions& options) {
  const auto pods = bird_string(options.pod_interface_prefix + "*");
  fmt::format_to(out,
                 "filter from_kernel_{} {{\n"
                 "  if krt_source = {} && ! ({}) then reject;\n"
                 "  accept;\n"
                 "}}\n",
                 suffix, kAgentProtocol, pods ? "defined(ifname) && ifname ~ " + *pods : "false");
  fmt::format_to(out, "filter to_kernel_{} {{\n", suffix);
  if (options.withdraw) fmt::format_to(out, "  reject;\n");
  fmt::format_to(out,
                 "  if source = RTS_DEVICE then reject;\n"
                 "  if source = RTS_STATIC && dest = RTD_BLACKHOLE then reject;\n");
  if (!part.service_ranges.empty())
    fmt::format_to(out, "  if net ~ {} then reject;\n", prefix_set(part.service_ranges, "+"));
  if (!part.agent_pools.empty())
    fmt::format_to(out, "  if net ~ {} then reject;\n", prefix_set(part.agent_pools, "+"));
  fmt::format_to(out,
                 "  if ! defined(krt_metric) then krt_metric = {};\n"
                 "  accept;\n"
                 "}}\n"
                 "protocol kernel kernel_{} {{\n"
                 "  {} {{ import filter from_kernel_{}; export filter to_kernel_{}; }};\n"
                 "  learn; {}scan time 1; metric 0; merge paths on; graceful restart;\n"
                 "}}\n",
                 part.metric, suffix, channel, suffix, suffix, options.withdraw ? "" : "persist; ");
}

// What any peer is told, when no BGPFilter has decided before.
void render_tell(Out out, const Config& config, const FamilyConfig& part, const char* suffix) {
  fmt::format_to(out, "function tell_{}() {{\n", suffix);
  const auto rule = [&](const std::set<net::Cidr>& cidrs, const char* pattern,
                        const char* verdict) {
    if (!cidrs.empty())
      fmt::format_to(out, "  if net ~ {} then {};\n", prefix_set(cidrs, pattern), verdict);
  };
  rule(part.hidden_pools, "+", "reject");
  if (!part.peer_routes.empty())
    fmt::format_to(out, "  if proto = \"gateways_{}\" then reject;\n", suffix);
  fmt::format_to(out, "  if source = RTS_INHERIT && defined(ifname) then {{\n");
  for (const char* device : kTunnelDevices)
    fmt::format_to(out, "    if ifname ~ \"{}\" then reject;\n", device);
  fmt::format_to(out, "  }}\n");
  for (const auto& advertisement : part.advertisements) {
    for (const model::BgpCommunity& community : advertisement.communities) {
      fmt::format_to(out, "  if net ~ [ {}+ ] then {}.add({});\n", advertisement.cidr.to_string(),
                     community_attribute(community), render_community(community));
    }
  }
  // A pod's routes lead over its node. Without this the next hop would be the pod, whose address
  // others find by a route that BGP has told, and BIRD does not look for a way twice.
  const bool pods =
      std::any_of(config.sessions.begin(), config.sessions.end(), [&](const Session& session) {
        return session.kind == SessionKind::kLocalWorkload && &config.of(session.family()) == &part;
      });
  if (pods && part.node_address) {
    fmt::format_to(out, "  if proto ~ \"Local_Workload_*\" then bgp_next_hop = {};\n",
                   part.node_address->to_string());
  }
  rule(part.own_blocks, "", "accept");
  rule(part.own_host_blocks, "", "accept");
  rule(part.own_blocks, "+", "reject");
  fmt::format_to(out, "  if proto = \"services_{}\" then accept;\n", suffix);
  // A reflector passes on what others tell of their Services.
  if (config.route_reflector) rule(part.service_ranges, "+", "accept");
  rule(part.pools, "+", "accept");
  fmt::format_to(out, "  reject;\n}}\n");
}

}  // namespace

std::string render_bird(const Config& config, const RenderOptions& options) {
  std::string text;
  const Out out(text);
  render_head(out, config, options);
  for (const net::Family family : net::kFamilies) {
    const FamilyConfig& part = config.of(family);
    const char* channel = family == net::Family::kIPv4 ? "ipv4" : "ipv6";
    const char* suffix = family == net::Family::kIPv4 ? "v4" : "v6";
    text += '\n';
    render_statics(out, part, channel, suffix);
    render_kernel(out, part, channel, suffix, options);
    render_tell(out, config, part, suffix);
  }
  if (options.withdraw) return text;
  for (const auto& [name, filter] : config.filters) {
    for (const net::Family family : net::kFamilies) {
      text += render_filter(filter, Direction::kImport, family);
      text += render_filter(filter, Direction::kExport, family);
    }
  }
  if (!config.sessions.empty()) text += '\n' + render_sessions(config);
  return text;
}

}  // namespace caracal::bgp
