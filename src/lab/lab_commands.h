// `caracal lab ...`: the command line of labs.
#pragma once

#include <string>

#include "cli/command.h"

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

// --name, with CARACAL_LAB as its default. The value lives as long as the command.
void add_name_option(CLI::App& command, std::string& name);

}  // namespace caracal::lab
