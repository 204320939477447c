#include "lab/program_keeper.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"

namespace caracal::lab {
namespace {
constexpr std::chrono::seconds kStable{10};
constexpr event::Duration kNeeds{20};  // between two looks
}  // namespace

ProgramKeeper::ProgramKeeper(event::Loop& loop, const Plan& plan, const Paths& paths,
                             std::vector<KeptProgram> programs)
    : loop_(loop), plan_(plan), paths_(paths) {
  for (KeptProgram& program : programs) {
    Entry& entry = entries_[program.record];
    const auto recorded = read_record(paths.pid(program.record));
    if (recorded && alive(*recorded)) entry.process = *recorded;
    entry.program = std::move(program);
  }
}

void ProgramKeeper::look() {
  for (const auto& [record, entry] : entries_) look_at(record);
}

void ProgramKeeper::look_at(const std::string& record) {
  Entry& entry = entries_.at(record);
  const std::string& stop_file = entry.program.stop_file;
  const bool stopped = !stop_file.empty() && ::access(stop_file.c_str(), F_OK) == 0;
  const bool running = entry.process.pid != 0 && alive(entry.process);
  if (stopped) {
    entry.retry.reset();
    if (running) {
      [[maybe_unused]] const Status signalled = send_signal(entry.process, SIGTERM);
    }
    return;
  }
  if (!running) {
    if (entry.retry.active()) return;
    if (!entry.program.needs.empty() && ::access(entry.program.needs.c_str(), F_OK) != 0) {
      entry.retry = loop_.after(kNeeds, [this, record] {
        entries_.at(record).retry.reset();
        look_at(record);
      });
      return;
    }
    auto process = start(entry.program);
    if (!process) {
      log::error("program not started", {{"name", record}, {"error", process.error().message}});
      ++entry.quick_ends;
      return on_end(record);
    }
    entry.process = *process;
    entry.started = loop_.now();
    log::info("program started", {{"name", record}, {"pid", process->pid}});
  }
  if (entry.watch.active()) return;
  entry.fd = open_pidfd(entry.process);
  if (!entry.fd) return on_end(record);
  auto watch = loop_.watch_fd(entry.fd.get(), {.read = true},
                              [this, record](event::Ready) { on_end(record); });
  if (watch) entry.watch = std::move(*watch);
}

void ProgramKeeper::on_end(const std::string& record) {
  Entry& entry = entries_.at(record);
  entry.watch.reset();
  entry.fd.reset();
  if (entry.process.pid != 0) {
    [[maybe_unused]] const bool reaped = alive(entry.process);
    log::info("program ended", {{"name", record}, {"pid", entry.process.pid}});
    entry.quick_ends = loop_.now() - entry.started < kStable ? entry.quick_ends + 1 : 0;
  }
  entry.process = {};
  const int shift = std::min(entry.quick_ends, 6);
  const auto delay = entry.quick_ends == 0 ? event::Duration(1) : event::Duration(50 << shift);
  entry.retry = loop_.after(delay, [this, record] {
    entries_.at(record).retry.reset();
    look_at(record);
  });
}

Result<Process> ProgramKeeper::start(const KeptProgram& program) const {
  Spawn child = program.spawn;
  child.log = paths_.log(program.record);
  child.environment.push_back("CARACAL_LAB_PROCESS=" + plan_.topology.name);
  CARACAL_ASSIGN(const Process process, spawn(child));
  CARACAL_TRY(write_record(paths_.pid(program.record), process));
  return process;
}

std::string agent_record_name(std::string_view node) { return "agent-" + std::string(node); }

std::vector<KeptProgram> agents_of(const Plan& plan, const Paths& paths,
                                   const std::string& program) {
  std::vector<KeptProgram> out;
  for (const NodeSpec& node : plan.topology.nodes) {
    KeptProgram one;
    one.record = agent_record_name(node.name);
    one.stop_file = paths.node_agent_stopped(node.name);
    one.spawn.netns = netns_path(plan.node_netns(node.name));
    one.spawn.argv = {program,
                      "--node-name",
                      node.name,
                      "--kubeconfig",
                      paths.node_kubeconfig(node.name),
                      "--socket",
                      paths.node_socket(node.name),
                      "--state-dir",
                      paths.node_agent_state(node.name),
                      "--metrics-listen",
                      "127.0.0.1:9091"};
    for (const auto& more :
         {plan.topology.network.agent_arguments(), plan.topology.agent_arguments})
      one.spawn.argv.insert(one.spawn.argv.end(), more.begin(), more.end());
    // Files of the programs that an agent runs: each node its own.
    one.spawn.environment = {"CARACAL_RUN_DIR=" + paths.node_run(node.name)};
    // Unless the topology says otherwise the first pools are the lab's pod networks, of the
    // families that the lab has. (By environment: the arguments of the topology go before.)
    for (const net::Family family : net::kFamilies) {
      std::string pool = "none";
      for (const net::Cidr& cidr : plan.topology.pod_networks) {
        if (cidr.family() == family) pool = cidr.to_string();
      }
      one.spawn.environment.push_back(
          fmt::format("CALICO_IPV{}POOL_CIDR={}", family == net::Family::kIPv4 ? 4 : 6, pool));
    }
    out.push_back(std::move(one));
  }
  return out;
}

KeptProgram controller_of(const Plan&, const Paths& paths, const std::string& program) {
  KeptProgram out;
  out.record = "controller";
  // No port of the host's: several labs may run beside each other.
  out.spawn.argv = {program, "--kubeconfig", paths.kubeconfig(), "--metrics-listen", ""};
  return out;
}

}  // namespace caracal::lab
