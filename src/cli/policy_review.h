// Commands about a whole set of policies: `caracal policy matrix`, `diff`, `simulate`, `lint`. Each
// reads a cluster, or directories of manifests with no cluster at all.
//
// Exit status: 0, what was asked holds; 1, it does not (--fail-on), or the command failed; 3, some
// of the manifests could not be read or used, and the answer is about the rest.
#pragma once

#include <string>

#include "analysis/matrix_render.h"
#include "base/result.h"
#include "cli/command.h"

namespace caracal::cli {

inline constexpr int kBrokenInput = 3;

// "80", "UDP/53", "ICMP", "all".
Result<analysis::PortChoice> parse_port_choice(const std::string& text);

// Adds the commands to the group `policy`. `version` is this program's, for SARIF.
void add_policy_review_commands(CLI::App& policy, Action& chosen, const std::string& version);

}  // namespace caracal::cli
