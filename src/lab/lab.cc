#include "lab/lab.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "jsonio/yaml.h"
#include "kube/blocking_client.h"
#include "kube/http.h"
#include "kube/kubeconfig.h"
#include "lab/agent_keeper.h"
#include "lab/embedded_examples.h"
#include "lab/network.h"
#include "lab/node_object.h"
#include "lab/node_reporter.h"
#include "lab/pod_status.h"
#include "lab/sandbox.h"

namespace caracal::lab {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kApiTime{20};
constexpr std::chrono::seconds kNodesTime{30};
constexpr std::chrono::milliseconds kProcessGrace{1'500};

// Asks again every few milliseconds until it is true or the time is over.
bool wait_until(std::chrono::milliseconds limit, const std::function<bool()>& condition) {
  const auto deadline = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

// 6443 where it is free on every address, else one the kernel gives.
Result<uint16_t> choose_api_port(bool ipv4) {
  for (const uint16_t wanted : {uint16_t{6443}, uint16_t{0}}) {
    const UniqueFd fd(::socket(ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, "socket");
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_storage address{};
    socklen_t length = sizeof(sockaddr_in);
    if (ipv4) {
      auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
      v4->sin_family = AF_INET;
      v4->sin_port = htons(wanted);
    } else {
      auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons(wanted);
      length = sizeof *v6;
    }
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) continue;
    if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) continue;
    return ntohs(ipv4 ? reinterpret_cast<sockaddr_in*>(&address)->sin_port
                      : reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
  }
  return fail(Errc::kExhausted, "no free port for the API server");
}

Status make_folders(const Lab& lab) {
  for (const std::string& folder : {lab.paths.file("log"), lab.paths.file("pid"), lab.paths.pods(), lab.paths.cni_bin(),
                                    lab.paths.api_data()}) {
    CARACAL_TRY(make_directories(folder));
  }
  for (const NodeSpec& node : lab.plan.topology.nodes) {
    CARACAL_TRY(make_directories(lab.paths.node_net_d(node.name)));
    CARACAL_TRY(make_directories(lab.paths.node_agent_state(node.name)));
    CARACAL_TRY(write_file_atomic(lab.paths.node_conflist(node.name),
                                  jsonio::to_pretty_string(make_conflist(lab.paths, node.name))));
  }
  return {};
}

Status start_api(const Lab& lab, const Programs& programs) {
  const bool ipv4 = lab.plan.topology.has(net::Family::kIPv4);
  Spawn child;
  child.argv = {programs.apiserver,
                "--listen",           fmt::format("{}:{}", ipv4 ? "127.0.0.1" : "[::1]", lab.plan.api_port),
                "--data-dir",         lab.paths.api_data(),
                "--write-kubeconfig", lab.paths.kubeconfig()};
  for (const net::IpAddr& address : lab.plan.host_addresses()) {
    const std::string text = address.to_string();
    child.argv.insert(child.argv.end(), {"--listen", fmt::format(fmt::runtime(address.is_v4() ? "{}:{}" : "[{}]:{}"), text, lab.plan.api_port),
                                         "--san", text});
  }
  child.log = lab.paths.log("apiserver");
  child.environment = {process_marker(lab.plan.topology.name)};
  CARACAL_ASSIGN(const Process process, spawn(child));
  CARACAL_TRY(write_record(lab.paths.pid("apiserver"), process));
  std::string last;
  const bool ready = wait_until(kApiTime, [&] {
    if (!alive(process)) return true;
    const auto access = access_of(lab);
    if (!access) return false;
    kube::BlockingClient client(*access);
    const auto answer = client.call({.path = "/readyz", .accept = "*/*"});
    if (!answer) last = answer.error().message;
    return answer.has_value();
  });
  if (!ready || !alive(process)) {
    const auto log = read_file(lab.paths.log("apiserver"));
    const std::string tail = log ? log->substr(log->size() > 600 ? log->size() - 600 : 0) : "";
    return fail(Errc::kUnavailable, fmt::format("caracal-apiserver {}: {}\n{}", ready ? "ended" : "is not ready", last, tail));
  }
  return {};
}

// The admin's kubeconfig with another server: how a node reaches the API.
Status write_node_kubeconfigs(const Lab& lab) {
  CARACAL_ASSIGN(const std::string text, read_file(lab.paths.kubeconfig()));
  CARACAL_ASSIGN(std::vector<json::value> documents, jsonio::parse_yaml(text));
  if (documents.size() != 1) return fail(Errc::kInternal, lab.paths.kubeconfig() + ": not one document");
  json::object* config = documents.front().if_object();
  json::value* clusters = config == nullptr ? nullptr : config->if_contains("clusters");
  if (clusters == nullptr || !clusters->is_array()) return fail(Errc::kInternal, lab.paths.kubeconfig() + ": no clusters");
  for (json::value& cluster : clusters->get_array()) {
    jsonio::ensure(cluster, {"cluster", "server"}) = lab.plan.api_url();
  }
  for (const NodeSpec& node : lab.plan.topology.nodes) {
    CARACAL_TRY(write_file_atomic(lab.paths.node_kubeconfig(node.name), jsonio::to_yaml(documents.front()), 0600));
  }
  return {};
}

Status ignore_exists(const Result<json::value>& result) {
  if (result || result.error().code == Errc::kExists) return {};
  return fail(result.error());
}

Status create_objects(const Lab& lab) {
  CARACAL_ASSIGN(kube::ClusterAccess access, access_of(lab));
  kube::BlockingClient client(std::move(access));
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    CARACAL_TRY(ignore_exists(client.create(kube::resource_path("v1", "", "namespaces"),
                                            {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", json::object{{"name", name}}}})));
  }
  for (size_t i = 0; i < lab.plan.topology.nodes.size(); ++i) {
    const std::string path = kube::resource_path("v1", "", "nodes");
    CARACAL_TRY(ignore_exists(client.create(path, make_node(lab.plan, i))));
    const json::value patch{{"status", make_node_status(lab.plan, i, false, "caracal-agent has not answered yet", {}, now_rfc3339())}};
    CARACAL_TRY(client.patch(path + "/" + lab.plan.topology.nodes[i].name + "/status", kube::kMergePatch, patch));
  }
  return {};
}

Status start_supervisor(const Lab& lab, const Programs& programs) {
  Spawn child;
  child.argv = {programs.self, "lab", "run", "--name", lab.plan.topology.name, "--ready-fd", "3"};
  child.log = lab.paths.log("supervisor");
  child.environment = {process_marker(lab.plan.topology.name)};
  child.wait_ready = std::chrono::seconds(20);
  CARACAL_ASSIGN(const Process process, spawn(child));
  return write_record(lab.paths.pid("supervisor"), process);
}

Status wait_for_nodes(const Lab& lab) {
  CARACAL_ASSIGN(kube::ClusterAccess access, access_of(lab));
  kube::BlockingClient client(std::move(access));
  std::string why;
  const bool ready = wait_until(kNodesTime, [&] {
    const auto nodes = client.list(kube::resource_path("v1", "", "nodes"));
    if (!nodes) {
      why = nodes.error().message;
      return false;
    }
    size_t count = 0;
    for (const json::value& node : jsonio::get_array(*nodes, {"items"})) {
      for (const json::value& condition : jsonio::get_array(node, {"status", "conditions"})) {
        if (jsonio::get_string(condition, {"type"}) != "Ready") continue;
        if (jsonio::get_string(condition, {"status"}) == "True") {
          ++count;
        } else {
          why = fmt::format("node {}: {}", jsonio::get_string(node, {"metadata", "name"}), jsonio::get_string(condition, {"message"}));
        }
      }
    }
    return count >= lab.plan.topology.nodes.size();
  });
  if (ready) return {};
  return fail(Errc::kTimeout, fmt::format("the nodes are not ready after {} s: {}; logs are in {}", kNodesTime.count(), why, lab.paths.file("log")));
}

Status build(Lab& lab, const Programs& programs, const Progress& progress) {
  const Topology& topology = lab.plan.topology;
  progress(fmt::format("network: {} nodes, fabric {}", topology.nodes.size(), [&] {
    std::string text;
    for (const net::Cidr& cidr : lab.plan.fabric) text += (text.empty() ? "" : " and ") + cidr.to_string();
    return text;
  }()));
  CARACAL_TRY(make_folders(lab));
  CARACAL_TRY(create_network(lab.plan));
  std::error_code error;
  for (const char* name : {"caracal", "caracal-cni"}) fs::create_symlink(programs.cni, lab.paths.cni_bin() + "/" + name, error);
  progress(fmt::format("API server: {}", lab.plan.api_url()));
  CARACAL_TRY(start_api(lab, programs));
  CARACAL_TRY(write_node_kubeconfigs(lab));
  CARACAL_TRY(create_objects(lab));
  CARACAL_TRY(write_examples(lab.paths.examples()));
  progress("scheduler, kubelets and agents");
  CARACAL_TRY(start_supervisor(lab, programs));
  return wait_for_nodes(lab);
}

std::string default_folder(const std::string& name) { return std::string(kRunFolder) + "/" + name; }

std::vector<Process> processes_of(const std::string& name) {
  std::vector<Process> out = find_by_environment(process_marker(name));
  std::vector<std::string> paths;
  for (const std::string& netns : list_netns("crl-" + name + "-")) paths.push_back(netns_path(netns));
  for (const Process& process : find_by_netns(paths)) {
    if (std::find(out.begin(), out.end(), process) == out.end()) out.push_back(process);
  }
  return out;
}

// The state folder goes if it is ours; a folder of the user's choice is reached through a link.
Status remove_files(const std::string& name) {
  const std::string link = default_folder(name);
  std::error_code error;
  if (fs::is_symlink(link, error)) {
    const fs::path target = fs::read_symlink(link, error);
    if (!error && fs::exists(target / "lab.json", error)) fs::remove_all(target, error);
    fs::remove(link, error);
  } else {
    fs::remove_all(link, error);
  }
  if (error) return fail(Errc::kInternal, link + ": " + error.message());
  fs::remove(kRunFolder, error);  // only when it is empty
  return {};
}

}  // namespace

std::string process_marker(std::string_view name) { return "CARACAL_LAB_PROCESS=" + std::string(name); }

Result<Lab> lab_up(Topology topology, const std::string& state_dir, const Programs& programs, const Progress& progress) {
  if (::geteuid() != 0) return fail(Errc::kPermission, "a lab makes network namespaces: run this as root");
  const std::string name = topology.name;
  if (!list_netns("crl-" + name + "-").empty() || fs::exists(default_folder(name))) {
    return fail(Errc::kExists, fmt::format("lab {} is there already, or what is left of it; `caracal lab down --name {}` removes it", name, name));
  }
  Lab lab;
  lab.plan.topology = std::move(topology);
  CARACAL_ASSIGN(const std::vector<net::Cidr> taken, host_prefixes());
  CARACAL_ASSIGN(lab.plan.fabric, choose_fabric(lab.plan.topology.families, taken));
  CARACAL_ASSIGN(lab.plan.api_port, choose_api_port(lab.plan.topology.has(net::Family::kIPv4)));

  std::error_code error;
  lab.paths.root = default_folder(name);
  if (!state_dir.empty()) {
    lab.paths.root = fs::absolute(state_dir, error).string();
    if (fs::exists(lab.paths.root, error) && !fs::is_empty(lab.paths.root, error)) {
      return fail(Errc::kExists, fmt::format("--state-dir {}: must not exist or be empty", state_dir));
    }
    CARACAL_TRY(make_directories(kRunFolder));
    fs::create_directory_symlink(lab.paths.root, default_folder(name), error);
  }
  CARACAL_TRY(make_directories(lab.paths.root));
  CARACAL_TRY(write_file_atomic(lab.paths.plan(), jsonio::to_pretty_string(to_json(lab.plan))));
  if (const Status built = build(lab, programs, progress); !built) {
    const auto log = read_file(lab.paths.log("supervisor"));
    Error why = built.error();
    if (log && !log->empty()) why.message += "\nlast of the supervisor's log:\n" + log->substr(log->size() > 800 ? log->size() - 800 : 0);
    [[maybe_unused]] const Status removed = lab_down(name, [](const std::string&) {});
    return fail(std::move(why));
  }
  return lab;
}

Result<std::vector<std::string>> lab_repair(const Lab& lab, const Programs& programs) {
  std::vector<std::string> out;
  const auto runs = [&](const char* program) {
    const auto process = read_record(lab.paths.pid(program));
    return process && alive(*process);
  };
  if (!runs("apiserver")) {
    CARACAL_TRY(start_api(lab, programs));
    out.emplace_back("API server");
  }
  if (!runs("supervisor")) {
    CARACAL_TRY(start_supervisor(lab, programs));
    out.emplace_back("supervisor");
  }
  CARACAL_TRY(wait_for_nodes(lab));
  return out;
}

Status lab_down(const std::string& name, const Progress& progress) {
  if (::geteuid() != 0) return fail(Errc::kPermission, "a lab is made of network namespaces: run this as root");
  CARACAL_TRY(check_lab_name(name));
  // First the supervisor: it would start again what ends.
  if (const auto supervisor = read_record(Paths{default_folder(name)}.pid("supervisor"))) {
    CARACAL_TRY(stop_process(*supervisor, std::chrono::milliseconds(kProcessGrace)));
  }
  // Until there are none: what was just being started is found the second time.
  for (int round = 0; round < 5; ++round) {
    const std::vector<Process> processes = processes_of(name);
    if (processes.empty()) break;
    progress(fmt::format("ending {} processes", processes.size()));
    stop_processes(processes, round == 0 ? kProcessGrace : std::chrono::milliseconds(0));
  }
  progress("removing namespaces, links and files");
  const Status network = remove_network(name);
  const Status files = remove_files(name);
  if (!network) return network;
  return files;
}

Result<Lab> find_lab(const std::string& name) {
  CARACAL_TRY(check_lab_name(name));
  Lab lab;
  std::error_code error;
  const std::string link = default_folder(name);
  lab.paths.root = fs::is_symlink(link, error) ? fs::read_symlink(link, error).string() : link;
  const auto text = read_file(lab.paths.plan());
  if (!text) {
    return fail(Errc::kNotFound, fmt::format("there is no lab {}; `caracal lab up --name {}` makes one", name, name));
  }
  CARACAL_ASSIGN(lab.plan, parse_plan(*text, lab.paths.plan()));
  return lab;
}

std::vector<std::string> list_labs() {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kRunFolder, error)) {
    if (fs::exists(entry.path() / "lab.json", error)) out.push_back(entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<kube::ClusterAccess> access_of(const Lab& lab) { return kube::load_kubeconfig({lab.paths.kubeconfig()}); }

Result<std::string> act_on_agent(const Lab& lab, const std::string& node, AgentAction action) {
  if (lab.plan.find_node(node) == nullptr) {
    return fail(Errc::kNotFound, fmt::format("lab {} has no node {}", lab.plan.topology.name, node));
  }
  const std::string record = lab.paths.pid(agent_record_name(node));
  const std::string stopped = lab.paths.node_agent_stopped(node);
  const auto poke_supervisor = [&] {
    const auto supervisor = read_record(lab.paths.pid("supervisor"));
    return supervisor ? send_signal(*supervisor, SIGUSR1) : Status(fail(Errc::kNotFound, "the lab's supervisor does not run"));
  };
  const auto old = read_record(record);
  if (action == AgentAction::kStop) {
    CARACAL_TRY(write_file_atomic(stopped, ""));
    if (old) CARACAL_TRY(stop_process(*old, std::chrono::seconds(5)));
    return fmt::format("agent of {} stopped; `caracal lab agent start {}` starts it", node, node);
  }
  ::unlink(stopped.c_str());
  const bool end = action == AgentAction::kKill || action == AgentAction::kRestart;
  const auto begun = Clock::now();
  if (end) {
    if (!old || !alive(*old)) return fail(Errc::kNotFound, fmt::format("the agent of {} does not run", node));
    CARACAL_TRY(stop_process(*old, action == AgentAction::kKill ? std::chrono::seconds(0) : std::chrono::seconds(5)));
  }
  CARACAL_TRY(poke_supervisor());
  std::string why;
  std::optional<Process> now;
  const bool ready = wait_until(std::chrono::seconds(20), [&] {
    now = read_record(record);
    if (!now || (end && now == old) || !alive(*now)) return false;
    const Status answer = ask_agent(lab.paths.node_socket(node));
    if (!answer) why = answer.error().message;
    return answer.has_value();
  });
  if (!ready) return fail(Errc::kTimeout, fmt::format("the agent of {} is not ready after 20 s: {}", node, why));
  const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
  if (!end) return fmt::format("agent of {} runs (pid {})", node, now->pid);
  return fmt::format("agent of {} {} (pid {}), started again (pid {}), ready after {} ms", node,
                     action == AgentAction::kKill ? "killed" : "ended", old->pid, now->pid, time.count());
}

}  // namespace caracal::lab
