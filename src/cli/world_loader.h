// The world of policy, read from the API server at one moment, or from directories of manifests.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/cluster_options.h"
#include "kube/blocking_client.h"
#include "manifests/load.h"
#include "model/world.h"

namespace caracal::cli {

struct LoadedWorld {
  model::World world;
  std::vector<std::string> warnings;  // objects left out, and policies that cannot be used
};

// All kinds that policy depends on, as far as the server has them. Errors: those of the API server.
Result<LoadedWorld> load_world(kube::BlockingClient& client);

// Where the commands about whole sets of policies read from.
struct PolicySource {
  ClusterOptions cluster;
  std::vector<std::string> dirs;  // --dir; none: the cluster
  bool every_pod = false;         // --every-pod

  void add_to(CLI::App& command);
  bool offline() const { return !dirs.empty(); }
  // The objects as they are; of a cluster also services, ingresses and who owns its pods.
  Result<manifests::Documents> documents() const;
  manifests::LoadOptions load_options() const;
  Result<manifests::Manifests> load() const;
  // -n, one or several names with commas.
  std::vector<std::string> namespaces() const;
};

// Problems of reading, on standard error. True when there was an error among them.
bool print_problems(const manifests::Manifests& manifests);

}  // namespace caracal::cli
