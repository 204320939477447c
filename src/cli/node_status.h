// `caracal node status [NODE]`: the nodes by the API, and by their agents where these can be
// reached.
#pragma once

#include "cli/command.h"

namespace caracal::cli {

// Adds the command group `node`.
void add_node_commands(CLI::App& app, Action& chosen);

}  // namespace caracal::cli
