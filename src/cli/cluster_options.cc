#include "cli/cluster_options.h"

#include <CLI/CLI.hpp>

#include "kube/kubeconfig.h"

namespace caracal::cli {

void ClusterOptions::add_to(CLI::App& command) {
  command
      .add_option("--kubeconfig", kubeconfig,
                  "kubeconfig file; default: $KUBECONFIG, then ~/.kube/config")
      ->type_name("FILE");
  command.add_option("--context", context, "context of the kubeconfig")->type_name("NAME");
  command.add_option("-n,--namespace", ns, "namespace of pods named without one")
      ->type_name("NAME");
}

Result<kube::BlockingClient> ClusterOptions::connect() const {
  kube::AccessOptions options;
  options.kubeconfig = kubeconfig;
  options.context = context;
  CARACAL_ASSIGN(kube::ClusterAccess access, kube::find_access(options));
  return kube::BlockingClient(std::move(access));
}

std::string ClusterOptions::default_namespace(const kube::BlockingClient& client) const {
  if (!ns.empty()) return ns;
  return client.access().ns.empty() ? "default" : client.access().ns;
}

}  // namespace caracal::cli
