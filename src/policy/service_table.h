// ServiceTable: the endpoints of services (EndpointSlices). Those of a service that an active rule
// names are holders of their addresses in the EndpointIndex; the others are only kept.
//
// Fed by the engine (slices) and the policy compiler (which services are named).
#pragma once

#include <set>
#include <unordered_map>

#include "model/endpoint_slice.h"
#include "policy/endpoint_index.h"

namespace caracal::policy {

class ServiceTable {
 public:
  explicit ServiceTable(EndpointIndex& endpoints) : endpoints_(endpoints) {}

  // Adds, changes or removes (nullptr).
  void set(const model::ObjectName& name, const model::EndpointSlice* slice);
  // A rule names the service, or ceases to.
  void take(const model::ObjectName& service);
  void drop(const model::ObjectName& service);

 private:
  struct Service {
    uint32_t users = 0;
    std::set<model::ObjectName> slices;
  };
  void forget_if_unused(const model::ObjectName& service);

  EndpointIndex& endpoints_;
  std::unordered_map<model::ObjectName, model::EndpointSlice> slices_;
  std::unordered_map<model::ObjectName, Service> services_;
};

}  // namespace caracal::policy
