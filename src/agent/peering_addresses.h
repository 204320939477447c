// PeeringAddresses: the addresses that pods of this node speak BGP to
// (BGPConfiguration.spec.localWorkloadPeeringIPV4 and IPV6), on the host's side of those pods'
// interfaces.
//
// Fed by BgpService, on its loop. Changes only addresses that are its own: those it has given, or
// that carry the agent's protocol number (IFA_PROTO, Linux 5.18); they go with the interface, too.
// They are never chosen as a source by themselves (scope host; IPv6: deprecated), so that what the
// host sends to its pods keeps the node's address.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/result.h"
#include "net/ip_addr.h"

namespace caracal::agent {

class PeeringAddresses {
 public:
  using Wanted = std::map<std::string, std::set<net::IpAddr>>;  // by interface

  explicit PeeringAddresses(std::string interface_prefix)
      : interface_prefix_(std::move(interface_prefix)) {}

  // Gives what is missing and takes back what is wanted no more. An interface that is not there is
  // passed over: it may come. Blocking but short; in the calling thread's network namespace.
  Status apply(const Wanted& wanted);

 private:
  std::string interface_prefix_;
  std::set<std::pair<std::string, net::IpAddr>> given_;
  bool looked_ = false;  // for what a former agent has left
};

}  // namespace caracal::agent
