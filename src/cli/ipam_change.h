// `caracal ipam release`, `split`, `configure`, `lock`, `unlock`: what an operator changes about
// addresses by hand.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "ipam/address_world.h"
#include "ipam/collector.h"
#include "jsonio/json.h"

namespace caracal::cli {

// Which of the addresses somebody has, with who that is: "192.168.0.5 (pod dev/web on node1)".
std::vector<std::string> live_addresses(const ipam::AddressWorld& world,
                                        const std::vector<ipam::Leak>& leaks);

struct ConfigureRequest {
  std::optional<bool> strict_affinity;
  std::optional<bool> auto_allocate;
  std::optional<int64_t> max_blocks;
  std::optional<int64_t> cooldown;
};
// The spec of IPAMConfiguration after the change. Errors: kInvalid names field, value and what is
// valid, also for combinations that the address management refuses.
Result<json::object> changed_settings(json::object spec, const ConfigureRequest& request);

// Adds the commands to the group `ipam`.
void add_ipam_change_commands(CLI::App& ipam, Action& chosen);

}  // namespace caracal::cli
