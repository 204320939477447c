// `caracal lab ...`: the command line of labs.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/command.h"
#include "lab/lab.h"
#include "model/world.h"

namespace CLI {
class App;
}

namespace caracal::lab {

// Adds the command group `lab` with all its commands.
void add_lab_commands(CLI::App& app, cli::Action& chosen);

// The commands that bring labs up and down and look after them: up, down, status, exec, agent, run.
void add_life_commands(CLI::App& group, cli::Action& chosen);
// The commands that send packets: probe, matrix, demo.
void add_traffic_commands(CLI::App& group, cli::Action& chosen);
// The group `fault`.
void add_fault_commands(CLI::App& group, cli::Action& chosen);
// The commands that look into the network: show, trace.
void add_network_commands(CLI::App& group, cli::Action& chosen);

// Options that several of them have. The values live as long as the command.
//
// --name, with CARACAL_LAB as its default.
void add_name_option(CLI::App& command, std::string& name);
// -o: "table", "json" or "yaml".
void add_format_option(CLI::App& command, std::string& format);
// -n, of pods that are named without one.
void add_namespace_option(CLI::App& command, std::string& ns);
// SRC and DST as parse_end() reads them, and --timeout in milliseconds.
void add_end_options(CLI::App& command, std::string& from, std::string& to, int& timeout);

// A lab, and the world as its API server has it; what cannot be read is told on standard error.
struct Present {
  Lab lab;
  model::World world;
};
Result<Present> look_at(const std::string& name);

}  // namespace caracal::lab
