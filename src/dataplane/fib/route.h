// Route: one entry of the kernel's routing tables as a plain value.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "net/cidr.h"

namespace caracal::dataplane::fib {

enum class RouteType : uint8_t { kUnicast, kBlackhole, kUnreachable, kProhibit, kThrow };
std::string_view to_string(RouteType type);  // "blackhole", ... as `ip route`; "" for kUnicast
enum class RouteScope : uint8_t { kUniverse, kLink };  // as `ip route`: global, link (IPv4 only)

inline constexpr uint32_t kMainTable = 254;

// What makes two routes the same entry. The family is that of the destination.
struct RouteKey {
  net::Cidr destination;
  uint32_t metric = 0;  // 0: the kernel's default (0 for IPv4, 1024 for IPv6)
  uint32_t table = kMainTable;
  auto operator<=>(const RouteKey&) const = default;
  std::string to_string() const;  // "10.0.0.0/24", "10.0.0.0/24 metric 5 table 7"
};

struct Route {
  RouteType type = RouteType::kUnicast;
  RouteScope scope = RouteScope::kUniverse;
  std::optional<net::IpAddr> via;     // next hop
  std::string device;                 // by name; may be empty when `via` tells it
  bool onlink = false;                // `via` is reachable on `device` whatever the routes say
  std::optional<net::IpAddr> source;  // preferred source address
  uint32_t mtu = 0;                   // 0: the device's
  bool operator==(const Route&) const = default;
  std::string to_string() const;  // "via 10.0.0.1 dev eth0 onlink"
};

using RouteTable = std::map<RouteKey, Route>;

struct RouteDelta {
  RouteTable set;  // insert or replace
  std::set<RouteKey> erase;
  bool empty() const { return set.empty() && erase.empty(); }
  bool operator==(const RouteDelta&) const = default;
};

RouteDelta difference(const RouteTable& from, const RouteTable& to);

}  // namespace caracal::dataplane::fib
