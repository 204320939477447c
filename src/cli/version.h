// `caracal version`.
#pragma once

#include <string>

#include "cli/command.h"

namespace caracal::cli {

// Adds the command; `version` is this program's.
void add_version_command(CLI::App& app, Action& chosen, const std::string& version);

}  // namespace caracal::cli
