// TunnelDriver: keeps the node's tunnel devices and their peers equal to a desired::PodNetwork.
//
//   vxlan.calico, vxlan-v6.calico   device, address, a forwarding and a neighbour entry for each
//   peer tunl0                           the kernel's own IPIP device: up, MTU, our address
//   wireguard.cali, wg-v6.cali      device, address, keys, peers
//
// Fed by the agent's dataplane loop (its only thread): once with the whole network, then with
// deltas. sync() and apply() only add and change; what nothing needs any more stays until
// drop_unneeded(), so that routes can be moved in between:
//
//   tunnels.apply(delta, network)  ->  routes.apply(...)  ->  tunnels.drop_unneeded()
//
// Ours are the devices by name and kind (docs/OWNERSHIP.md), and the permanent entries on them. A
// device of a running Calico that is as wanted is taken over untouched. A device of another kind
// that has the name is left alone and reported. Belongs to the network namespace it was opened in.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/tunnel/wireguard_key.h"
#include "desired/network.h"

namespace caracal::netlink {
class NetworkNamespace;
}

namespace caracal::dataplane::tunnel {

struct TunnelProblem {
  std::string object;  // "device vxlan.calico", "forwarding entry 66:.. at 192.0.2.1", ...
  Error error;         // kUnsupported: this kernel has no such tunnels; kConflict: somebody else's
};

// Counted are devices, entries and WireGuard peers alike.
struct TunnelReport {
  size_t right = 0;    // found as wanted (sync only)
  size_t added = 0;    // were missing
  size_t changed = 0;  // were different
  size_t removed = 0;  // ours, but not wanted (drop_unneeded only)
  // What was done to devices, and why; for logs: "vxlan.calico: made anew: VNI 7 instead of 4096".
  std::vector<std::string> notes;
  std::vector<TunnelProblem> problems;
  // The public key of each WireGuard device that is there, base64.
  std::map<std::string, std::string> public_keys;
};

struct TunnelOptions {
  // The private key a WireGuard device should have. Unset: the one it has; a device without one
  // gets a new one, which then lives in the kernel alone, as Calico does it.
  std::function<Result<WireguardKey>(const std::string& device)> wireguard_key;
};

class TunnelDriver {
 public:
  static Result<TunnelDriver> open(TunnelOptions options = {});
  static Result<TunnelDriver> open_in(const netlink::NetworkNamespace& ns,
                                      TunnelOptions options = {});
  TunnelDriver(TunnelDriver&&) noexcept;
  TunnelDriver& operator=(TunnelDriver&&) noexcept;
  ~TunnelDriver();

  // Reads the kernel, touches only what is wrong. Fails only when the kernel cannot be asked; what
  // cannot be made is a problem in the report, and the rest is done.
  Result<TunnelReport> sync(const desired::PodNetwork& network);
  // What the delta names, `next` being the network after it. REQUIRES: sync() was called.
  Result<TunnelReport> apply(const desired::PodNetworkDelta& delta,
                             const desired::PodNetwork& next);
  // Takes away entries, peers and devices that the last sync() or apply() left over. Call it when
  // no route leads there any more. Cheap when there is nothing.
  Result<TunnelReport> drop_unneeded();
  // Takes away everything of ours; fine when there is nothing.
  Status remove();

  // Drift. The descriptor is readable when links, addresses or neighbours changed; then call
  // changed(), which tells whether something of ours is not as we left it (or messages were lost):
  // if so, call sync(), and drop_unneeded() after.
  int watch_fd() const;
  Result<bool> changed();
  // The same of what the kernel does not announce: keys and peers of WireGuard. For a timer; asks
  // nothing while no WireGuard is wanted.
  Result<bool> look();

 private:
  struct State;
  explicit TunnelDriver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace caracal::dataplane::tunnel
