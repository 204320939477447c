#include "bgp/render_bird.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "bgp/bird_text.h"
#include "bgp/render_filter.h"

namespace caracal::bgp {
namespace {

using Out = std::back_insert_iterator<std::string>;

// Protocol number of the agent's own routes (docs/OWNERSHIP.md).
constexpr int kAgentProtocol = 202;
// What the field of RFC 4724 holds.
constexpr uint32_t kLongestRestart = 4095;
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
  if (bfd) fmt::format_to(out, "protocol bfd {{ }}\n");
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
  rule(part.own_blocks, "", "accept");
  rule(part.own_host_blocks, "", "accept");
  rule(part.own_blocks, "+", "reject");
  fmt::format_to(out, "  if proto = \"services_{}\" then accept;\n", suffix);
  // A reflector passes on what others tell of their Services.
  if (config.route_reflector) rule(part.service_ranges, "+", "accept");
  rule(part.pools, "+", "accept");
  fmt::format_to(out, "  reject;\n}}\n");
}

std::string render_calls(const Config& config, const Session& session, Direction direction) {
  std::string out;
  for (const std::string& name : session.filters) {
    const auto filter = config.filters.find(name);
    if (filter == config.filters.end()) continue;
    if (render_filter(filter->second, direction, session.family()).empty()) continue;
    out += fmt::format("{}({}); ", filter_function(name, direction, session.family()),
                       session.internal() ? "false" : "true");
  }
  return out;
}

std::string render_ends(const Session& session) {
  std::string out = "  local";
  if (session.local_address) out += " " + session.local_address->to_string();
  out += fmt::format(" port {} as {};\n", session.local_port, session.local_as);
  out += fmt::format("  neighbor {} port {} as {};\n", session.address.to_string(), session.port,
                     session.as_number);
  if (const auto interface = bird_string(session.interface);
      !session.interface.empty() && interface) {
    out += fmt::format("  interface {};\n  direct;\n", *interface);
  } else if (session.ttl_security) {
    out += fmt::format("  multihop {};\n  ttl security on;\n", *session.ttl_security);
  } else {
    out += "  multihop;\n";
  }
  return out;
}

void render_session(Out out, const Config& config, const Session& session) {
  const std::string from = !session.source.empty() ? "BGPPeer " + session.source : "node mesh";
  const std::string about =
      session.peer.empty() ? from : fmt::format("{} ({})", session.peer, from);
  fmt::format_to(out, "protocol bgp {} {{\n  description {};\n{}", session.name,
                 bird_description(about), render_ends(session));
  if (session.bind_local) fmt::format_to(out, "  strict bind on;\n");
  if (session.passive) fmt::format_to(out, "  passive on;\n");
  if (!session.password.empty()) {
    // The plan leaves out sessions whose password cannot be written.
    fmt::format_to(out, "  password {};\n", bird_string(session.password).value_or("\"\""));
  }
  fmt::format_to(out,
                 "  connect delay time 2;\n"
                 "  connect retry time 5;\n"
                 "  error wait time 5, 30;\n"
                 "  graceful restart on;\n"
                 "  graceful restart time {};\n",
                 std::min(session.restart_seconds, kLongestRestart));
  if (session.keepalive_seconds)
    fmt::format_to(out, "  keepalive time {};\n", *session.keepalive_seconds);
  if (session.allowed_local_as)
    fmt::format_to(out, "  allow local as {};\n", *session.allowed_local_as);
  if (session.bfd) fmt::format_to(out, "  bfd on;\n");
  if (session.cluster_id) {
    fmt::format_to(out, "  rr client;\n  rr cluster id {};\n", session.cluster_id->to_string());
  }
  fmt::format_to(out, "  {} {{\n    gateway {};\n    add paths on;\n",
                 session.family() == net::Family::kIPv4 ? "ipv4" : "ipv6",
                 session.interface.empty() ? "recursive" : "direct");
  using NextHop = model::BgpPeer::NextHop;
  if (session.next_hop == NextHop::kSelf) fmt::format_to(out, "    next hop self;\n");
  if (session.next_hop == NextHop::kKeep) fmt::format_to(out, "    next hop keep;\n");
  fmt::format_to(out, "    import filter {{ {}{}; }};\n",
                 render_calls(config, session, Direction::kImport),
                 session.import_by_filter_only ? "reject" : "accept");
  fmt::format_to(out, "    export filter {{ {}tell_{}(); reject; }};\n  }};\n}}\n",
                 render_calls(config, session, Direction::kExport),
                 session.family() == net::Family::kIPv4 ? "v4" : "v6");
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
  for (const Session& session : config.sessions) {
    text += '\n';
    render_session(out, config, session);
  }
  return text;
}

}  // namespace caracal::bgp
