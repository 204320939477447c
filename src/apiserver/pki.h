// The server's own certificates: a CA and a server certificate signed by it, made at first start,
// kept in the data folder, and made anew when they do not cover the wanted names or expire soon.
// And the kubeconfig that lets kubectl trust and enter.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace caracal::apiserver {

struct Pki {
  std::string ca_certificate;  // PEM texts
  std::string ca_key;
  std::string certificate;
  std::string key;
};

// ECDSA P-256. `names` are the subject alternative names: host names and IP addresses.
Result<Pki> make_pki(const std::vector<std::string>& names);
// From `folder` (ca.crt, ca.key, server.crt, server.key) as far as usable, else made and written
// there. The CA stays as long as it is valid, so that kubeconfigs keep working.
Result<Pki> load_or_make_pki(const std::string& folder, const std::vector<std::string>& names);

// A kubeconfig with one cluster, one user, one context, all named "caracal". `ca` empty: plain
// HTTP.
std::string make_kubeconfig(std::string_view server_url, std::string_view ca,
                            std::string_view token);

}  // namespace caracal::apiserver
