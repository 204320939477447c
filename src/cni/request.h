// Request: one call of the plugin, read from its environment and standard input, and checked.
//
// The plugin collects a RawRequest and sends it to the agent; both validate it with the same
// function, so that nonsense is refused even when the agent is down. Source: CNI specification 1.1,
// sections 1 and 2. Every refusal names the variable or key, its value and what is valid. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cni/error.h"
#include "cni/result.h"
#include "cni/version.h"
#include "jsonio/json.h"
#include "net/ip_addr.h"

namespace caracal::cni {

inline constexpr std::string_view kDefaultSocket = "/run/caracal/agent.sock";

enum class Command : uint8_t { kAdd, kDel, kCheck, kStatus, kGc, kVersion };
std::string_view to_string(Command command);

// As it came: CNI_* variables (empty when unset) and the parsed network configuration.
struct RawRequest {
  std::string command;
  std::string container_id;
  std::string netns;
  std::string ifname;
  std::string args;
  json::value config;
};
json::object to_json(const RawRequest& raw);  // params of the rpc method "cni"
RawRequest raw_from_json(const json::value& params);

// Our part of the network configuration:
//   cniVersion, name, type           as the specification says
//   socket   of the agent; default /run/caracal/agent.sock
//   mtu      of the pod's interface, 0 or absent: the agent's
//   ipam     {"type": "caracal"} or absent: the agent allocates
//   runtimeConfig.ips, prevResult, dns, args.cni.ips
struct NetworkConfig {
  Version version = kNewest;
  std::string name;
  std::string type;
  std::string socket{kDefaultSocket};
  uint32_t mtu = 0;
  std::vector<net::IpAddr> requested_ips;
  json::object dns;  // handed on in the result
  std::optional<AddResult> prev_result;
};

// An attachment as the runtime lists it for GC.
struct ValidAttachment {
  std::string container_id;
  std::string ifname;
  auto operator<=>(const ValidAttachment&) const = default;
};

struct Request {
  Command command = Command::kVersion;
  std::string container_id;
  std::string netns;
  std::string ifname;
  std::string pod_namespace;  // CNI_ARGS K8S_POD_NAMESPACE
  std::string pod_name;       // CNI_ARGS K8S_POD_NAME
  NetworkConfig config;
  std::vector<ValidAttachment> valid_attachments;  // GC
};

// What kCommand needs is there and well formed. VERSION needs nothing.
Outcome<Request> parse_request(const RawRequest& raw);
Outcome<Command> parse_command(std::string_view text);

}  // namespace caracal::cni
