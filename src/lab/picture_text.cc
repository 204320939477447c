#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lab/picture.h"

namespace caracal::lab {
namespace {

constexpr size_t kPodsShown = 4;
constexpr size_t kRoutesShown = 8;
constexpr size_t kSessionsShown = 8;

std::string listed(const std::vector<std::string>& values, size_t shown) {
  std::string out;
  for (size_t i = 0; i < values.size() && i < shown; ++i) out += (i == 0 ? "" : ", ") + values[i];
  if (values.size() > shown) out += fmt::format(" and {} more", values.size() - shown);
  return out;
}

struct Entry {
  std::string head;
  std::vector<std::string> lines;
};

std::string route_text(const PictureRoute& route) {
  return fmt::format("{} to {}: {} by {}{}{}", route.to.to_string(), route.owner, route.path,
                     route.device, route.via.empty() ? "" : " via " + route.via,
                     route.bgp ? " (BGP)" : "");
}

std::vector<std::string> sessions_of(const Picture& picture, const std::string& place) {
  std::vector<std::string> out;
  for (const PictureSession& session : picture.sessions) {
    if (session.from != place && session.to != place) continue;
    const std::string& other = session.from == place ? session.to : session.from;
    out.push_back(fmt::format("bgp     {} {}", other, session.state));
  }
  return out;
}

// A node's own: peer, state, since when, and why not.
std::vector<std::string> own_sessions(const PictureNode& node, const cli::Style& style) {
  std::vector<std::string> out;
  for (size_t i = 0; i < node.sessions.size(); ++i) {
    if (i == kSessionsShown) {
      const auto up = std::count_if(node.sessions.begin(), node.sessions.end(),
                                    [](const PictureSession& one) { return one.established; });
      out.push_back(fmt::format("        and {} more; {} of {} are up", node.sessions.size() - i,
                                up, node.sessions.size()));
      break;
    }
    const PictureSession& one = node.sessions[i];
    out.push_back(fmt::format(
        "bgp     {}{} ({}): {}{}{}{}{}", one.to, one.to == one.address ? "" : " " + one.address,
        one.kind, one.established ? style.green : style.red, one.state, style.reset,
        one.since.empty() ? "" : " since " + one.since, one.why.empty() ? "" : "; " + one.why));
  }
  return out;
}

Entry node_entry(const Picture& picture, const PictureNode& node, const cli::Style& style) {
  Entry out;
  const bool ready = node.state == "ready";
  out.head = fmt::format("{}{}{}   {}   {}{}{}   mtu {}", style.bold, node.name, style.reset,
                         fmt::join(node.addresses, " "), ready ? style.green : style.red,
                         node.state, style.reset, node.mtu);
  if (!node.blocks.empty()) out.lines.push_back("blocks  " + listed(node.blocks, 6));
  out.lines.push_back(fmt::format("pods    {}{}", node.pods.size(),
                                  node.pods.empty() ? "" : ": " + listed(node.pods, kPodsShown)));
  for (const PictureTunnel& tunnel : node.tunnels) {
    out.lines.push_back(fmt::format("tunnel  {} {} mtu {}", tunnel.device,
                                    fmt::join(tunnel.addresses, " "), tunnel.mtu));
  }
  for (size_t i = 0; i < node.routes.size(); ++i) {
    if (i == kRoutesShown) {
      out.lines.push_back(fmt::format("        and {} more", node.routes.size() - i));
      break;
    }
    out.lines.push_back("route   " + route_text(node.routes[i]));
  }
  // Without an answer of its agent: what its sockets and its peers show.
  for (std::string& line :
       node.sessions.empty() ? sessions_of(picture, node.name) : own_sessions(node, style))
    out.lines.push_back(std::move(line));
  return out;
}

json::array texts(const std::vector<std::string>& values) {
  json::array out;
  for (const std::string& value : values) out.emplace_back(json::string(value));
  return out;
}

json::object session_json(const PictureSession& session) {
  json::object out{{"from", session.from},
                   {"to", session.to},
                   {"address", session.address},
                   {"established", session.established},
                   {"state", session.state}};
  for (const auto& [name, value] :
       {std::pair("kind", &session.kind), {"since", &session.since}, {"whyNotUp", &session.why}}) {
    if (!value->empty()) out[name] = *value;
  }
  return out;
}

}  // namespace

std::string picture_text(const Picture& picture, const cli::Style& style) {
  std::string out = fmt::format("{}lab {}{}   {} nodes, {} routers\n", style.bold, picture.name,
                                style.reset, picture.nodes.size(), picture.routers.size());
  for (size_t s = 0; s < picture.segments.size(); ++s) {
    const PictureSegment& segment = picture.segments[s];
    std::vector<Entry> entries;
    if (s == 0) {
      entries.push_back(
          {fmt::format("host   {}   API server {}", picture.host_address, picture.api), {}});
      entries.push_back({fmt::format("outside   {}", listed(picture.outside, 6)), {}});
    }
    for (const PictureRouter& router : picture.routers) {
      for (const PictureLeg& leg : router.legs) {
        if (leg.segment != segment.name) continue;
        Entry entry{fmt::format("{}{}{}   {} on {}", style.bold, router.name, style.reset,
                                fmt::join(leg.addresses, " "), leg.device),
                    {}};
        if (router.as != 0) entry.head += fmt::format("   AS {}", router.as);
        if (&leg == &router.legs.front()) {
          entry.lines = sessions_of(picture, router.name);
          if (router.routes > 0)
            entry.lines.push_back(fmt::format("routes  {} to blocks", router.routes));
        }
        entries.push_back(std::move(entry));
      }
    }
    for (const PictureNode& node : picture.nodes) {
      if (node.segment == segment.name) entries.push_back(node_entry(picture, node, style));
    }
    out += fmt::format("{}   {}\n", segment.name, fmt::join(segment.cidrs, " "));
    for (size_t i = 0; i < entries.size(); ++i) {
      const bool last = i + 1 == entries.size();
      out += fmt::format("{}─ {}\n", last ? "└" : "├", entries[i].head);
      for (const std::string& line : entries[i].lines)
        out += fmt::format("{}     {}\n", last ? " " : "│", line);
    }
  }
  for (const std::string& fault : picture.faults)
    out += fmt::format("{}fault: {}{}\n", style.red, fault, style.reset);
  for (const std::string& warning : picture.warnings)
    out += fmt::format("{}{}{}\n", style.yellow, warning, style.reset);
  return out;
}

json::value to_json(const Picture& picture) {
  json::array segments, routers, nodes, sessions;
  for (const PictureSegment& segment : picture.segments)
    segments.push_back(json::object{{"name", segment.name}, {"cidrs", texts(segment.cidrs)}});
  for (const PictureRouter& router : picture.routers) {
    json::array legs;
    for (const PictureLeg& leg : router.legs) {
      legs.push_back(json::object{
          {"segment", leg.segment}, {"device", leg.device}, {"addresses", texts(leg.addresses)}});
    }
    routers.push_back(json::object{
        {"name", router.name}, {"as", router.as}, {"legs", legs}, {"routes", router.routes}});
  }
  for (const PictureNode& node : picture.nodes) {
    json::array tunnels, routes;
    for (const PictureTunnel& tunnel : node.tunnels) {
      tunnels.push_back(json::object{{"kind", tunnel.kind},
                                     {"device", tunnel.device},
                                     {"addresses", texts(tunnel.addresses)},
                                     {"mtu", tunnel.mtu}});
    }
    for (const PictureRoute& route : node.routes) {
      routes.push_back(json::object{{"to", route.to.to_string()},
                                    {"node", route.owner},
                                    {"device", route.device},
                                    {"via", route.via},
                                    {"path", route.path},
                                    {"bgp", route.bgp}});
    }
    json::array own;
    for (const PictureSession& session : node.sessions) own.push_back(session_json(session));
    json::object annotations;
    for (const auto& [key, value] : node.annotations) annotations[key] = value;
    nodes.push_back(json::object{{"name", node.name},
                                 {"segment", node.segment},
                                 {"addresses", texts(node.addresses)},
                                 {"mtu", node.mtu},
                                 {"state", node.state},
                                 {"blocks", texts(node.blocks)},
                                 {"pods", texts(node.pods)},
                                 {"tunnels", tunnels},
                                 {"routes", routes},
                                 {"sessions", own},
                                 {"annotations", annotations}});
  }
  for (const PictureSession& session : picture.sessions) sessions.push_back(session_json(session));
  return {{"name", picture.name},
          {"api", picture.api},
          {"outside", texts(picture.outside)},
          {"segments", segments},
          {"routers", routers},
          {"nodes", nodes},
          {"sessions", sessions},
          {"faults", texts(picture.faults)},
          {"warnings", texts(picture.warnings)}};
}

}  // namespace caracal::lab
