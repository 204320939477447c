#include "lab/lab_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/file.h"
#include "base/log.h"
#include "cli/output.h"
#include "cli/world_loader.h"
#include "kube/blocking_client.h"
#include "lab/lab.h"
#include "lab/lab_view.h"
#include "lab/node_reporter.h"
#include "lab/program_keeper.h"
#include "lab/supervisor.h"

namespace caracal::lab {
namespace {

// As parse_end() reads it.
constexpr const char* kWhere =
    "NAMESPACE/POD, POD, node/NAME, node-of:POD, other-node:POD or outside:ADDRESS";

void print_progress(const std::string& line) {
  fmt::print("  {}\n", line);
  std::fflush(stdout);
}

struct UpOptions {
  std::string name = "lab";
  int nodes = 3;
  std::string topology;
  bool ipv4_only = false;
  bool ipv6_only = false;
  std::string state_dir;
  bool name_given = false;
};

Result<Topology> topology_of(const UpOptions& options) {
  if (!options.topology.empty()) {
    CARACAL_ASSIGN(const std::string text, read_file(options.topology));
    CARACAL_ASSIGN(Topology topology, parse_topology(text, options.topology));
    if (options.name_given) {
      CARACAL_TRY(check_lab_name(options.name));
      topology.name = options.name;
    }
    return topology;
  }
  std::vector<net::Family> families;
  if (!options.ipv6_only) families.push_back(net::Family::kIPv4);
  if (!options.ipv4_only) families.push_back(net::Family::kIPv6);
  return default_topology(options.name, options.nodes, std::move(families));
}

Result<int> up(const UpOptions& options) {
  CARACAL_ASSIGN(Topology topology, topology_of(options));
  CARACAL_ASSIGN(const Programs programs, find_programs());
  const auto begun = std::chrono::steady_clock::now();
  const std::string name = topology.name;
  fmt::print("bringing up lab {}\n", name);
  CARACAL_ASSIGN(const Lab lab,
                 lab_up(std::move(topology), options.state_dir, programs, print_progress));
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begun;
  const std::string flag = name == "lab" ? "" : " --name " + name;
  fmt::print(
      "lab {} is up after {:.1f} s: {} nodes\n\n"
      "  export KUBECONFIG={}\n"
      "  cd {}\n"
      "  kubectl get nodes -o wide\n"
      "  kubectl create namespace dev && kubectl apply -f pod-demo.yaml -n dev\n"
      "  caracal lab exec dev/pod1{} -- ip address\n"
      "  caracal lab matrix{}\n"
      "  caracal lab demo{}      # the walk-through\n"
      "  caracal lab down{}\n",
      name, time.count(), lab.plan.topology.nodes.size(), lab.paths.kubeconfig(),
      lab.paths.examples(), flag, flag, flag, flag);
  return 0;
}

Result<int> status(const std::string& name, const std::string& format_name) {
  CARACAL_ASSIGN(const Lab lab, find_lab(name));
  const cli::Format format = *cli::parse_format(format_name);
  bool healthy = true;
  std::string api = "answers";
  std::map<std::string, int> pods;
  const auto access = access_of(lab);
  if (access) {
    kube::BlockingClient client(*access);
    const auto loaded = cli::load_world(client);
    if (loaded) {
      for (const auto& [pod_name, pod] : loaded->world.pods) ++pods[pod.node];
    } else {
      api = loaded.error().message;
      healthy = false;
    }
  } else {
    api = access.error().message;
    healthy = false;
  }
  const auto supervisor = read_record(lab.paths.pid("supervisor"));
  const bool supervised = supervisor && alive(*supervisor);
  healthy = healthy && supervised;

  cli::Table table;
  table.header = {"NODE", "AGENT", "PID", "PODS", "ADDRESSES", "POD CIDRS"};
  json::array nodes;
  for (size_t i = 0; i < lab.plan.topology.nodes.size(); ++i) {
    const NodeSpec& node = lab.plan.topology.nodes[i];
    const auto process = read_record(lab.paths.pid(agent_record_name(node.name)));
    const bool running = process && alive(*process);
    const Status answer = ask_agent(lab.paths.node_socket(node.name));
    healthy = healthy && answer;
    json::array addresses, cidrs;
    std::vector<std::string> address_texts, cidr_texts;
    for (const net::IpAddr& address : lab.plan.node_addresses(i))
      address_texts.push_back(address.to_string());
    for (const net::Cidr& cidr : node.pod_cidrs) cidr_texts.push_back(cidr.to_string());
    for (const std::string& text : address_texts) addresses.emplace_back(json::string(text));
    for (const std::string& text : cidr_texts) cidrs.emplace_back(json::string(text));
    const std::string state = answer ? "ready" : answer.error().message;
    table.rows.push_back({node.name, state, running ? std::to_string(process->pid) : "-",
                          std::to_string(pods[node.name]),
                          fmt::format("{}", fmt::join(address_texts, " ")),
                          fmt::format("{}", fmt::join(cidr_texts, " "))});
    nodes.push_back(json::object{{"name", node.name},
                                 {"ready", answer.has_value()},
                                 {"state", state},
                                 {"pid", running ? process->pid : 0},
                                 {"pods", pods[node.name]},
                                 {"addresses", addresses},
                                 {"podCIDRs", cidrs}});
  }
  if (format == cli::Format::kTable) {
    fmt::print("lab {}\nAPI server {}: {}\nsupervisor {}\nkubeconfig {}\n\n{}", name,
               lab.plan.api_url(), api,
               supervised ? fmt::format("runs (pid {})", supervisor->pid) : "does not run",
               lab.paths.kubeconfig(), table.to_string());
  } else {
    fmt::print("{}", cli::render({{"name", name},
                                  {"apiServer", lab.plan.api_url()},
                                  {"api", api},
                                  {"supervisor", supervised},
                                  {"kubeconfig", lab.paths.kubeconfig()},
                                  {"nodes", nodes},
                                  {"healthy", healthy}},
                                 format));
  }
  return healthy ? 0 : 1;
}

Result<int> exec(const std::string& name, const std::string& ns, const std::string& where,
                 const std::vector<std::string>& command) {
  CARACAL_ASSIGN(const EndRef ref, parse_end(where, ns));
  Present present;
  if (ref.kind == EndRef::Kind::kNode || ref.kind == EndRef::Kind::kOutside) {
    CARACAL_ASSIGN(present.lab, find_lab(name));  // also without an API server
  } else {
    CARACAL_ASSIGN(present, look_at(name));
  }
  CARACAL_ASSIGN(const ResolvedEnd end, LabView(present.lab.plan, present.world).resolve(ref));
  if (end.netns.empty())
    return fail(Errc::kInvalid, where + ": an address is no place to run a command in");
  return run_interactive(command, end.netns, {});
}

Result<int> agent(const std::string& name, const std::string& action, const std::string& where) {
  CARACAL_ASSIGN(const Lab lab, find_lab(name));
  std::string node = where;
  if (where.find(':') != std::string::npos || where.find('/') != std::string::npos) {
    CARACAL_ASSIGN(const EndRef ref, parse_end(where));
    CARACAL_ASSIGN(const Present present, look_at(name));
    CARACAL_ASSIGN(const ResolvedEnd end, LabView(lab.plan, present.world).resolve(ref));
    node = end.label.starts_with("node/") ? end.label.substr(5) : end.label;
  }
  const AgentAction what = action == "stop"    ? AgentAction::kStop
                           : action == "start" ? AgentAction::kStart
                           : action == "kill"  ? AgentAction::kKill
                                               : AgentAction::kRestart;
  CARACAL_ASSIGN(const std::string done, act_on_agent(lab, node, what));
  fmt::print("{}\n", done);
  return 0;
}

Result<int> repair(const std::string& name) {
  CARACAL_ASSIGN(const Lab lab, find_lab(name));
  CARACAL_ASSIGN(const Programs programs, find_programs());
  CARACAL_ASSIGN(const std::vector<std::string> started, lab_repair(lab, programs));
  for (const std::string& what : started) fmt::print("started the {} again\n", what);
  if (started.empty()) fmt::print("everything runs\n");
  return 0;
}

Result<int> run_daemon(const std::string& name, int ready_fd) {
  CARACAL_ASSIGN(const Lab lab, find_lab(name));
  CARACAL_ASSIGN(kube::ClusterAccess access, access_of(lab));
  CARACAL_ASSIGN(const Programs programs, find_programs());
  CARACAL_TRY(run_supervisor({.plan = lab.plan,
                              .paths = lab.paths,
                              .access = std::move(access),
                              .agent_program = programs.agent,
                              .pod_program = programs.pod,
                              .controller_program = programs.controller,
                              .ready_fd = ready_fd}));
  return 0;
}

}  // namespace

void add_name_option(CLI::App& command, std::string& name) {
  command.add_option("--name", name, "name of the lab")
      ->envname("CARACAL_LAB")
      ->capture_default_str()
      ->type_name("NAME");
}

void add_format_option(CLI::App& command, std::string& format) {
  command.add_option("-o,--output", format, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();
}

void add_namespace_option(CLI::App& command, std::string& ns) {
  command.add_option("-n,--namespace", ns, "namespace of pods named without one")
      ->capture_default_str()
      ->type_name("NAME");
}

void add_end_options(CLI::App& command, std::string& from, std::string& to, int& timeout) {
  command.add_option("from", from, kWhere)->required()->type_name("SRC");
  command.add_option("to", to, "the same, or an address")->required()->type_name("DST");
  command.add_option("--timeout", timeout, "how long to wait for an answer, in ms")
      ->check(CLI::Range(10, 60000))
      ->capture_default_str();
}

Result<Present> look_at(const std::string& name) {
  CARACAL_ASSIGN(Lab lab, find_lab(name));
  CARACAL_ASSIGN(kube::ClusterAccess access, access_of(lab));
  kube::BlockingClient client(std::move(access));
  CARACAL_ASSIGN(cli::LoadedWorld loaded, cli::load_world(client));
  for (const std::string& warning : loaded.warnings) fmt::print(stderr, "warning: {}\n", warning);
  return Present{std::move(lab), std::move(loaded.world)};
}

void add_life_commands(CLI::App& group, cli::Action& chosen) {
  {
    auto options = std::make_shared<UpOptions>();
    CLI::App* command = cli::add_command(group, chosen, "up", "bring a cluster up on this machine",
                                         "  caracal lab up\n"
                                         "  caracal lab up --nodes 1 --ipv4-only --name small\n"
                                         "  caracal lab up --topology topologies/zones.yaml",
                                         [options] { return up(*options); });
    CLI::Option* name = command
                            ->add_option("--name", options->name,
                                         "name of the lab: 1 to 8 lower-case letters and digits")
                            ->envname("CARACAL_LAB")
                            ->capture_default_str()
                            ->type_name("NAME")
                            ->check([](const std::string& text) {
                              const Status ok = check_lab_name(text);
                              return ok ? std::string() : ok.error().message;
                            });
    CLI::Option* nodes = command->add_option("--nodes", options->nodes, "number of nodes")
                             ->check(CLI::Range(1, 200))
                             ->capture_default_str();
    CLI::Option* topology =
        command
            ->add_option("--topology", options->topology, "YAML file with nodes, labels, prefixes")
            ->check(CLI::ExistingFile)
            ->type_name("FILE");
    CLI::Option* v4 =
        command->add_flag("--ipv4-only", options->ipv4_only, "IPv4 only; default: both families");
    CLI::Option* v6 =
        command->add_flag("--ipv6-only", options->ipv6_only, "IPv6 only; default: both families");
    command
        ->add_option("--state-dir", options->state_dir,
                     "folder for the lab's files; default: /run/caracal/NAME")
        ->type_name("DIR");
    v4->excludes(v6);
    topology->excludes(nodes)->excludes(v4)->excludes(v6);
    command->parse_complete_callback([options, name] { options->name_given = name->count() > 0; });
  }
  {
    auto name = std::make_shared<std::string>("lab");
    CLI::App* command = cli::add_command(
        group, chosen, "down", "take the lab down; nothing is left of it",
        "  caracal lab down\n  caracal lab down --name small", [name]() -> Result<int> {
          fmt::print("taking down lab {}\n", *name);
          CARACAL_TRY(lab_down(*name, print_progress));
          return 0;
        });
    add_name_option(*command, *name);
  }
  {
    auto name = std::make_shared<std::string>("lab");
    auto format = std::make_shared<std::string>("table");
    CLI::App* command =
        cli::add_command(group, chosen, "status",
                         "show the lab's nodes and agents; exit status 1 when one is not well",
                         "  caracal lab status\n  caracal lab status -o json",
                         [name, format] { return status(*name, *format); });
    add_name_option(*command, *name);
    add_format_option(*command, *format);
  }
  {
    auto name = std::make_shared<std::string>("lab");
    CLI::App* command = cli::add_command(
        group, chosen, "repair", "start again what of the lab's own programs has died; pods go on",
        "  caracal lab repair", [name] { return repair(*name); });
    add_name_option(*command, *name);
  }
  {
    struct Options {
      std::string name = "lab", ns = "default", where;
      std::vector<std::string> command;
    };
    auto options = std::make_shared<Options>();
    CLI::App* command = cli::add_command(
        group, chosen, "exec", "run a command of this machine in the network of a pod or node",
        "  caracal lab exec dev/pod1 -- ip route\n"
        "  caracal lab exec node/node1 -- nft list ruleset\n"
        "  caracal lab exec outside:198.51.100.10 -- curl http://192.168.1.2/",
        [options] { return exec(options->name, options->ns, options->where, options->command); });
    add_name_option(*command, options->name);
    add_namespace_option(*command, options->ns);
    command->add_option("where", options->where, kWhere)->required()->type_name("WHERE");
    command->add_option("command", options->command, "the command and its arguments, after --")
        ->required()
        ->type_name("COMMAND");
  }
  {
    struct Options {
      std::string name = "lab", action, node;
    };
    auto options = std::make_shared<Options>();
    CLI::App* command = cli::add_command(
        group, chosen, "agent", "stop, start, restart or kill the agent of a node",
        "  caracal lab agent kill node1        # SIGKILL; it is started again at once\n"
        "  caracal lab agent stop node1        # and stays away until `start`\n"
        "  caracal lab agent restart node-of:dev/pod1",
        [options] { return agent(options->name, options->action, options->node); });
    add_name_option(*command, options->name);
    command->add_option("action", options->action, "stop, start, restart or kill")
        ->required()
        ->check(CLI::IsMember({"stop", "start", "restart", "kill"}))
        ->type_name("ACTION");
    command->add_option("node", options->node, "NAME, or node-of:POD")
        ->required()
        ->type_name("NODE");
  }
  {
    struct Options {
      std::string name = "lab";
      int ready_fd = -1;
    };
    auto options = std::make_shared<Options>();
    CLI::App* command =
        cli::add_command(group, chosen, "run", "the lab's supervisor, started by up", "",
                         [options] { return run_daemon(options->name, options->ready_fd); });
    command->group("");  // not for people
    add_name_option(*command, options->name);
    command->add_option("--ready-fd", options->ready_fd,
                        "file descriptor that is told when it runs");
  }
}

void add_lab_commands(CLI::App& app, cli::Action& chosen) {
  CLI::App* group = cli::add_group(
      app, "lab", "a cluster on this machine: nodes and pods are network namespaces");
  add_life_commands(*group, chosen);
  add_traffic_commands(*group, chosen);
  add_network_commands(*group, chosen);
  add_fault_commands(*group, chosen);
}

}  // namespace caracal::lab
