// Runs a child process and collects what it prints. Blocking; call it from a worker or a tool,
// never from an event loop.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace caracal {

struct Command {
  std::vector<std::string> argv;                        // argv[0] is looked up in PATH
  std::string input;                                    // standard input, then end of file
  std::optional<std::vector<std::string>> environment;  // "NAME=value"; unset: inherited
  std::string netns;                                    // path of a network namespace; "": ours
  std::chrono::milliseconds timeout{60'000};            // then SIGKILL and Errc::kTimeout
};

struct CommandOutput {
  int exit_code = 0;  // 128 + n when signal n ended it
  std::string out;
  std::string err;
};

// Errors: kNotFound when argv[0] cannot be started, kTimeout. A non-zero exit is not an error here.
Result<CommandOutput> run(const Command& command);

// run(), and a non-zero exit becomes an Error that holds the command and its standard error.
Result<std::string> run_checked(const Command& command);

}  // namespace caracal
