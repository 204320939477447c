// Service: what is told about a core/v1 Service to BGP peers (calico.md 7.3). Made by
// calico/decode_service, read by bgp.
#pragma once

#include <string>
#include <vector>

#include "model/object.h"
#include "net/ip_addr.h"

namespace caracal::model {

struct Service {
  ObjectName name;
  std::vector<net::IpAddr> cluster_ips;  // none of a headless one
  std::vector<net::IpAddr> external_ips;
  std::vector<net::IpAddr> load_balancer_ips;  // status.loadBalancer.ingress[].ip
  bool local = false;                          // externalTrafficPolicy: Local
  bool internal_local = false;                 // internalTrafficPolicy: Local
  bool operator==(const Service&) const = default;
};

// On which nodes a Service has ready endpoints: of one EndpointSlice.
struct ServiceNodes {
  ObjectName slice;
  std::string service;             // same namespace
  std::vector<std::string> nodes;  // sorted, no repeats
  bool operator==(const ServiceNodes&) const = default;
};

}  // namespace caracal::model
