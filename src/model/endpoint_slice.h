// EndpointSlice: some of the endpoints of a Service (discovery.k8s.io/v1), for service matches in
// policies.
#pragma once

#include <string>
#include <vector>

#include "model/object.h"
#include "net/ip_addr.h"
#include "net/protocol.h"

namespace caracal::model {

struct ServicePort {
  std::string name;
  net::Protocol protocol = net::kTcp;
  uint16_t port = 0;  // 0: every port
  bool operator==(const ServicePort&) const = default;
};

struct EndpointSlice {
  ObjectName name;
  std::string service;                 // label kubernetes.io/service-name, same namespace
  std::vector<net::IpAddr> addresses;  // of endpoints that are ready, or whose state is not told
  std::vector<ServicePort> ports;
  bool operator==(const EndpointSlice&) const = default;
};

}  // namespace caracal::model
