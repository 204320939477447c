// The flags by which every command finds its cluster, and what they lead to.
#pragma once

#include <string>

#include "base/result.h"
#include "kube/blocking_client.h"

namespace CLI {
class App;
}

namespace caracal::cli {

struct ClusterOptions {
  std::string kubeconfig;  // --kubeconfig; else KUBECONFIG, a pod's own files, ~/.kube/config
  std::string context;     // --context
  std::string ns;          // -n, --namespace; else that of the context

  void add_to(CLI::App& command);
  Result<kube::BlockingClient> connect() const;
  // The namespace of names without one.
  std::string default_namespace(const kube::BlockingClient& client) const;
};

}  // namespace caracal::cli
