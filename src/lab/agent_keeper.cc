#include "lab/agent_keeper.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"

namespace caracal::lab {
namespace {
constexpr std::chrono::seconds kStable{10};
}

std::string agent_record_name(std::string_view node) { return "agent-" + std::string(node); }

AgentKeeper::AgentKeeper(event::Loop& loop, const Plan& plan, const Paths& paths,
                         std::string agent_program)
    : loop_(loop), plan_(plan), paths_(paths), agent_program_(std::move(agent_program)) {
  for (const NodeSpec& node : plan.topology.nodes) {
    Node& entry = nodes_[node.name];
    const auto recorded = read_record(paths.pid(agent_record_name(node.name)));
    if (recorded && alive(*recorded)) entry.process = *recorded;
  }
}

void AgentKeeper::look() {
  for (const auto& [name, node] : nodes_) look_at(name);
}

void AgentKeeper::look_at(const std::string& name) {
  Node& node = nodes_.at(name);
  const bool stopped = ::access(paths_.node_agent_stopped(name).c_str(), F_OK) == 0;
  const bool running = node.process.pid != 0 && alive(node.process);
  if (stopped) {
    node.retry.reset();
    if (running) {
      [[maybe_unused]] const Status signalled = send_signal(node.process, SIGTERM);
    }
    return;
  }
  if (!running) {
    if (node.retry.active()) return;
    auto process = start(name);
    if (!process) {
      log::error("agent not started", {{"node", name}, {"error", process.error().message}});
      ++node.quick_ends;
      return on_end(name);
    }
    node.process = *process;
    node.started = loop_.now();
    log::info("agent started", {{"node", name}, {"pid", process->pid}});
  }
  if (node.watch.active()) return;
  node.fd = open_pidfd(node.process);
  if (!node.fd) return on_end(name);
  auto watch =
      loop_.watch_fd(node.fd.get(), {.read = true}, [this, name](event::Ready) { on_end(name); });
  if (watch) node.watch = std::move(*watch);
}

void AgentKeeper::on_end(const std::string& name) {
  Node& node = nodes_.at(name);
  node.watch.reset();
  node.fd.reset();
  if (node.process.pid != 0) {
    [[maybe_unused]] const bool reaped = alive(node.process);
    log::info("agent ended", {{"node", name}, {"pid", node.process.pid}});
    node.quick_ends = loop_.now() - node.started < kStable ? node.quick_ends + 1 : 0;
  }
  node.process = {};
  const int shift = std::min(node.quick_ends, 6);
  const auto delay = node.quick_ends == 0 ? event::Duration(1) : event::Duration(50 << shift);
  node.retry = loop_.after(delay, [this, name] {
    nodes_.at(name).retry.reset();
    look_at(name);
  });
}

Result<Process> AgentKeeper::start(const std::string& name) const {
  const std::string record = agent_record_name(name);
  Spawn child;
  child.argv = {agent_program_,
                "--node-name",
                name,
                "--kubeconfig",
                paths_.node_kubeconfig(name),
                "--socket",
                paths_.node_socket(name),
                "--state-dir",
                paths_.node_agent_state(name),
                "--metrics-listen",
                "127.0.0.1:9091"};
  child.netns = netns_path(plan_.node_netns(name));
  child.log = paths_.log(record);
  child.environment = {"CARACAL_LAB_PROCESS=" + plan_.topology.name};
  CARACAL_ASSIGN(const Process process, spawn(child));
  CARACAL_TRY(write_record(paths_.pid(record), process));
  return process;
}

}  // namespace caracal::lab
