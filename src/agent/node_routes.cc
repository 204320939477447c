#include "agent/node_routes.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>

#include "base/strings.h"
#include "dataplane/fib/route_message.h"
#include "netlink/attributes.h"
#include "netlink/rtnetlink.h"

namespace caracal::agent {
namespace {

using dataplane::fib::RouteType;

constexpr int kAttempts = 20;
constexpr int kRouteLine = 1007;  // BIRD's reply_codes

using LinkNames = std::map<uint32_t, std::string>;

std::string address_text(std::span<const std::byte> bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return {};
  return net::IpAddr::from_bytes(bytes.data(), bytes.size()).to_string();
}

std::string name_of(const LinkNames& links, uint32_t index) {
  const auto found = links.find(index);
  return found == links.end() ? std::string() : found->second;
}

// RTA_GATEWAY, or RTA_VIA: a gateway of the other family (rtvia: the family, then the address).
std::string gateway_in(const netlink::Attribute& attribute) {
  if (attribute.type == RTA_GATEWAY) return address_text(attribute.payload);
  if (attribute.type == RTA_VIA && attribute.payload.size() > sizeof(uint16_t))
    return address_text(attribute.payload.subspan(sizeof(uint16_t)));
  return {};
}

// RTA_MULTIPATH: one rtnexthop with its attributes after the other.
void add_next_hops(std::span<const std::byte> bytes, const LinkNames& links,
                   const KernelNodeRoute& route, std::vector<KernelNodeRoute>& out) {
  while (bytes.size() >= sizeof(rtnexthop)) {
    rtnexthop hop;
    std::memcpy(&hop, bytes.data(), sizeof hop);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > bytes.size()) return;
    KernelNodeRoute one = route;
    one.interface = name_of(links, static_cast<uint32_t>(hop.rtnh_ifindex));
    for (const netlink::Attribute& attribute :
         netlink::Attributes(bytes.subspan(sizeof hop, hop.rtnh_len - sizeof hop))) {
      if (std::string gateway = gateway_in(attribute); !gateway.empty())
        one.gateway = std::move(gateway);
    }
    out.push_back(std::move(one));
    bytes = bytes.subspan(std::min<size_t>(RTNH_ALIGN(hop.rtnh_len), bytes.size()));
  }
}

void add_kernel_route(const nlmsghdr* message, const LinkNames& links,
                      std::vector<KernelNodeRoute>& out) {
  const auto parsed = dataplane::fib::parse_route(message);
  if (!parsed || parsed->key.table != dataplane::fib::kMainTable) return;
  KernelNodeRoute route;
  route.destination = parsed->key.destination;
  route.protocol = parsed->protocol;
  if (parsed->route.type != RouteType::kUnicast) {
    route.interface = to_string(parsed->route.type);
    out.push_back(std::move(route));
    return;
  }
  const netlink::Attributes attributes(message, sizeof(rtmsg));
  if (const auto hops = attributes.find(RTA_MULTIPATH)) {
    return add_next_hops(hops->payload, links, route, out);
  }
  route.interface = name_of(links, parsed->device_index);
  if (parsed->route.via) {
    route.gateway = parsed->route.via->to_string();
  } else if (const auto via = attributes.find(RTA_VIA)) {
    route.gateway = gateway_in(*via);
  }
  out.push_back(std::move(route));
}

// The next word; takes it off the text.
std::string_view take_word(std::string_view& text) {
  text = trim(text);
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view out = text.substr(0, end);
  text.remove_prefix(end);
  return out;
}

// "via 10.0.0.2 on eth0 onlink weight 1" or "dev lo".
void read_next_hop(std::string_view line, BirdNodeRoute& route) {
  for (std::string_view key = take_word(line); !key.empty(); key = take_word(line)) {
    if (key == "via") route.gateway = take_word(line);
    if (key == "on" || key == "dev") route.interface = take_word(line);
  }
}

// What is known of a BGP session by the name of its protocol.
struct Session {
  std::string address;
  bool mesh = false;
};
std::map<std::string, Session, std::less<>> sessions_of(const json::array& peers) {
  std::map<std::string, Session, std::less<>> out;
  for (const json::value& peer : peers) {
    out[std::string(jsonio::get_string(peer, {"name"}))] = {
        std::string(jsonio::get_string(peer, {"address"})),
        jsonio::get_string(peer, {"kind"}) == "node-to-node mesh"};
  }
  return out;
}

json::object learned_from(const Session& session) {
  return {{"sourceType", session.mesh ? "NodeMesh" : "BGPPeer"}, {"peerIP", session.address}};
}

json::object entry(const char* type, const NodeRoute& route, json::object source) {
  return {{"type", type},
          {"destination", route.destination.to_string()},
          {"gateway", route.gateway.empty() ? "N/A" : std::string_view(route.gateway)},
          {"interface", route.interface},
          {"learnedFrom", std::move(source)}};
}

// Of a route that no session told.
std::string_view source_type(const KernelNodeRoute& route, bool bird_known) {
  switch (route.protocol) {
    case RTPROT_KERNEL:
      return "Direct";  // came with an address of an interface
    case RTPROT_STATIC:
      return "Static";
    case RTPROT_BIRD:
      return bird_known ? "Static" : "Kernel";  // of BIRD's own configuration
    default:
      return "Kernel";
  }
}

}  // namespace

Result<std::vector<KernelNodeRoute>> list_kernel_routes(netlink::Socket& socket) {
  CARACAL_ASSIGN(const std::vector<netlink::Link> all, netlink::list_links(socket));
  LinkNames links;
  for (const netlink::Link& link : all) links.emplace(link.index, link.name);
  // A list that a change interrupts is asked for again.
  for (int attempt = 1;; ++attempt) {
    std::vector<KernelNodeRoute> out;
    Status asked;
    for (const uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
      rtmsg header{};
      header.rtm_family = family;
      netlink::Message message(RTM_GETROUTE, NLM_F_DUMP, header);
      asked = socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
        if (answer->nlmsg_type == RTM_NEWROUTE) add_kernel_route(answer, links, out);
        return {};
      });
      if (!asked) break;
    }
    if (asked) return out;
    if (asked.error().code != Errc::kUnavailable || attempt == kAttempts)
      return fail(asked.error().within("cannot list routes"));
  }
}

// 10.0.1.0/26          unicast [Mesh_10_0_0_2 2026-11-23 06:39:46.970 from 10.0.0.9] * (100) [i]
//	via 10.0.0.2 on eth0
//                      unicast [Global_10_0_0_9 ...] (100) [AS65000i]
//	via 10.0.0.9 on eth0
Result<std::vector<BirdNodeRoute>> parse_bird_routes(const bgp::Reply& reply) {
  if (reply.failed()) return fail(Errc::kInvalid, "BIRD: " + reply.text());
  std::vector<BirdNodeRoute> out;
  std::optional<net::Cidr> destination;
  BirdNodeRoute open;  // next hops may follow
  bool is_open = false;
  size_t hops = 0;
  const auto close = [&] {
    if (is_open && hops == 0) out.push_back(open);
    is_open = false;
    hops = 0;
  };
  for (const bgp::ReplyLine& line : reply.lines) {
    if (line.code != kRouteLine) continue;
    std::string_view text = trim(line.text);
    if (text.starts_with("via ") || text.starts_with("dev ")) {
      if (!is_open) continue;
      BirdNodeRoute one = open;
      read_next_hop(text, one);
      out.push_back(std::move(one));
      ++hops;
      continue;
    }
    close();
    const size_t bracket = text.find('[');
    const size_t end = text.find(']', std::min(bracket, text.size()));
    if (bracket == std::string_view::npos || end == std::string_view::npos) {
      destination.reset();  // another table begins, or a kind of route that is not known
      continue;
    }
    std::string_view head = text.substr(0, bracket);
    std::string_view type = take_word(head);
    if (const std::string_view second = take_word(head); !second.empty()) {
      const auto cidr = net::Cidr::parse(type);
      destination = cidr ? std::optional(*cidr) : std::nullopt;
      type = second;
    }
    if (!destination) continue;
    std::string_view inside = text.substr(bracket + 1, end - bracket - 1);
    open = {};
    is_open = true;
    open.destination = *destination;
    open.protocol = take_word(inside);
    std::string_view after = text.substr(end + 1);
    const std::string_view mark = take_word(after);
    open.primary = mark == "*" || mark == "!";
    if (type != "unicast") open.interface = type;
  }
  close();
  return out;
}

RoutesOfFamily routes_of_family(net::Family family, const std::vector<KernelNodeRoute>& kernel,
                                const std::vector<BirdNodeRoute>& bird, const json::array& peers,
                                size_t most) {
  const auto sessions = sessions_of(peers);
  using Hop = std::tuple<net::Cidr, std::string_view, std::string_view>;
  const auto hop = [](const NodeRoute& route) {
    return Hop(route.destination, route.gateway, route.interface);
  };
  std::map<Hop, const Session*> told;  // by BGP, the best
  for (const BirdNodeRoute& route : bird) {
    const auto session = sessions.find(route.protocol);
    if (route.primary && session != sessions.end()) told.emplace(hop(route), &session->second);
  }
  RoutesOfFamily out;
  const auto add = [&](const char* type, const NodeRoute& route, json::object source) {
    if (out.routes.size() >= most) {
      ++out.left_out;
    } else {
      out.routes.push_back(entry(type, route, std::move(source)));
    }
  };
  std::set<Hop> in_kernel;
  for (const KernelNodeRoute& route : kernel) {
    if (route.destination.family() != family) continue;
    const auto from = told.find(hop(route));
    if (route.protocol == RTPROT_BIRD && from != told.end()) {
      in_kernel.insert(hop(route));
      add("FIB", route, learned_from(*from->second));
    } else {
      add("FIB", route, {{"sourceType", source_type(route, !bird.empty())}});
    }
  }
  for (const BirdNodeRoute& route : bird) {
    if (route.destination.family() != family) continue;
    const auto session = sessions.find(route.protocol);
    if (session == sessions.end() || (route.primary && in_kernel.contains(hop(route)))) continue;
    add("RIB", route, learned_from(session->second));
  }
  return out;
}

}  // namespace caracal::agent
