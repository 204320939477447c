// The node's WireGuard key pair (Curve25519, RFC 7748), kept in the state folder so that peers do
// not have to learn a new one after every restart. Read by TunnelAddresses, which tells the public
// half, and by the tunnel driver, which sets devices up with the secret one; from any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "dataplane/tunnel/wireguard_key.h"

namespace caracal::agent {

struct WireguardKeys {
  dataplane::tunnel::WireguardKey secret;
  dataplane::tunnel::WireguardKey open;  // told to the others
};

// Reads the private key at `path`, or makes one there (readable by its owner only). Blocking.
Result<WireguardKeys> load_wireguard_keys(const std::string& path);

}  // namespace caracal::agent
