// TunnelAddresses: sees to it that this node has the tunnel addresses and keys it needs, tells them
// as annotations of its Node, and gives them up when they are no longer needed.
//
// On the calculation loop. The address of a tunnel comes from where pods' addresses come from: a
// pool that allows the use Tunnel, or the first two addresses of the node's pod CIDR, which no pod
// gets. It is told only once the device stands, since the other nodes send there from then on. It
// is given up some time after the need has ended, when the other nodes have changed their routes: a
// device that goes too soon loses packets.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>

#include "agent/node_annotations.h"
#include "agent/options.h"
#include "event/backoff.h"
#include "event/loop.h"
#include "jsonio/json.h"
#include "model/node.h"
#include "route/network_engine.h"

namespace caracal::agent {

// Where the addresses come from.
class TunnelAddressSource {
 public:
  using OnAddress = std::function<void(Result<net::IpAddr>)>;
  virtual ~TunnelAddressSource() = default;
  // The one `handle` has, or a new one. `type`: "vxlanTunnelAddress", ... as Calico marks it.
  virtual void acquire_tunnel(const std::string& handle, const std::string& type,
                              net::Family family, OnAddress done) = 0;
  virtual void release_tunnel(const std::string& handle, std::function<void(Status)> done) = 0;
  // Is there nothing against this address going on? False: its pool is on its way out or does not
  // serve tunnels any more, and another one does.
  virtual bool keeps_tunnel(const net::IpAddr& address) const = 0;
};

// A tunnel this node can have now, though the others do not know of it yet.
struct OwnTunnel {
  enum class Kind : uint8_t { kVxlanV4, kVxlanV6, kIpip, kWireguardV4, kWireguardV6 };
  Kind kind = Kind::kVxlanV4;
  std::optional<net::IpAddr> address;  // none: the tunnel is given up
  std::string key;                     // public, of WireGuard
};

class TunnelAddresses {
 public:
  // Makes the device; `done` when the kernel has it, or why not.
  using OnPrepared = std::function<void(const std::string& problem)>;
  using Prepare = std::function<void(const OwnTunnel&, OnPrepared done)>;
  TunnelAddresses(event::Loop& loop, const Options& options, NodeAnnotations& annotations,
                  TunnelAddressSource& source, Prepare prepare);

  void set_needs(const route::TunnelNeeds& needs);
  void set_node(const model::Node& node);
  json::array problems() const;

  // The private half of the key that is told; what WireGuard devices are set up with. Any thread.
  static std::string key_path(const Options& options) {
    return options.state_dir + "/wireguard.key";
  }

 private:
  static constexpr size_t kKinds = 5;
  struct Tunnel {
    bool needed = false;
    bool acquiring = false;
    bool have = false;  // the datastore says it is ours
    std::optional<net::IpAddr> address;
    std::string error;
    event::Backoff backoff;
    event::Handle retry;
    event::Handle give_up;
  };
  void look(size_t kind);
  void acquire(size_t kind);
  void acquired(size_t kind, const net::IpAddr& address);
  void not_acquired(size_t kind, const std::string& error);
  void give_up(size_t kind);
  void move(size_t kind);
  std::string own_key(size_t kind);

  event::Loop& loop_;
  const Options& options_;
  NodeAnnotations& annotations_;
  TunnelAddressSource& source_;
  Prepare prepare_;
  bool known_ = false;  // the Node has been seen
  model::Labels seen_;
  std::array<Tunnel, kKinds> tunnels_;
};

}  // namespace caracal::agent
