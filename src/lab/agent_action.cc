#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "base/file.h"
#include "lab/lab.h"
#include "lab/lab_parts.h"
#include "lab/node_reporter.h"
#include "lab/program_keeper.h"

namespace caracal::lab {
namespace {
using Clock = std::chrono::steady_clock;
}

Result<std::string> act_on_agent(const Lab& lab, const std::string& node, AgentAction action) {
  if (lab.plan.find_node(node) == nullptr) {
    return fail(Errc::kNotFound,
                fmt::format("lab {} has no node {}", lab.plan.topology.name, node));
  }
  const std::string record = lab.paths.pid(agent_record_name(node));
  const std::string stopped = lab.paths.node_agent_stopped(node);
  const auto poke_supervisor = [&] {
    const auto supervisor = read_record(lab.paths.pid("supervisor"));
    return supervisor ? send_signal(*supervisor, SIGUSR1)
                      : Status(fail(Errc::kNotFound, "the lab's supervisor does not run"));
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
    if (!old || !alive(*old))
      return fail(Errc::kNotFound, fmt::format("the agent of {} does not run", node));
    CARACAL_TRY(stop_process(
        *old, action == AgentAction::kKill ? std::chrono::seconds(0) : std::chrono::seconds(5)));
  }
  CARACAL_TRY(poke_supervisor());
  std::string why;
  std::optional<Process> now;
  const bool ready = wait_until(std::chrono::seconds(60), [&] {
    now = read_record(record);
    if (!now || (end && now == old) || !alive(*now)) return false;
    const Status answer = ask_agent(lab.paths.node_socket(node));
    if (!answer) why = answer.error().message;
    return answer.has_value();
  });
  if (!ready)
    return fail(Errc::kTimeout,
                fmt::format("the agent of {} is not ready after 60 s: {}", node, why));
  const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
  if (!end) return fmt::format("agent of {} runs (pid {})", node, now->pid);
  return fmt::format("agent of {} {} (pid {}), started again (pid {}), ready after {} ms", node,
                     action == AgentAction::kKill ? "killed" : "ended", old->pid, now->pid,
                     time.count());
}

}  // namespace caracal::lab
