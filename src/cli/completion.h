// `caracal completion bash`: a completion script made from the command tree itself, so that it is
// never out of step with it.
#pragma once

#include <string>

#include "cli/command.h"

namespace caracal::cli {

// The script for a command tree whose root is called `program`. Hidden commands (those without a
// description) are left out.
std::string bash_completion(const CLI::App& root, const std::string& program);

// Adds the command `completion`.
void add_completion_command(CLI::App& app, Action& chosen);

}  // namespace caracal::cli
