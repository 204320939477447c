// What the agent of a node says of itself and of its endpoints, asked over its local socket where
// that can be reached from here: on the node itself, or in a lab.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/cluster_options.h"
#include "jsonio/json.h"
#include "model/world.h"

namespace caracal::cli {

struct AgentOptions {
  std::string socket;  // --agent-socket; "{node}" in it stands for the node's name

  void add_to(CLI::App& command);
};

// The answer of the node's agent to "status". Tries, in this order: the socket given;
// nodes/NODE/agent.sock beside the kubeconfig (a lab); /run/caracal/agent.sock, if its agent is
// this node's. Errors: kUnavailable names the sockets tried.
Result<json::value> ask_status(const AgentOptions& options, const ClusterOptions& cluster,
                               const std::string& node);

// The socket on which that agent answers. Errors as ask_status().
Result<std::string> find_socket(const AgentOptions& options, const ClusterOptions& cluster,
                                const std::string& node);
inline constexpr const char* kNodeSocket = "/run/caracal/agent.sock";  // of the node we are on

// Why a pod is not as its policies say, by the agent of its node.
struct EndpointTrouble {
  model::ObjectName pod;
  std::string node;
  bool fails_closed = false;
  std::string message;
};
// nullopt: all is well, or the agent cannot be asked from here.
std::optional<EndpointTrouble> endpoint_trouble(const AgentOptions& options,
                                                const ClusterOptions& cluster,
                                                const model::World& world,
                                                const model::ObjectName& pod);
// From one answer. Pure.
std::optional<EndpointTrouble> find_trouble(const json::value& status, const std::string& node,
                                            const model::ObjectName& pod);

}  // namespace caracal::cli
