#include "cli/node_status.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/agent_status.h"
#include "cli/output.h"
#include "kube/http.h"

namespace caracal::cli {
namespace {

struct Options {
  ClusterOptions cluster;
  AgentOptions agents;
  std::string node;
  std::string format = "table";
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

Result<int> status(const Options& options) {
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
  Table table;
  table.header = {"NODE", "API", "AGENT", "PODS", "MEMORY", "ADDRESSES", "POD CIDRS"};
  json::array out;
  bool well = true;
  std::string troubles;
  for (const json::value& node : nodes) {
    const std::string name(jsonio::get_string(node, {"metadata", "name"}));
    const auto agent = ask_status(options.agents, options.cluster, name);
    const bool ready = agent && jsonio::get_bool(*agent, {"ready"}, true);
    const std::string state =
        !agent  ? "not reachable"
        : ready ? "ready"
                : std::string(jsonio::get_string(*agent, {"reason"}, "not ready"));
    well = well && ready_of(node) == "Ready" && (!agent || ready);
    const json::array* endpoints = nullptr;
    if (agent) endpoints = &jsonio::get_array(*agent, {"endpoints"});
    table.rows.push_back(
        {name, ready_of(node), state,
         endpoints == nullptr ? "-" : std::to_string(endpoints->size()),
         agent ? fmt::format("{} MiB", jsonio::get_int(*agent, {"residentBytes"}) >> 20) : "-",
         addresses_of(node), cidrs_of(node)});
    json::object entry{{"name", name}, {"api", ready_of(node)}, {"agentState", state}};
    if (agent) entry["agent"] = *agent;
    if (!agent) entry["agentError"] = agent.error().message;
    out.push_back(std::move(entry));
    if (endpoints == nullptr) continue;
    for (const json::value& endpoint : *endpoints) {
      const model::ObjectName pod{std::string(jsonio::get_string(endpoint, {"namespace"})),
                                  std::string(jsonio::get_string(endpoint, {"pod"}))};
      const auto trouble = find_trouble(*agent, name, pod);
      if (!trouble) continue;
      well = false;
      troubles += fmt::format("{}: {}\n", pod.to_string(), trouble->message);
    }
  }
  const Format format = *parse_format(options.format);
  if (format == Format::kTable) {
    fmt::print("{}", table.to_string());
    if (!troubles.empty()) fmt::print("\n{}", troubles);
  } else {
    fmt::print("{}", render({{"nodes", out}, {"well", well}}, format));
  }
  return well ? 0 : 1;
}

}  // namespace

void add_node_commands(CLI::App& app, Action& chosen) {
  CLI::App* group = add_group(app, "node", "look at nodes");
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(*group, chosen, "status", "show the nodes and what their agents say",
                  "  caracal node status\n"
                  "  caracal node status node1 -o yaml\n"
                  "Exit status: 1 when a node is not ready or an endpoint has trouble.",
                  [options] { return status(*options); });
  command->add_option("node", options->node, "one node only")->type_name("NODE");
  command->add_option("-o,--output", options->format, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();
  options->cluster.add_to(*command);
  options->agents.add_to(*command);
}

}  // namespace caracal::cli
