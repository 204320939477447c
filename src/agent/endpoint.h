// Endpoint: a pod's interface on this node, as the agent made it and remembers it.
//
// Kept as the attributes of its lease (ipam/lease_book.h), so that one durable record holds both.
// Plain value.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dataplane/link/pod_link.h"
#include "ipam/lease_book.h"
#include "model/object.h"
#include "model/update.h"
#include "net/ip_addr.h"
#include "net/mac_addr.h"

namespace caracal::agent {

struct Endpoint {
  ipam::AttachmentId attachment;
  std::string network;  // name of the CNI network
  model::ObjectName pod;
  std::string interface;  // host side
  std::string netns;      // path, as the runtime gave it
  uint32_t mtu = 0;
  std::vector<net::IpAddr> addresses;
  std::optional<net::MacAddr> mac = {};  // of the pod's interface; none: the kernel chooses
  bool operator==(const Endpoint&) const = default;
  std::string to_string() const;  // "pod dev/pod1 (container/eth0)"
};

// What policy and the link driver need of it.
model::LocalEndpoint local_endpoint(const Endpoint& endpoint);
dataplane::link::PodLinkSpec link_spec(const Endpoint& endpoint);

// prefix + the first hex digits of SHA-1("namespace.pod") that fit into 15 bytes: with "cali" the
// 11 that Calico takes, so that a pod can change hands.
std::string interface_name(const std::string& prefix, const model::ObjectName& pod);

ipam::Attributes to_attributes(const Endpoint& endpoint);
Endpoint endpoint_of(const ipam::Lease& lease);

}  // namespace caracal::agent
