#include "cli/agent_status.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/strings.h"
#include "rpc/client.h"

namespace caracal::cli {
namespace {

constexpr std::chrono::milliseconds kTime{2'000};

std::vector<std::string> sockets_of(const AgentOptions& options, const ClusterOptions& cluster,
                                    const std::string& node) {
  if (!options.socket.empty()) {
    std::string path = options.socket;
    if (const size_t at = path.find("{node}"); at != std::string::npos) path.replace(at, 6, node);
    return {path};
  }
  std::vector<std::string> out;
  std::string kubeconfig = cluster.kubeconfig;
  if (const char* variable = std::getenv("KUBECONFIG"); kubeconfig.empty() && variable != nullptr) {
    kubeconfig = split(variable, ':').front();
  }
  if (!kubeconfig.empty()) {
    out.push_back(
        (std::filesystem::path(kubeconfig).parent_path() / "nodes" / node / "agent.sock").string());
  }
  out.emplace_back(kNodeSocket);
  return out;
}

}  // namespace

void AgentOptions::add_to(CLI::App& command) {
  command
      .add_option(
          "--agent-socket", socket,
          "socket of the agents, {node} standing for the node's name; default: that of a lab, then "
          "/run/caracal/agent.sock")
      ->type_name("PATH");
}

namespace {

struct Answer {
  std::string socket;
  json::value status;
};

Result<Answer> ask(const AgentOptions& options, const ClusterOptions& cluster,
                   const std::string& node) {
  std::string tried;
  for (const std::string& path : sockets_of(options, cluster, node)) {
    tried += (tried.empty() ? "" : ", ") + path;
    if (::access(path.c_str(), F_OK) != 0) continue;
    const auto reply = rpc::call_once(path, "status", json::object(), kTime);
    if (!reply) return fail(reply.error());
    if (reply->error) return fail(Errc::kUnavailable, reply->error->msg);
    const std::string_view told = jsonio::get_string(reply->result, {"node"});
    if (!told.empty() && told != node) continue;  // the agent of another node
    return Answer{path, reply->result};
  }
  return fail(Errc::kUnavailable,
              fmt::format("the agent of {} cannot be reached from here (tried {})", node, tried));
}

}  // namespace

Result<json::value> ask_status(const AgentOptions& options, const ClusterOptions& cluster,
                               const std::string& node) {
  CARACAL_ASSIGN(Answer answer, ask(options, cluster, node));
  return std::move(answer.status);
}

Result<std::string> find_socket(const AgentOptions& options, const ClusterOptions& cluster,
                                const std::string& node) {
  CARACAL_ASSIGN(Answer answer, ask(options, cluster, node));
  return std::move(answer.socket);
}

std::optional<EndpointTrouble> find_trouble(const json::value& status, const std::string& node,
                                            const model::ObjectName& pod) {
  for (const json::value& endpoint : jsonio::get_array(status, {"endpoints"})) {
    if (jsonio::get_string(endpoint, {"namespace"}) != pod.ns ||
        jsonio::get_string(endpoint, {"pod"}) != pod.name)
      continue;
    std::string closed;
    for (const char* direction : {"ingress", "egress"}) {
      if (jsonio::get_string(endpoint, {direction, "disposition"}) == "closed") {
        closed += fmt::format("{}{}", closed.empty() ? "" : " and ", direction);
      }
    }
    std::vector<std::string> errors;
    for (const json::value& error : jsonio::get_array(endpoint, {"errors"})) {
      if (const json::string* text = error.if_string()) errors.emplace_back(*text);
    }
    if (errors.empty() && closed.empty()) return std::nullopt;
    const std::string why = errors.empty() ? "its policy is not computed yet" : join(errors, "; ");
    return EndpointTrouble{
        pod, node, !closed.empty(),
        closed.empty() ? why : fmt::format("fails closed ({}) on {}: {}", closed, node, why)};
  }
  return std::nullopt;
}

std::optional<EndpointTrouble> endpoint_trouble(const AgentOptions& options,
                                                const ClusterOptions& cluster,
                                                const model::World& world,
                                                const model::ObjectName& pod) {
  const auto found = world.pods.find(pod);
  if (found == world.pods.end() || found->second.node.empty()) return std::nullopt;
  const auto status = ask_status(options, cluster, found->second.node);
  if (!status) return std::nullopt;
  return find_trouble(*status, found->second.node, pod);
}

}  // namespace caracal::cli
