#include "cli/node_status_network.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "cli/output.h"

namespace caracal::cli {
namespace {

// The first of several names of a field that is there: as BGP's status has it, as Calico's does.
std::string_view text_of(const json::value& object, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (const std::string_view text = jsonio::get_string(object, {name}); !text.empty())
      return text;
  }
  return {};
}

std::string number_of(const json::value& object, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const json::value* value = jsonio::get(object, {name});
    if (value != nullptr && (value->is_int64() || value->is_uint64()))
      return jsonio::to_string(*value);
  }
  return {};
}

bool session_up(const json::value& peer) {
  if (const json::value* up = jsonio::get(peer, {"up"}); up != nullptr && up->is_bool())
    return up->get_bool();
  const std::string_view state = jsonio::get_string(peer, {"state"});
  return state == "Established" || state == "up";
}

bool tunnel_up(const json::value& tunnel) {
  return jsonio::get_string(tunnel, {"problem"}).empty() &&
         jsonio::get_string(tunnel, {"state"}, "up") == "up";
}

const json::value& network_of(const json::value& status) {
  static const json::value kNone;
  const json::value* network = jsonio::get(status, {"network"});
  return network == nullptr ? kNone : *network;
}

// "2026-01-01 10:00:00" or a time of today, as BIRD says it; RFC 3339 loses its letters.
std::string since_text(std::string_view since) {
  std::string out(since);
  if (out.size() > 10 && out[10] == 'T') out[10] = ' ';
  if (out.ends_with("Z")) out.pop_back();
  return out;
}

std::string peer_name(const json::value& peer) {
  const std::string_view node = jsonio::get_string(peer, {"peer"});
  return std::string(node.empty() ? jsonio::get_string(peer, {"name"}, "-") : node);
}

std::string addresses_line(const json::value& network) {
  std::string out;
  for (const auto& [name, value] : jsonio::get_object(network, {"addresses"})) {
    const json::string* text = value.if_string();
    if (text == nullptr) continue;
    const std::string key(name);
    out += (out.empty() ? "" : ", ") +
           (key.ends_with("Error") ? key.substr(0, key.size() - 5) + ": " + std::string(*text)
                                   : std::string(*text));
  }
  return out;
}

std::string ipam_line(const json::value& network) {
  const std::string mode(jsonio::get_string(network, {"ipam", "mode"}));
  if (mode.empty()) return {};
  std::vector<std::string> ranges;
  for (const char* list : {"blocks", "podCIDRs"}) {
    for (const json::value& one : jsonio::get_array(network, {"ipam", list})) {
      if (const json::string* text = one.if_string()) {
        ranges.emplace_back(*text);
        continue;
      }
      const std::string used = number_of(one, {"used"});
      ranges.push_back(fmt::format("{}{}", jsonio::get_string(one, {"cidr"}),
                                   used.empty() ? "" : fmt::format(" ({} used)", used)));
    }
  }
  std::string out = mode + (ranges.empty() ? ": no block yet" : ": " + join(ranges, ", "));
  if (const int64_t borrowed = jsonio::get_int(network, {"ipam", "borrowed"}); borrowed > 0)
    out += fmt::format(", {} borrowed", borrowed);
  return out;
}

std::string bgp_line(const json::value& bgp) {
  std::string out(jsonio::get_string(bgp, {"state"}));
  if (out.empty()) return {};
  if (const auto version = text_of(bgp, {"version"}); !version.empty())
    out += fmt::format(", {}", version);
  if (const auto id = text_of(bgp, {"routerId", "router_id"}); !id.empty())
    out += fmt::format(", router id {}", id);
  if (const auto booted = text_of(bgp, {"booted"}); !booted.empty())
    out += ", since " + since_text(booted);
  if (jsonio::get_bool(bgp, {"gracefulRestart"})) out += ", graceful restart under way";
  return out;
}

void append_tunnels(const json::value& network, std::string& out) {
  Table table;
  for (const json::value& tunnel : jsonio::get_array(network, {"tunnels"})) {
    const std::string peers = number_of(tunnel, {"peers"});
    table.rows.push_back(
        {"    " + std::string(jsonio::get_string(tunnel, {"device"})),
         std::string(jsonio::get_string(tunnel, {"kind"})),
         std::string(jsonio::get_string(tunnel, {"address"}, "-")),
         peers.empty() ? "" : peers + " peers",
         tunnel_up(tunnel) ? "up" : std::string(text_of(tunnel, {"problem", "state"}))});
  }
  if (!table.rows.empty()) out += "  tunnels\n" + table.to_string();
}

void append_peers(const json::value& bgp, std::string& out) {
  Table table;
  table.header = {"    PEER", "ADDRESS", "TYPE",          "AS",
                  "STATE",    "SINCE",   "ROUTES IN/OUT", "WHY NOT UP"};
  for (const json::value& peer : jsonio::get_array(bgp, {"peers"})) {
    const std::string in = number_of(peer, {"imported"});
    const std::string sent = number_of(peer, {"exported"});
    const bool up = session_up(peer);
    table.rows.push_back(
        {"    " + peer_name(peer), std::string(jsonio::get_string(peer, {"address"})),
         std::string(jsonio::get_string(peer, {"kind"})), number_of(peer, {"asNumber", "as"}),
         std::string(jsonio::get_string(peer, {"state"}, "unknown")),
         since_text(jsonio::get_string(peer, {"since"})),
         in.empty() || !up ? "" : fmt::format("{}/{}", in, sent),
         up ? "" : std::string(text_of(peer, {"whyNotUp", "why", "lastError", "info"}))});
  }
  if (!table.rows.empty()) out += table.to_string();
}

}  // namespace

NetworkHealth network_health(const json::value& status) {
  NetworkHealth health;
  const json::value& network = network_of(status);
  health.known = network.is_object();
  if (!health.known) return health;
  for (const json::value& tunnel : jsonio::get_array(network, {"tunnels"})) {
    ++health.tunnels;
    if (tunnel_up(tunnel)) {
      ++health.tunnels_up;
      continue;
    }
    health.troubles.push_back(fmt::format("tunnel {}: {}", jsonio::get_string(tunnel, {"device"}),
                                          text_of(tunnel, {"problem", "state"})));
  }
  const json::value* bgp = jsonio::get(network, {"bgp"});
  if (bgp != nullptr) {
    if (const auto error = text_of(*bgp, {"lastError", "last_error"}); !error.empty())
      health.troubles.push_back("BGP: " + std::string(error));
    for (const json::value& problem : jsonio::get_array(*bgp, {"problems"})) {
      if (const json::string* text = problem.if_string())
        health.troubles.push_back("BGP: " + std::string(*text));
    }
    for (const json::value& peer : jsonio::get_array(*bgp, {"peers"})) {
      ++health.sessions;
      if (session_up(peer)) {
        ++health.sessions_up;
        continue;
      }
      const auto why = text_of(peer, {"whyNotUp", "why", "lastError", "info", "state"});
      health.troubles.push_back(fmt::format("BGP session with {} ({}): {}", peer_name(peer),
                                            jsonio::get_string(peer, {"address"}),
                                            why.empty() ? "not up" : why));
    }
  }
  if (const auto problem = jsonio::get_string(network, {"ipam", "problem"}); !problem.empty())
    health.troubles.push_back("addresses: " + std::string(problem));
  for (const json::value& problem : jsonio::get_array(network, {"problems"})) {
    if (const json::string* text = problem.if_string()) health.troubles.emplace_back(*text);
  }
  return health;
}

std::string network_text(const json::value& status) {
  const json::value& network = network_of(status);
  if (!network.is_object()) return {};
  std::string out;
  const auto line = [&out](std::string_view name, const std::string& value) {
    if (!value.empty()) out += fmt::format("  {:<10} {}\n", name, value);
  };
  line("addresses", addresses_line(network));
  line("MTU", number_of(network, {"mtu"}));
  line("IPAM", ipam_line(network));
  line("routes", number_of(network, {"routes"}));
  append_tunnels(network, out);
  if (const json::value* bgp = jsonio::get(network, {"bgp"}); bgp != nullptr) {
    line("BGP", bgp_line(*bgp));
    append_peers(*bgp, out);
  }
  const NetworkHealth health = network_health(status);
  if (!health.well()) {
    out += "  problems\n";
    for (const std::string& trouble : health.troubles) out += "    " + trouble + "\n";
  }
  return out;
}

std::string sessions_text(const NetworkHealth& health) {
  if (health.sessions == 0) return "-";
  return fmt::format("{}/{} up", health.sessions_up, health.sessions);
}

}  // namespace caracal::cli
