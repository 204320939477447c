// `caracal flows`: records of denied and logged flows, from the agents' flow logs.
#pragma once

#include "cli/command.h"

namespace caracal::cli {

// Adds the command `flows`.
void add_flows_command(CLI::App& app, Action& chosen);

}  // namespace caracal::cli
