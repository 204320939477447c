// Pod: what the network needs to know of a core/v1 Pod. Made by kube/decode_pod.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/object.h"
#include "net/ip_addr.h"
#include "net/protocol.h"

namespace caracal::model {

// A containerPort with a name; policies refer to it by name and protocol.
struct NamedPort {
  std::string name;
  net::Protocol protocol = net::kTcp;
  uint16_t port = 0;
  bool operator==(const NamedPort&) const = default;
};

struct Pod {
  ObjectName name;
  std::string uid;
  Labels labels;
  std::string service_account;
  std::string node;                    // spec.nodeName; empty until scheduled
  std::vector<net::IpAddr> addresses;  // status.podIPs; empty until the network is up
  std::vector<NamedPort> ports;        // of all containers, init containers left out
  bool host_network = false;           // shares the node's addresses: policy never selects it
  bool finished = false;  // phase Succeeded or Failed: its address may be given out again
  bool operator==(const Pod&) const = default;

  // Is this pod a peer and a target of policy: has its own addresses and still runs?
  bool networked() const { return !host_network && !finished; }
};

}  // namespace caracal::model
