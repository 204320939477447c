// Kubeconfig files (kubernetes.io, "Organizing Cluster Access Using kubeconfig Files") and the
// files that a pod finds about its cluster, read into a ClusterAccess.
//
// Fields understood: clusters[].cluster {server, certificate-authority(-data), tls-server-name,
// insecure-skip-tls-verify, proxy-url}, users[].user {token, tokenFile, client-certificate(-data),
// client-key(-data), username, password}, contexts[].context {cluster, user, namespace},
// current-context. `exec` and `auth-provider` are refused with a text that says so. Relative paths
// are relative to the file's folder. Errors name file, field and value. Blocking file reads.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/cluster_access.h"

namespace caracal::kube {

// Gives the content of a file; injected in tests and fuzzing.
using FileReader = std::function<Result<std::string>(const std::string& path)>;

// One kubeconfig text. `path` names it in errors and is the base of relative paths. An empty
// context means current-context.
Result<ClusterAccess> parse_kubeconfig(std::string_view text, const std::string& path,
                                       std::string_view context = {}, const FileReader& read = {});

// Several files as one: of each name, and of current-context, the first file that has it counts. A
// file that does not exist is left out as long as one does.
Result<ClusterAccess> load_kubeconfig(const std::vector<std::string>& paths,
                                      std::string_view context = {});

// In a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, and the files token, ca.crt and
// namespace of the service account's folder. kNotFound when not in a pod.
inline constexpr const char* kServiceAccountFolder =
    "/var/run/secrets/kubernetes.io/serviceaccount";
Result<ClusterAccess> in_cluster_access(const std::string& folder = kServiceAccountFolder);

struct AccessOptions {
  std::string kubeconfig;  // --kubeconfig
  std::string context;     // --context
  std::string server;      // --server: overrides the server of the file
};
// The usual order: the file given; KUBECONFIG (files separated by ':'); in a pod, the pod's own
// files;
// ~/.kube/config. With nothing of these but options.server, that server without credentials.
Result<ClusterAccess> find_access(const AccessOptions& options = {});

}  // namespace caracal::kube
