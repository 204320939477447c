// Node setup: what the agent needs of the host besides its own objects, and how it is given back.
//
// Called once by agent.cc before the loops run, and by uninstall. Blocking. The values found before
// the first change are kept in the state folder (sysctls.json) until uninstall() restores them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/options.h"
#include "base/result.h"
#include "netlink/rtnetlink.h"

namespace caracal::agent {

// Turns forwarding on, after recording what was there.
Status prepare_node(const std::string& state_dir);

// The MTU for pods: the smallest of the host's links that are up, those of pods and lo left out;
// 1500 without any.
uint32_t pod_mtu(const std::vector<netlink::Link>& links, const std::string& interface_prefix);

// Takes away everything Caracal made on this node: policy table, routes, pod links, state files;
// restores the recorded settings. Pods that still run lose their network. Refuses while an agent
// runs. Goes on after an error, and returns the first.
Status uninstall(const Options& options);

}  // namespace caracal::agent
