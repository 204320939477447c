#include "lab/supervisor.h"

#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "event/loop.h"
#include "kube/client.h"
#include "kube/reflector.h"
#include "lab/agent_keeper.h"
#include "lab/client_pool.h"
#include "lab/kubelet.h"
#include "lab/node_reporter.h"
#include "lab/process.h"
#include "lab/sandbox.h"

namespace caracal::lab {
namespace {

void log_state(const char* what, const kube::ReflectorState& state) {
  if (state.connected) {
    log::info("watch works", {{"of", what}});
  } else {
    log::warn("watch lost", {{"of", what}, {"error", state.error}});
  }
}

}  // namespace

Status run_supervisor(const SupervisorOptions& options) {
  const SandboxRuntime runtime(options.plan, options.paths, options.pod_program);
  ClientPool clients(options.access);

  //   reflectors -> kubelet -> (workers) -> sandbox runtime, API
  //   agent keeper, node reporter: on their own
  event::Loop loop;
  AgentKeeper agents(loop, options.plan, options.paths, options.agent_program);
  NodeReporter reporter(loop, clients, options.plan, options.paths);
  Kubelet kubelet(loop, clients, options.plan, runtime);
  kubelet.adopt(runtime.load_records());

  kube::Client client(loop, options.access);
  kube::Reflector nodes(
      client, {.path = "/api/v1/nodes"},
      {.on_object = [&](const model::ObjectName& name,
                        const json::value* object) { kubelet.on_node(name.name, object); },
       .on_synced = [] {},
       .on_state = [](const kube::ReflectorState& state) { log_state("nodes", state); }});
  kube::Reflector pods(
      client, {.path = "/api/v1/pods"},
      {.on_object = [&](const model::ObjectName& name,
                        const json::value* object) { kubelet.on_pod(name, object); },
       .on_synced = [&] { kubelet.on_synced(); },
       .on_state = [](const kube::ReflectorState& state) { log_state("pods", state); }});

  CARACAL_ASSIGN(const event::Handle on_term, loop.watch_signal(SIGTERM, [&] { loop.stop(); }));
  CARACAL_ASSIGN(const event::Handle on_int, loop.watch_signal(SIGINT, [&] { loop.stop(); }));
  // `caracal lab agent stop|start` says that an agent.stopped file has changed.
  CARACAL_ASSIGN(const event::Handle on_usr1, loop.watch_signal(SIGUSR1, [&] { agents.look(); }));
  agents.look();
  reporter.start();
  nodes.start();
  pods.start();
  if (options.ready_fd >= 0) {
    constexpr std::string_view kReady = "ready\n";
    [[maybe_unused]] const ssize_t ignored =
        ::write(options.ready_fd, kReady.data(), kReady.size());
    ::close(options.ready_fd);
  }
  log::info("supervisor runs", {{"lab", options.plan.topology.name}});
  loop.run();
  log::info("supervisor ends", {{"lab", options.plan.topology.name}});
  return {};
}

}  // namespace caracal::lab
