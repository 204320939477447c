// `caracal ipam check`: does what pools, blocks, affinities, handles and pods say fit together?
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "ipam/address_world.h"
#include "ipam/check.h"

namespace caracal::cli {

struct CheckText {
  bool every_address = false;     // --show-all-ips
  bool problem_addresses = true;  // one line for each problem
};
std::string check_text(const ipam::AddressWorld& world,
                       const std::vector<ipam::Inconsistency>& problems, const CheckText& options);

// Adds the command to the group `ipam`.
void add_ipam_check_command(CLI::App& ipam, Action& chosen);

}  // namespace caracal::cli
