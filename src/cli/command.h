// How the programs' subcommands are put together. Each file of commands adds its own to the command
// line; parsing chooses one action, which main() then runs.
//
// Exit status of an action: 0 it worked (and what was asked holds), 1 it failed (or does not hold).
// A wrong command line never gets to an action: usage on standard error, exit status 2.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"

namespace CLI {
class App;
class Validator;
}  // namespace CLI

namespace caracal::cli {

using Action = std::function<Result<int>()>;

// Adds a subcommand that is chosen with `action`. `examples` end its --help. The values its options
// are bound to must live as long as the action: bind them to a shared_ptr that the action holds.
CLI::App* add_command(CLI::App& parent, Action& chosen, const std::string& name,
                      const std::string& description, const std::string& examples, Action action);
// A subcommand that only holds others; one of them must be given.
CLI::App* add_group(CLI::App& parent, const std::string& name, const std::string& description);

// The root command with what every program of ours has; `program` as the user typed it.
void prepare_root(CLI::App& app, const std::string& program);

// Parses, runs what was chosen, and returns the exit status.
int run_command_line(CLI::App& app, Action& chosen, int argc, char** argv);

}  // namespace caracal::cli
