#include "lab/lab.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "kube/kubeconfig.h"
#include "lab/embedded_examples.h"
#include "lab/lab_parts.h"
#include "lab/network.h"
#include "lab/routing.h"
#include "net/socket_address.h"

namespace caracal::lab {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kProcessGrace{1'500};

// 6443 where it is free on every address, else one the kernel gives.
Result<uint16_t> choose_api_port(net::Family family) {
  for (const uint16_t wanted : {uint16_t{6443}, uint16_t{0}}) {
    net::SocketAddress address(net::IpAddr::first(family), wanted);
    const UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, "socket");
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd.get(), address.get(), address.size()) != 0) continue;
    if (::getsockname(fd.get(), address.get(), address.room()) == 0) return address.port();
  }
  return fail(Errc::kExhausted, "no free port for the API server");
}

Status build(Lab& lab, const Programs& programs, const Progress& progress) {
  const Topology& topology = lab.plan.topology;
  for (const Segment& segment : lab.plan.segments()) {
    std::string text;
    for (const net::Cidr& cidr : segment.cidrs)
      text += (text.empty() ? "" : " and ") + cidr.to_string();
    progress(fmt::format("network: {} {}", segment.name, text));
  }
  progress(
      fmt::format("network: {} nodes, {} routers", topology.nodes.size(), topology.routers.size()));
  CARACAL_TRY(make_folders(lab));
  CARACAL_TRY(write_router_files(lab.plan, lab.paths));
  CARACAL_TRY(create_network(lab.plan));
  std::error_code error;
  for (const char* name : {"caracal", "caracal-cni"})
    fs::create_symlink(programs.cni, lab.paths.cni_bin() + "/" + name, error);
  progress(fmt::format("API server: {}", lab.plan.api_url()));
  CARACAL_TRY(start_api(lab, programs));
  CARACAL_TRY(write_node_kubeconfigs(lab));
  CARACAL_TRY(create_objects(lab));
  CARACAL_TRY(apply_objects(lab));
  CARACAL_TRY(write_examples(lab.paths.examples()));
  progress("scheduler, kubelets and agents");
  CARACAL_TRY(start_supervisor(lab, programs));
  return wait_for_nodes(lab);
}

// One lab comes up at a time: prefixes and ports are chosen by what is free. The lock is the folder
// itself, which a lab that goes down may remove meanwhile.
Result<UniqueFd> lock_run_folder() {
  for (;;) {
    CARACAL_TRY(make_directories(kRunFolder));
    UniqueFd fd(::open(kRunFolder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd && errno == ENOENT) continue;
    if (!fd || ::flock(fd.get(), LOCK_EX) != 0)
      return fail_errno(errno, std::string("lock ") + kRunFolder);
    struct stat held {
    }, named{};
    if (::fstat(fd.get(), &held) == 0 && ::stat(kRunFolder, &named) == 0 &&
        held.st_ino == named.st_ino)
      return fd;
  }
}

std::string default_folder(const std::string& name) { return std::string(kRunFolder) + "/" + name; }

std::vector<Process> processes_of(const std::string& name) {
  std::vector<Process> out = find_by_environment(process_marker(name));
  std::vector<std::string> paths;
  for (const std::string& netns : list_netns("crl-" + name + "-"))
    paths.push_back(netns_path(netns));
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

std::string process_marker(std::string_view name) {
  return "CARACAL_LAB_PROCESS=" + std::string(name);
}

Result<Lab> lab_up(Topology topology, const std::string& state_dir, const Programs& programs,
                   const Progress& progress) {
  if (::geteuid() != 0)
    return fail(Errc::kPermission, "a lab makes network namespaces: run this as root");
  const std::string name = topology.name;
  CARACAL_ASSIGN(const UniqueFd lock, lock_run_folder());
  if (!list_netns("crl-" + name + "-").empty() || fs::exists(default_folder(name))) {
    return fail(Errc::kExists, fmt::format("lab {} is there already, or what is left of it; "
                                           "`caracal lab down --name {}` removes it",
                                           name, name));
  }
  Lab lab;
  CARACAL_TRY(check_routing_programs(topology));
  CARACAL_ASSIGN(const std::vector<net::Cidr> taken, host_prefixes());
  CARACAL_ASSIGN(lab.plan, make_plan(std::move(topology), taken));
  CARACAL_ASSIGN(lab.plan.api_port,
                 choose_api_port(lab.plan.topology.has(net::Family::kIPv4) ? net::Family::kIPv4
                                                                           : net::Family::kIPv6));

  std::error_code error;
  lab.paths.root = default_folder(name);
  if (!state_dir.empty()) {
    lab.paths.root = fs::absolute(state_dir, error).string();
    if (fs::exists(lab.paths.root, error) && !fs::is_empty(lab.paths.root, error)) {
      return fail(Errc::kExists,
                  fmt::format("--state-dir {}: must not exist or be empty", state_dir));
    }
    fs::create_directory_symlink(lab.paths.root, default_folder(name), error);
  }
  CARACAL_TRY(make_directories(lab.paths.root));
  CARACAL_TRY(write_file_atomic(lab.paths.plan(), jsonio::to_pretty_string(to_json(lab.plan))));
  if (const Status built = build(lab, programs, progress); !built) {
    const auto log = read_file(lab.paths.log("supervisor"));
    Error why = built.error();
    if (log && !log->empty())
      why.message += "\nlast of the supervisor's log:\n" +
                     log->substr(log->size() > 800 ? log->size() - 800 : 0);
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
  if (::geteuid() != 0)
    return fail(Errc::kPermission, "a lab is made of network namespaces: run this as root");
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
    return fail(
        Errc::kNotFound,
        fmt::format("there is no lab {}; `caracal lab up --name {}` makes one", name, name));
  }
  CARACAL_ASSIGN(lab.plan, parse_plan(*text, lab.paths.plan()));
  return lab;
}

std::vector<std::string> list_labs() {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kRunFolder, error)) {
    if (fs::exists(entry.path() / "lab.json", error))
      out.push_back(entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<kube::ClusterAccess> access_of(const Lab& lab) {
  return kube::load_kubeconfig({lab.paths.kubeconfig()});
}

}  // namespace caracal::lab
