// ClusterAccess: where the API server is and how to prove who we are. A plain value, made by
// kubeconfig.h or by hand (tests, lab); read by Client and BlockingClient.
#pragma once

#include <string>

namespace caracal::kube {

struct ClusterAccess {
  std::string server;  // "https://host:port", maybe with a path; no slash at the end

  std::string ca_pem;                     // certificates to trust; empty: those of the system
  bool insecure_skip_tls_verify = false;  // trust any server
  std::string tls_server_name;            // name to expect in the certificate; empty: the host
  std::string proxy_url;

  // Credentials; none, or more than one, may be given.
  std::string client_certificate_pem;
  std::string client_key_pem;
  std::string token;
  std::string token_file;  // takes precedence over token; read again whenever the file changes
  std::string username;
  std::string password;

  std::string ns = "default";  // namespace of the context
  std::string origin;  // where this came from ("kubeconfig /etc/x, context lab"), for messages
};

}  // namespace caracal::kube
