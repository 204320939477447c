// ConntrackDriver: lists the kernel's connections and ends single ones (ctnetlink).
//
// Used by the agent's connection watch, on a worker thread. Belongs to the network namespace it was
// opened in; may be used from a thread that is elsewhere; one thread at a time. Owns nothing in the
// kernel: an entry is deleted only when it is named.
#pragma once

#include <functional>
#include <span>

#include "base/result.h"
#include "dataplane/conntrack/connection.h"
#include "netlink/socket.h"

namespace caracal::dataplane::conntrack {

class ConntrackDriver {
 public:
  // Errors: kUnsupported or kKernel: a kernel without ctnetlink tells at the first dump().
  static Result<ConntrackDriver> open();
  static Result<ConntrackDriver> open_in(const netlink::NetworkNamespace& ns);

  // Every connection of both families, one at a time; nothing is gathered. What begins or ends
  // meanwhile may or may not be among them; the same entry may come twice.
  using Visitor = std::function<void(const Connection&)>;
  Status dump(const Visitor& visit);

  struct Removed {
    size_t ended = 0;
    size_t gone = 0;  // had ended by themselves
  };
  // Deletes exactly these entries, both directions: by tuple, zone and id. Errors: the first
  // refusal that is not "no such entry"; the others are deleted all the same.
  Result<Removed> remove(std::span<const Connection> connections);

 private:
  explicit ConntrackDriver(netlink::Socket socket) : socket_(std::move(socket)) {}

  netlink::Socket socket_;
};

}  // namespace caracal::dataplane::conntrack
