// `caracal ipam show`, `blocks`, `pools`: what is taken, by whom, and how full everything is.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/command.h"
#include "ipam/address_world.h"

namespace caracal::cli {

struct ShowOptions {
  bool blocks = false;
  std::string pool;  // only this one
  std::string node;  // blocks: only of this one
  bool colour = false;
};
// The texts of the commands. Pure.
std::string show_text(const ipam::AddressWorld& world, const ShowOptions& options);
std::string blocks_text(const ipam::AddressWorld& world, const ShowOptions& options);
std::string pools_text(const ipam::AddressWorld& world);
std::string address_text(const ipam::AddressWorld& world, const net::IpAddr& address);
std::string borrowed_text(const ipam::AddressWorld& world);
std::string settings_text(const ipam::AddressWorld& world);

// Adds the commands to the group `ipam`.
void add_ipam_show_commands(CLI::App& ipam, Action& chosen);

}  // namespace caracal::cli
