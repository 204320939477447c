// `caracal ipam`: addresses, blocks and pools, as users of calicoctl know the commands.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/command.h"

namespace caracal::cli {

// Adds the command group `ipam`.
void add_ipam_commands(CLI::App& app, Action& chosen);

// Asks on the terminal and reads one line. Errors: kInvalid when there is no terminal to ask on:
// then --yes must say it.
Result<bool> confirm(const std::string& question);

}  // namespace caracal::cli
