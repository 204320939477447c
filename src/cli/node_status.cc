#include "cli/node_status.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "cli/agent_status.h"
#include "cli/node_status_network.h"
#include "cli/output.h"
#include "kube/http.h"
#include "rpc/client.h"

namespace caracal::cli {
namespace {

struct Options {
  ClusterOptions cluster;
  AgentOptions agents;
  std::string node;
  std::string format = "table";
  bool network = false;
  bool wait = false;
  uint32_t wait_limit = 60;  // seconds
};

std::string addresses_of(const json::value& node) {
  std::string out;
  for (const json::value& address : jsonio::get_array(node, {"status", "addresses"})) {
    if (jsonio::get_string(address, {"type"}) != "InternalIP") continue;
    out += fmt::format("{}{}", out.empty() ? "" : " ", jsonio::get_string(address, {"address"}));
  }
  return out;
}

std::string cidrs_of(const json::value& node) {
  std::string out;
  for (const json::value& cidr : jsonio::get_array(node, {"spec", "podCIDRs"})) {
    if (const json::string* text = cidr.if_string())
      out += fmt::format("{}{}", out.empty() ? "" : " ", std::string_view(*text));
  }
  return out;
}

std::string ready_of(const json::value& node) {
  for (const json::value& condition : jsonio::get_array(node, {"status", "conditions"})) {
    if (jsonio::get_string(condition, {"type"}) != "Ready") continue;
    return jsonio::get_string(condition, {"status"}) == "True" ? "Ready" : "NotReady";
  }
  return "Unknown";
}

// What is known of one node.
struct NodeView {
  std::string name;
  json::value node;   // the object; null: the API server cannot be asked
  json::value agent;  // its answer; null: it cannot be reached from here
  std::string agent_error;
  NetworkHealth network;

  std::string api() const { return node.is_null() ? "unknown" : ready_of(node); }
  bool agent_ready() const { return jsonio::get_bool(agent, {"ready"}, true); }
  std::string agent_state() const {
    if (agent.is_null()) return "not reachable";
    return agent_ready() ? "ready"
                         : std::string(jsonio::get_string(agent, {"reason"}, "not ready"));
  }
};

struct NodesView {
  std::vector<NodeView> nodes;
  std::string api_error;  // why nodes are not asked of the API server
};

// The agent of the node we are on, asked without knowing its name.
Result<json::value> ask_local(const AgentOptions& options) {
  constexpr std::chrono::milliseconds kTime{5'000};
  const std::string path = options.socket.empty() ? kNodeSocket : options.socket;
  CARACAL_ASSIGN(const rpc::Reply reply, rpc::call_once(path, "status", json::object(), kTime));
  if (reply.error) return fail(Errc::kUnavailable, reply.error->msg);
  return reply.result;
}

Result<json::array> list_nodes(const Options& options) {
  CARACAL_ASSIGN(kube::BlockingClient client, options.cluster.connect());
  json::array nodes;
  if (options.node.empty()) {
    CARACAL_ASSIGN(const json::value list, client.list(kube::resource_path("v1", "", "nodes")));
    nodes = jsonio::get_array(list, {"items"});
  } else {
    CARACAL_ASSIGN(json::value node,
                   client.get(kube::resource_path("v1", "", "nodes", options.node)));
    nodes.push_back(std::move(node));
  }
  return nodes;
}

Result<NodesView> look(const Options& options) {
  NodesView out;
  auto nodes = list_nodes(options);
  if (!nodes) {
    // On a node, its agent tells even while the API server is away.
    auto local = ask_local(options.agents);
    if (nodes.error().code == Errc::kNotFound || !local) return fail(nodes.error());
    const std::string name(jsonio::get_string(*local, {"node"}));
    if (!options.node.empty() && options.node != name) return fail(nodes.error());
    out.api_error = nodes.error().message;
    NodeView& view = out.nodes.emplace_back();
    view.name = name;
    view.network = network_health(*local);
    view.agent = std::move(*local);
    return out;
  }
  for (json::value& node : *nodes) {
    NodeView& view = out.nodes.emplace_back();
    view.name = jsonio::get_string(node, {"metadata", "name"});
    view.node = std::move(node);
    auto agent = ask_status(options.agents, options.cluster, view.name);
    if (agent) {
      view.network = network_health(*agent);
      view.agent = std::move(*agent);
    } else {
      view.agent_error = agent.error().message;
    }
  }
  return out;
}

std::vector<std::string> endpoint_troubles(const NodeView& view) {
  std::vector<std::string> out;
  for (const json::value& endpoint : jsonio::get_array(view.agent, {"endpoints"})) {
    const model::ObjectName pod{std::string(jsonio::get_string(endpoint, {"namespace"})),
                                std::string(jsonio::get_string(endpoint, {"pod"}))};
    if (const auto trouble = find_trouble(view.agent, view.name, pod))
      out.push_back(fmt::format("{}: {}", pod.to_string(), trouble->message));
  }
  return out;
}

bool is_well(const NodeView& view) {
  const bool api = view.node.is_null() || view.api() == "Ready";
  return api && view.agent_ready() && view.network.well() && endpoint_troubles(view).empty();
}

bool all_well(const NodesView& view) {
  return std::all_of(view.nodes.begin(), view.nodes.end(), is_well);
}

// --wait is about the network: what the API server thinks of a node is its kubelet's matter.
bool network_is_up(const NodesView& view) {
  bool any = false;
  for (const NodeView& node : view.nodes) {
    if (node.agent.is_null()) continue;
    any = true;
    if (!node.agent_ready() || !node.network.well()) return false;
  }
  return any;
}

json::object view_json(const NodesView& view) {
  json::array nodes;
  for (const NodeView& node : view.nodes) {
    json::object entry{
        {"name", node.name}, {"api", node.api()}, {"agentState", node.agent_state()}};
    if (!node.agent.is_null()) entry["agent"] = node.agent;
    if (!node.agent_error.empty()) entry["agentError"] = node.agent_error;
    if (node.network.known) {
      json::array troubles;
      for (const std::string& trouble : node.network.troubles) troubles.emplace_back(trouble);
      entry["network"] = json::object{{"well", node.network.well()},
                                      {"sessions", node.network.sessions},
                                      {"sessionsUp", node.network.sessions_up},
                                      {"problems", std::move(troubles)}};
    }
    nodes.push_back(std::move(entry));
  }
  json::object out{{"nodes", std::move(nodes)}, {"well", all_well(view)}};
  if (!view.api_error.empty()) out["apiError"] = view.api_error;
  return out;
}

std::string view_text(const NodesView& view, bool details) {
  std::string out;
  if (!view.api_error.empty())
    out += fmt::format("the API server cannot be asked: {}\n\n", view.api_error);
  Table table;
  table.header = {"NODE", "API", "AGENT", "PODS", "MEMORY", "BGP", "ADDRESSES", "POD CIDRS"};
  std::string below;
  for (const NodeView& node : view.nodes) {
    const bool known = !node.agent.is_null();
    table.rows.push_back(
        {node.name, node.api(), node.agent_state(),
         known ? std::to_string(jsonio::get_array(node.agent, {"endpoints"}).size()) : "-",
         known ? fmt::format("{} MiB", jsonio::get_int(node.agent, {"residentBytes"}) >> 20) : "-",
         sessions_text(node.network), addresses_of(node.node), cidrs_of(node.node)});
    if (details && node.network.known) {
      below += fmt::format("\n{}\n{}", node.name, network_text(node.agent));
    } else if (!node.network.well()) {
      below += "\n" + node.name + "\n";
      for (const std::string& trouble : node.network.troubles) below += "  " + trouble + "\n";
    }
    const std::vector<std::string> troubles = endpoint_troubles(node);
    for (size_t i = 0; i < troubles.size(); ++i) below += (i == 0 ? "\n" : "") + troubles[i] + "\n";
  }
  return out + table.to_string() + below;
}

Result<int> status(const Options& options) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(options.wait_limit);
  CARACAL_ASSIGN(NodesView view, look(options));
  bool up = network_is_up(view);
  while (options.wait && !up && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    CARACAL_ASSIGN(view, look(options));
    up = network_is_up(view);
  }
  const Format format = *parse_format(options.format);
  if (format != Format::kTable) {
    fmt::print("{}", render(view_json(view), format));
  } else {
    const auto answering = std::count_if(view.nodes.begin(), view.nodes.end(),
                                         [](const auto& node) { return !node.agent.is_null(); });
    fmt::print("{}", view_text(view, options.network || answering == 1));
  }
  if (options.wait && !up) fmt::print(stderr, "not up after {} s\n", options.wait_limit);
  return options.wait ? (up ? 0 : 1) : (all_well(view) ? 0 : 1);
}

}  // namespace

void add_node_commands(CLI::App& app, Action& chosen) {
  CLI::App* group = add_group(app, "node", "look at nodes");
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(*group, chosen, "status", "show the nodes and what their agents say",
                  "  caracal node status\n"
                  "  caracal node status node1 -o yaml\n"
                  "  caracal node status --wait --timeout 120\n"
                  "The pod network of a node is shown when one is named, or only one can be asked "
                  "from here; else with --network.\n"
                  "Exit status: 1 when a node is not ready, or its network or an endpoint has "
                  "trouble; with --wait, when the network is not up in time.",
                  [options] { return status(*options); });
  command->add_option("node", options->node, "one node only")->type_name("NODE");
  command->add_option("-o,--output", options->format, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();
  command->add_flag("--network", options->network,
                    "show the pod network of every node: addresses, tunnels, BGP sessions");
  auto* wait = command->add_flag(
      "--wait", options->wait, "wait until tunnels and BGP sessions are up, and nothing is wrong");
  command->add_option("--timeout", options->wait_limit, "how long to wait, in seconds")
      ->needs(wait)
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  options->cluster.add_to(*command);
  options->agents.add_to(*command);
}

}  // namespace caracal::cli
