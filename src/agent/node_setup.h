// Node setup: what the agent needs of the host besides its own objects, and how it is given back.
//
// Called once by agent.cc before the loops run, and by uninstall. Blocking. The values found before
// the first change are kept in the state folder (sysctls.json) until uninstall() restores them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/host_links.h"
#include "agent/options.h"
#include "base/result.h"

namespace caracal::agent {

// Turns forwarding on, after recording what was there.
Status prepare_node(const std::string& state_dir);

// The smallest MTU of the host's links that are up; lo, tunnels and bridges of other networks left
// out (is_virtual_interface()), or those whose name the regular expression `pattern` matches, when
// there is one. 1500 without any.
uint32_t host_mtu(const std::vector<HostLink>& links, const std::string& pattern);

// Takes away everything Caracal made on this node: policy table, routes, pod links, state files;
// restores the recorded settings. Pods that still run lose their network. Refuses while an agent
// runs. Goes on after an error, and returns the first.
Status uninstall(const Options& options);

}  // namespace caracal::agent
