// ProgramKeeper: keeps programs running, as a DaemonSet would: starts each, starts it again when it
// ends (at once, then more and more slowly), adopts those that an earlier supervisor started. A
// program whose stop file is there is ended and left so. Lives on one loop.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "event/loop.h"
#include "lab/plan.h"
#include "lab/process.h"

namespace caracal::lab {

struct KeptProgram {
  std::string record;     // "agent-node1": names its pid file and its log
  Spawn spawn;            // log and the lab's marker are filled in by the keeper
  std::string needs;      // a file without which it is not started yet; empty: none
  std::string stop_file;  // while it is there the program does not run; empty: none
};

class ProgramKeeper {
 public:
  // `plan` and `paths` must outlive it.
  ProgramKeeper(event::Loop& loop, const Plan& plan, const Paths& paths,
                std::vector<KeptProgram> programs);

  // Brings every program in line: call at start, and when stop files may have changed.
  void look();

 private:
  struct Entry {
    KeptProgram program;
    Process process;  // pid 0: none known
    UniqueFd fd;
    event::Handle watch;
    event::Handle retry;
    std::chrono::steady_clock::time_point started;
    int quick_ends = 0;  // ends soon after the start, in a row
  };

  void look_at(const std::string& record);
  void on_end(const std::string& record);
  Result<Process> start(const KeptProgram& program) const;

  event::Loop& loop_;
  const Plan& plan_;
  const Paths& paths_;
  std::map<std::string, Entry> entries_;
};

std::string agent_record_name(std::string_view node);  // "agent-node1"

// An agent on every node, in the node's namespace.
std::vector<KeptProgram> agents_of(const Plan& plan, const Paths& paths,
                                   const std::string& program);
// caracal-controller in the host's namespace. REQUIRES: the program is there.
KeptProgram controller_of(const Plan& plan, const Paths& paths, const std::string& program);

}  // namespace caracal::lab
