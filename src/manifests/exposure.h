// What lets traffic into the cluster: Ingress and Route objects, through Services, to pods.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "analysis/connectivity.h"
#include "jsonio/json.h"
#include "model/world.h"
#include "policy/port_set.h"

namespace caracal::manifests {

struct ServicePortSpec {
  std::string name;
  net::Protocol protocol = net::kTcp;
  uint16_t port = 0;
  std::variant<uint16_t, std::string> target;  // a port of the pod, by number or by name
};

struct Service {
  model::ObjectName name;
  model::Labels selector;  // empty: its endpoints are given by hand
  std::vector<ServicePortSpec> ports;
};
Result<Service> decode_service(const json::value& object);

// The ports of a pod behind a port of a service.
std::vector<uint16_t> target_ports(const model::Pod& pod, const ServicePortSpec& port);
bool selects(const Service& service, const model::Pod& pod);

// A service that an Ingress (networking.k8s.io/v1) or a Route (route.openshift.io/v1) leads to.
struct Backend {
  model::ObjectName service;
  // By number or name of the service's port, for a Route also of the pod's; unset: all.
  std::optional<std::variant<uint16_t, std::string>> port;
  bool operator==(const Backend&) const = default;
};
std::vector<Backend> backends_of(const json::value& object);

// The pods behind the backends, each with its ports there.
std::vector<analysis::Exposure> exposures(const model::World& world,
                                          const std::vector<Service>& services,
                                          const std::vector<Backend>& backends);

// For services whose endpoints nobody wrote down: a slice for each set of equal ports, of the pods
// they select.
std::vector<model::EndpointSlice> slices_of(const model::World& world, const Service& service);

}  // namespace caracal::manifests
