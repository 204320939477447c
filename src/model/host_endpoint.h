// HostEndpoint: an interface of a node (or all of them), as a target of policy and as a peer.
// projectcalico.org HostEndpoint; made by calico/decode_host_endpoint.
//
// What it does (calico.md 4.2): with a host endpoint on an interface, traffic to and from the
// host's own processes there is denied unless failsafe, allowed by a policy, or by a profile.
// Forwarded traffic is judged only when a policy with Hook::kForward applies in that direction.
// kPreDnat and kUntracked policies have no end-of-tier denial. An endpoint with a named interface
// goes before one with "*". As a peer it is its `addresses`, nothing else.
#pragma once

#include <string>
#include <vector>

#include "model/object.h"
#include "model/pod.h"
#include "net/ip_addr.h"

namespace caracal::model {

struct HostEndpoint {
  std::string name;
  std::string node;
  std::string interface;               // "*": every interface of the host; empty: the one that has
                                       // one of `addresses`
  std::vector<net::IpAddr> addresses;  // expectedIPs
  Labels labels;
  // profiles; only "projectcalico-default-allow" (everything is allowed behind the tiers) and
  // kns.NAMESPACE exist. Another one denies.
  std::vector<std::string> profiles;
  std::vector<NamedPort> ports;
  bool operator==(const HostEndpoint&) const = default;
};

}  // namespace caracal::model
