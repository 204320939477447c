// The world of policy, read from the API server at one moment: what the oracle needs.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "kube/blocking_client.h"
#include "model/world.h"

namespace caracal::cli {

struct LoadedWorld {
  model::World world;
  std::vector<std::string> warnings;  // objects left out, and policies that cannot be used
};

// Pods, namespaces, nodes, networkpolicies, all of them. Errors: those of the API server.
Result<LoadedWorld> load_world(kube::BlockingClient& client);

}  // namespace caracal::cli
