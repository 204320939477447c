#include "lab/supervisor.h"

#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "event/loop.h"
#include "kube/client.h"
#include "kube/reflector.h"
#include "lab/block_routes.h"
#include "lab/client_pool.h"
#include "lab/kubelet.h"
#include "lab/node_reporter.h"
#include "lab/process.h"
#include "lab/program_keeper.h"
#include "lab/routing.h"
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
  //   program keeper, node reporter: on their own
  //   reflector -> block routes -> outside client
  event::Loop loop;
  std::vector<KeptProgram> kept = routers_of(options.plan, options.paths);
  const std::vector<KeptProgram> agents =
      agents_of(options.plan, options.paths, options.agent_program);
  kept.insert(kept.end(), agents.begin(), agents.end());
  if (!options.controller_program.empty())
    kept.push_back(controller_of(options.plan, options.paths, options.controller_program));
  ProgramKeeper programs(loop, options.plan, options.paths, std::move(kept));
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
  BlockRoutes block_routes(loop, options.plan);
  kube::Reflector blocks(
      client, {.path = "/apis/crd.projectcalico.org/v1/ipamblocks"},
      {.on_object = [&](const model::ObjectName& name,
                        const json::value* object) { block_routes.on_block(name.name, object); },
       .on_synced = [] {},
       .on_state = [](const kube::ReflectorState& state) { log_state("blocks", state); }});

  CARACAL_ASSIGN(const event::Handle on_term, loop.watch_signal(SIGTERM, [&] { loop.stop(); }));
  CARACAL_ASSIGN(const event::Handle on_int, loop.watch_signal(SIGINT, [&] { loop.stop(); }));
  // `caracal lab agent stop|start` says that an agent.stopped file has changed.
  CARACAL_ASSIGN(const event::Handle on_usr1, loop.watch_signal(SIGUSR1, [&] { programs.look(); }));
  programs.look();
  reporter.start();
  nodes.start();
  pods.start();
  if (options.plan.topology.flat()) blocks.start();
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
