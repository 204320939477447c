// `caracal policy explain SRC DST [PROTO/]PORT`: the verdict of the policies on one connection,
// which of them decides, and the way there.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/command.h"
#include "kube/blocking_client.h"
#include "model/world.h"
#include "policy/oracle/explanation.h"

namespace caracal::cli {

struct PortArgument {
  net::Protocol protocol = net::kTcp;
  std::optional<uint16_t> port;  // unset: a protocol without ports, such as ICMP
};
// "80", "UDP/53", "ICMP". The error says what is valid.
Result<PortArgument> parse_port_argument(std::string_view text);

// An end of a connection as the user names it: an address, NAMESPACE/POD, or POD in `ns`.
struct FlowEnd {
  std::vector<net::IpAddr> addresses;
  std::optional<model::ObjectName> pod;
};
// Errors: kNotFound (with pods of a similar name), kUnavailable when the pod has no address yet.
Result<FlowEnd> resolve_end(const model::World& world, std::string_view text,
                            const std::string& ns);

// One flow for each address family both ends have. Error: none in common.
Result<std::vector<policy::oracle::Flow>> make_flows(const FlowEnd& from, const FlowEnd& to,
                                                     const PortArgument& port);

// Adds the command group `policy`, with the commands of policy_review.h and policy_stage.h.
// `version` is this program's.
void add_policy_commands(CLI::App& app, Action& chosen, const std::string& version);

}  // namespace caracal::cli
