// Processes of a lab: long-lived children that outlive the program which started them, found again
// by a record (pid and start time, so that a reused pid is never taken for ours) or by what marks
// them: the environment variable CARACAL_LAB_PROCESS, or standing in one of the lab's network
// namespaces. Blocking; any thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace caracal::lab {

struct Process {
  pid_t pid = 0;
  uint64_t start_time = 0;  // clock ticks since boot, field 22 of /proc/PID/stat
  bool operator==(const Process&) const = default;
};

struct Spawn {
  std::vector<std::string> argv;         // argv[0] with a slash, or looked up in PATH
  std::vector<std::string> environment;  // "NAME=value", added to ours
  std::string netns;                     // path; empty: ours
  std::string directory;                 // working folder; empty: "/"
  std::string log;                       // standard output and error are appended; empty: /dev/null
  // With a value, file descriptor 3 of the child is a pipe: it writes "ready\n" when it serves, or
  // a text that says why it cannot, and spawn() waits that long for it.
  std::optional<std::chrono::milliseconds> wait_ready;
};

// Starts a process in a session of its own. In another network namespace it gets a /sys that shows
// that namespace. Errors: kNotFound, kTimeout, or the text the child gave.
Result<Process> spawn(const Spawn& options);

// Runs a command in a network namespace on our terminal and waits. Its exit status, 128 + n for
// signal n.
Result<int> run_interactive(const std::vector<std::string>& argv, const std::string& netns,
                            const std::vector<std::string>& environment);

// The process with this pid, if there is one that is not a zombie.
std::optional<Process> find_process(pid_t pid);
bool alive(const Process& process);
// An fd that becomes readable when the process ends; invalid when it has ended.
UniqueFd open_pidfd(const Process& process);
Status send_signal(const Process& process, int signal);
// SIGTERM, `grace` to end, SIGKILL; returns when it is gone. A process already gone is fine.
Status stop_process(const Process& process, std::chrono::milliseconds grace);
void stop_processes(const std::vector<Process>& processes, std::chrono::milliseconds grace);

// Processes with NAME=value in their environment, and those in one of the namespaces (paths). Never
// ourselves or our ancestors.
std::vector<Process> find_by_environment(std::string_view variable);
std::vector<Process> find_by_netns(const std::vector<std::string>& netns_paths);

// "PID START-TIME".
Status write_record(const std::string& path, const Process& process);
std::optional<Process> read_record(const std::string& path);

}  // namespace caracal::lab
