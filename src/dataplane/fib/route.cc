#include "dataplane/fib/route.h"

#include <fmt/format.h>

namespace caracal::dataplane::fib {
std::string_view to_string(RouteType type) {
  switch (type) {
    case RouteType::kUnicast:
      return "";
    case RouteType::kBlackhole:
      return "blackhole";
    case RouteType::kUnreachable:
      return "unreachable";
    case RouteType::kProhibit:
      return "prohibit";
    case RouteType::kThrow:
      return "throw";
  }
  return "";
}

std::string RouteKey::to_string() const {
  std::string out = destination.to_string();
  if (metric != 0) out += fmt::format(" metric {}", metric);
  if (table != kMainTable) out += fmt::format(" table {}", table);
  return out;
}

std::string Route::to_string() const {
  std::string out(fib::to_string(type));
  const auto add = [&](std::string_view text) {
    if (!out.empty()) out += ' ';
    out += text;
  };
  if (via) add("via " + via->to_string());
  if (!device.empty()) add("dev " + device);
  if (onlink) add("onlink");
  if (scope == RouteScope::kLink) add("scope link");
  if (source) add("src " + source->to_string());
  if (mtu != 0) add(fmt::format("mtu {}", mtu));
  return out;
}

RouteDelta difference(const RouteTable& from, const RouteTable& to) {
  RouteDelta delta;
  for (const auto& [key, route] : from)
    if (!to.contains(key)) delta.erase.insert(key);
  for (const auto& [key, route] : to) {
    const auto found = from.find(key);
    if (found == from.end() || found->second != route) delta.set.emplace(key, route);
  }
  return delta;
}

}  // namespace caracal::dataplane::fib
