// The pod network of a node, as its agent tells it in "status", for people: addresses, pools,
// tunnels, BGP sessions, problems. Pure.
//
// Parts that are missing are passed over: an agent without BGP, or an older one.
#pragma once

#include <string>
#include <vector>

#include "jsonio/json.h"

namespace caracal::cli {

struct NetworkHealth {
  bool known = false;  // the agent tells of its network
  size_t sessions = 0;
  size_t sessions_up = 0;
  size_t tunnels = 0;
  size_t tunnels_up = 0;
  // What is wrong, a sentence each: a session that is not up, a tunnel with a problem, and all that
  // the agent calls a problem.
  std::vector<std::string> troubles;
  bool well() const { return troubles.empty(); }
};
// `status`: the agent's answer.
NetworkHealth network_health(const json::value& status);

// Several lines, with a table of the BGP peers; empty when the agent tells nothing.
std::string network_text(const json::value& status);

// "2/2 up", "-".
std::string sessions_text(const NetworkHealth& health);

}  // namespace caracal::cli
