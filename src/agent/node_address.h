// Node address detection: which of a node's addresses the others are to reach it by. All of
// Calico's methods (IP_AUTODETECTION_METHOD):
//
//   first-found              the first address of the first suitable interface (the default)
//   kubernetes-internal-ip   the InternalIP of the Node object
//   can-reach=DESTINATION    the source address the kernel takes towards an address or name
//   interface=REGEX[,REGEX]  of the first interface whose name matches the first REGEX, then ...
//   skip-interface=REGEX[,REGEX]  first-found without these
//   cidr=PREFIX[,PREFIX]     the first address inside one of these
//
// Pure, but for can-reach, which asks the kernel's routes (no packet is sent).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/host_links.h"
#include "base/result.h"
#include "model/node.h"
#include "net/cidr.h"

namespace caracal::agent {

struct DetectionMethod {
  enum class Kind : uint8_t {
    kFirstFound,
    kInternalIp,
    kCanReach,
    kInterface,
    kSkipInterface,
    kCidr
  };
  Kind kind = Kind::kFirstFound;
  std::vector<std::string> values;
  std::vector<net::Cidr> cidrs;
};

// Errors: kInvalid, with the value and what is valid.
Result<DetectionMethod> parse_detection_method(std::string_view text);

// The address with its prefix length. `links` in the order of their index. `node` may be null
// (not known yet). Errors: kNotFound with what was looked for.
Result<model::NodeAddress> detect_node_address(const DetectionMethod& method, net::Family family,
                                               const std::vector<HostLink>& links,
                                               const model::Node* node);

// Interfaces that are never a node's way to the others: pods', tunnels', other networks' bridges.
bool is_virtual_interface(std::string_view name);

// Does `name` match the regular expression? One that is none matches nothing.
bool matches_pattern(const std::string& pattern, const std::string& name);

}  // namespace caracal::agent
