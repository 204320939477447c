#include "dataplane/fib/route_message.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "netlink/attributes.h"

namespace caracal::dataplane::fib {
namespace {

using netlink::Attribute;
using netlink::Attributes;

// The kernel's default for IPv6 routes without a metric (IP6_RT_PRIO_USER).
constexpr uint32_t kDefaultMetricV6 = 1024;
constexpr size_t kMaxName = 15;

uint8_t kernel_type(RouteType type) {
  switch (type) {
    case RouteType::kUnicast:
      return RTN_UNICAST;
    case RouteType::kBlackhole:
      return RTN_BLACKHOLE;
    case RouteType::kUnreachable:
      return RTN_UNREACHABLE;
    case RouteType::kProhibit:
      return RTN_PROHIBIT;
    case RouteType::kThrow:
      return RTN_THROW;
  }
  return RTN_UNICAST;
}

std::optional<RouteType> route_type(uint8_t type) {
  switch (type) {
    case RTN_UNICAST:
      return RouteType::kUnicast;
    case RTN_BLACKHOLE:
      return RouteType::kBlackhole;
    case RTN_UNREACHABLE:
      return RouteType::kUnreachable;
    case RTN_PROHIBIT:
      return RouteType::kProhibit;
    case RTN_THROW:
      return RouteType::kThrow;
    default:
      return std::nullopt;
  }
}

std::optional<net::IpAddr> address_in(const Attribute& attribute) {
  const size_t size = attribute.payload.size();
  if (size != 4 && size != 16) return std::nullopt;
  return net::IpAddr::from_bytes(attribute.payload.data(), size);
}

rtmsg header_for(const RouteKey& key, const Route& route, uint8_t protocol) {
  rtmsg header{};
  header.rtm_family = key.destination.family() == net::Family::kIPv4 ? AF_INET : AF_INET6;
  header.rtm_dst_len = static_cast<uint8_t>(key.destination.bits());
  header.rtm_table = key.table < 256 ? static_cast<uint8_t>(key.table) : uint8_t{RT_TABLE_UNSPEC};
  header.rtm_protocol = protocol;
  header.rtm_type = kernel_type(route.type);
  // IPv6 has no scopes; the kernel ignores the field there.
  header.rtm_scope =
      route.scope == RouteScope::kLink ? uint8_t{RT_SCOPE_LINK} : uint8_t{RT_SCOPE_UNIVERSE};
  return header;
}

void put_address(netlink::MessageBatch& batch, uint16_t type, const net::IpAddr& address) {
  batch.put(type, address.data(), address.size());
}

void put_key(netlink::MessageBatch& batch, const RouteKey& key) {
  put_address(batch, RTA_DST, key.destination.address());
  batch.put_u32(RTA_TABLE, key.table);
  if (key.metric != 0) batch.put_u32(RTA_PRIORITY, key.metric);
}

}  // namespace

std::optional<KernelRoute> parse_route(const nlmsghdr* message) {
  const auto* header = netlink::header_of<rtmsg>(message);
  if (header == nullptr || (header->rtm_family != AF_INET && header->rtm_family != AF_INET6))
    return std::nullopt;
  if ((header->rtm_flags & RTM_F_CLONED) != 0) return std::nullopt;
  const auto type = route_type(header->rtm_type);
  if (!type) return std::nullopt;
  const bool v4 = header->rtm_family == AF_INET;

  KernelRoute out;
  net::IpAddr destination = net::IpAddr::first(v4 ? net::Family::kIPv4 : net::Family::kIPv6);
  out.route.type = *type;
  out.protocol = header->rtm_protocol;
  out.key.table = header->rtm_table;
  if (v4 && header->rtm_scope >= RT_SCOPE_LINK) out.route.scope = RouteScope::kLink;
  out.plain = header->rtm_src_len == 0 && header->rtm_tos == 0;
  out.route.onlink = (header->rtm_flags & RTNH_F_ONLINK) != 0;
  for (const Attribute& attribute : Attributes(message, sizeof *header)) {
    switch (attribute.type) {
      case RTA_DST:
        if (const auto address = address_in(attribute)) destination = *address;
        break;
      case RTA_TABLE:
        out.key.table = attribute.u32().value_or(out.key.table);
        break;
      case RTA_PRIORITY:
        out.key.metric = attribute.u32().value_or(0);
        break;
      case RTA_OIF:
        out.device_index = attribute.u32().value_or(0);
        break;
      case RTA_GATEWAY:
        out.route.via = address_in(attribute);
        break;
      case RTA_PREFSRC:
        out.route.source = address_in(attribute);
        break;
      case RTA_METRICS:
        for (const Attribute& metric : Attributes(attribute)) {
          if (metric.type == RTAX_MTU)
            out.route.mtu = metric.u32().value_or(0);
          else
            out.plain = false;
        }
        break;
      case RTA_VIA:
      case RTA_MULTIPATH:
      case RTA_ENCAP:
      case RTA_NH_ID:
      case RTA_SRC:
        out.plain = false;
        break;
      default:
        break;
    }
  }
  if (!v4 && out.key.metric == kDefaultMetricV6) out.key.metric = 0;
  // The kernel puts its loopback behind IPv6 routes that reject.
  if (out.route.type != RouteType::kUnicast) out.device_index = 0;
  if (header->rtm_dst_len > net::address_bits(destination.family())) return std::nullopt;
  out.key.destination = net::Cidr(destination, header->rtm_dst_len);
  return out;
}

void put_new_route(netlink::MessageBatch& batch, uint32_t sequence, uint16_t flags,
                   const RouteKey& key, const Route& route, uint32_t device_index,
                   uint8_t protocol) {
  rtmsg header = header_for(key, route, protocol);
  if (route.onlink) header.rtm_flags = RTNH_F_ONLINK;
  batch.begin(RTM_NEWROUTE, static_cast<uint16_t>(NLM_F_REQUEST | flags), sequence, header);
  put_key(batch, key);
  if (route.via) put_address(batch, RTA_GATEWAY, *route.via);
  if (device_index != 0) batch.put_u32(RTA_OIF, device_index);
  if (route.source) put_address(batch, RTA_PREFSRC, *route.source);
  if (route.mtu != 0) {
    const size_t nest = batch.begin_nest(RTA_METRICS);
    batch.put_u32(RTAX_MTU, route.mtu);
    batch.end_nest(nest);
  }
}

void put_delete_route(netlink::MessageBatch& batch, uint32_t sequence, const RouteKey& key,
                      const Route& route, uint32_t device_index, uint8_t protocol) {
  rtmsg header = header_for(key, route, protocol);
  header.rtm_scope = RT_SCOPE_NOWHERE;  // any scope
  batch.begin(RTM_DELROUTE, NLM_F_REQUEST, sequence, header);
  put_key(batch, key);
  if (device_index != 0) batch.put_u32(RTA_OIF, device_index);
}

Status validate(const RouteKey& key, const Route& route) {
  const auto bad = [&](std::string_view field, const std::string& why) {
    return fail(Errc::kInvalid, fmt::format("route {}: {}: {}", key.to_string(), field, why));
  };
  const net::Family family = key.destination.family();
  if (key.table == 0) return bad("table", "0 is not a table");
  if (route.via && route.via->family() != family)
    return bad("via", fmt::format("{} is of the other address family", route.via->to_string()));
  if (route.source && route.source->family() != family)
    return bad("source",
               fmt::format("{} is of the other address family", route.source->to_string()));
  if (route.device.size() > kMaxName)
    return bad("device", fmt::format("\"{}\" is longer than {} bytes", route.device, kMaxName));
  if (route.type != RouteType::kUnicast) {
    if (route.via || !route.device.empty())
      return bad("type", "a route that rejects has no next hop");
  } else if (!route.via && route.device.empty()) {
    return bad("device", "a route needs a device or a next hop");
  }
  if (route.onlink && (!route.via || route.device.empty()))
    return bad("onlink", "needs a next hop and a device");
  return {};
}

}  // namespace caracal::dataplane::fib
