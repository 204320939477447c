// AgentKeeper: keeps a caracal-agent running on every node of a lab, as a DaemonSet would: starts
// it in the node's namespace, starts it again when it ends (at once, then more and more slowly),
// adopts the one that an earlier supervisor started. A node with the file agent.stopped is left
// without. Lives on one loop.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/fd.h"
#include "event/loop.h"
#include "lab/plan.h"
#include "lab/process.h"

namespace caracal::lab {

class AgentKeeper {
 public:
  AgentKeeper(event::Loop& loop, const Plan& plan, const Paths& paths, std::string agent_program);

  // Brings every node's agent in line: call at start, and when agent.stopped files may have
  // changed.
  void look();

 private:
  struct Node {
    Process process;  // pid 0: none known
    UniqueFd fd;
    event::Handle watch;
    event::Handle retry;
    std::chrono::steady_clock::time_point started;
    int quick_ends = 0;  // ends soon after the start, in a row
  };

  void look_at(const std::string& name);
  void on_end(const std::string& name);
  Result<Process> start(const std::string& name) const;

  event::Loop& loop_;
  const Plan& plan_;
  const Paths& paths_;
  std::string agent_program_;
  std::map<std::string, Node> nodes_;
};

std::string agent_record_name(std::string_view node);  // "agent-node1": names its pid and log files

}  // namespace caracal::lab
