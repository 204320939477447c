#include "agent/node_address.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>
#include <regex>

#include "base/fd.h"
#include "base/strings.h"
#include "net/socket_address.h"

namespace caracal::agent {
namespace {

// Beginnings of names; a trailing '$' stands for the end.
constexpr std::array<std::string_view, 17> kVirtual = {
    "docker",     "cbr",           "dummy",          "virbr",      "lxcbr",       "veth",
    "lo$",        "cali",          "tunl",           "flannel",    "kube-ipvs",   "cni",
    "vxlan.cali", "vxlan-v6.cali", "wireguard.cali", "wg-v6.cali", "nodelocaldns"};

bool usable(const net::IpAddr& address) {
  if (address.is_v4()) {
    static const net::Cidr kLinkLocal = *net::Cidr::parse("169.254.0.0/16");
    static const net::Cidr kLoopback = *net::Cidr::parse("127.0.0.0/8");
    return !kLinkLocal.contains(address) && !kLoopback.contains(address);
  }
  static const net::Cidr kLinkLocal = *net::Cidr::parse("fe80::/10");
  static const net::Cidr kLoopback = *net::Cidr::parse("::1/128");
  return !kLinkLocal.contains(address) && !kLoopback.contains(address);
}

const model::NodeAddress* first_of(const HostLink& link, net::Family family) {
  for (const model::NodeAddress& one : link.addresses) {
    if (one.address.family() == family && usable(one.address)) return &one;
  }
  return nullptr;
}

std::optional<model::NodeAddress> with_prefix(const std::vector<HostLink>& links,
                                              const net::IpAddr& address) {
  for (const HostLink& link : links) {
    for (const model::NodeAddress& one : link.addresses) {
      if (one.address == address) return one;
    }
  }
  return std::nullopt;
}

// The source address of packets to `destination`: connect() of a datagram socket asks the routes.
Result<net::IpAddr> source_towards(const std::string& destination, net::Family family) {
  addrinfo hints{};
  hints.ai_family = net::socket_family(family);
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int rc = ::getaddrinfo(destination.c_str(), "53", &hints, &found); rc != 0) {
    return fail(Errc::kNotFound, fmt::format("{} has no {} address: {}", destination,
                                             net::to_string(family), ::gai_strerror(rc)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  const UniqueFd socket(::socket(hints.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket || ::connect(socket.get(), found->ai_addr, found->ai_addrlen) != 0)
    return fail(Errc::kNotFound, fmt::format("there is no route to {}", destination));
  net::SocketAddress local;
  if (::getsockname(socket.get(), local.get(), local.room()) != 0)
    return fail(Errc::kKernel, "getsockname failed");
  return local.address();
}

}  // namespace

bool is_virtual_interface(std::string_view name) {
  return std::any_of(kVirtual.begin(), kVirtual.end(), [&](std::string_view pattern) {
    if (pattern.ends_with('$')) return name == pattern.substr(0, pattern.size() - 1);
    return name.starts_with(pattern);
  });
}

bool matches_pattern(const std::string& pattern, const std::string& name) {
  try {
    return std::regex_search(name, std::regex(pattern));
  } catch (const std::regex_error&) {
    return false;
  }
}

Result<DetectionMethod> parse_detection_method(std::string_view text) {
  using Kind = DetectionMethod::Kind;
  const auto refuse = [&](std::string_view why) {
    return fail(Errc::kInvalid,
                fmt::format("address detection method \"{}\": {}; valid are first-found, "
                            "kubernetes-internal-ip, can-reach=DESTINATION, "
                            "interface=REGEX[,REGEX], skip-interface=REGEX[,REGEX], "
                            "cidr=PREFIX[,PREFIX]",
                            text, why));
  };
  DetectionMethod method;
  if (text.empty() || text == "first-found") return method;
  if (text == "kubernetes-internal-ip") {
    method.kind = Kind::kInternalIp;
    return method;
  }
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return refuse("unknown");
  const std::string_view name = text.substr(0, equals);
  for (const std::string_view one : split(text.substr(equals + 1), ',')) {
    const std::string_view value = trim(one);
    if (!value.empty()) method.values.emplace_back(value);
  }
  if (method.values.empty()) return refuse("nothing behind the =");
  if (name == "can-reach") {
    method.kind = Kind::kCanReach;
  } else if (name == "interface" || name == "skip-interface") {
    method.kind = name == "interface" ? Kind::kInterface : Kind::kSkipInterface;
    for (const std::string& pattern : method.values) {
      try {
        const std::regex checked(pattern);
      } catch (const std::regex_error&) {
        return refuse(fmt::format("\"{}\" is no regular expression", pattern));
      }
    }
  } else if (name == "cidr") {
    method.kind = Kind::kCidr;
    for (const std::string& value : method.values) {
      const auto cidr = net::Cidr::parse(value);
      if (!cidr) return refuse(cidr.error().message);
      method.cidrs.push_back(*cidr);
    }
  } else {
    return refuse("unknown");
  }
  return method;
}

Result<model::NodeAddress> detect_node_address(const DetectionMethod& method, net::Family family,
                                               const std::vector<HostLink>& links,
                                               const model::Node* node) {
  using Kind = DetectionMethod::Kind;
  const std::string word(net::to_string(family));
  const auto suitable = [&](const HostLink& link) {
    return link.up && !link.loopback && !is_virtual_interface(link.name);
  };
  switch (method.kind) {
    case Kind::kFirstFound:
    case Kind::kSkipInterface:
      for (const HostLink& link : links) {
        if (!suitable(link)) continue;
        if (method.kind == Kind::kSkipInterface &&
            std::any_of(
                method.values.begin(), method.values.end(),
                [&](const std::string& pattern) { return matches_pattern(pattern, link.name); }))
          continue;
        if (const auto* found = first_of(link, family)) return *found;
      }
      return fail(Errc::kNotFound, "no interface has a usable " + word + " address");
    case Kind::kInterface:
      for (const std::string& pattern : method.values) {
        for (const HostLink& link : links) {
          if (!link.up || !matches_pattern(pattern, link.name)) continue;
          if (const auto* found = first_of(link, family)) return *found;
        }
      }
      return fail(Errc::kNotFound,
                  fmt::format("no interface that matches {} has a usable {} address",
                              fmt::join(method.values, ", "), word));
    case Kind::kCidr:
      for (const net::Cidr& cidr : method.cidrs) {
        for (const HostLink& link : links) {
          if (!link.up) continue;
          for (const model::NodeAddress& one : link.addresses) {
            if (one.address.family() == family && cidr.contains(one.address)) return one;
          }
        }
      }
      return fail(Errc::kNotFound, fmt::format("no {} address of this node is inside {}", word,
                                               fmt::join(method.values, ", ")));
    case Kind::kCanReach:
      for (const std::string& destination : method.values) {
        const auto source = source_towards(destination, family);
        if (!source) continue;
        if (const auto found = with_prefix(links, *source)) return *found;
      }
      return fail(Errc::kNotFound,
                  fmt::format("no {} route leads to {}", word, fmt::join(method.values, ", ")));
    case Kind::kInternalIp:
      if (node == nullptr) return fail(Errc::kNotFound, "the Node object is not known yet");
      for (const net::IpAddr& address : node->internal_addresses) {
        if (address.family() != family) continue;
        if (const auto found = with_prefix(links, address)) return *found;
        return model::NodeAddress{address, net::address_bits(family)};
      }
      return fail(Errc::kNotFound,
                  fmt::format("Node {} has no InternalIP of {}", node->name, word));
  }
  return fail(Errc::kInvalid, "unknown method");
}

}  // namespace caracal::agent
