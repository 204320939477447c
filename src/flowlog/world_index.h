// WorldIndex: the world, so that the small part of it that decides about one flow is found without
// reading the rest.
//
// Fed with the Updates that the policy engine gets, by the same loop; read when the kernel told of
// a packet. Keeps what an explanation of one flow can depend on, and nothing that only the API
// needs (uids, annotations, staged policies).
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/world.h"

namespace caracal::flowlog {

class WorldIndex {
 public:
  void apply(const model::Update& update);
  // The workload interfaces of this node, all of them, by interface.
  void set_local_endpoints(std::map<std::string, model::LocalEndpoint> endpoints) {
    world_.local_endpoints = std::move(endpoints);
  }

  // What policy/oracle needs of the world to explain one direction of a flow between the two
  // addresses: on it, explain_direction() and explain_host() say what they say on the whole (apart
  // from how many policies were left out). `own`: the pod that is judged, if it is one.
  model::World excerpt(const net::IpAddr& source, const net::IpAddr& destination,
                       const model::ObjectName* own) const;

  // "namespace/name" of the pod that has the address; "node x" of a node; "host endpoint x"; empty.
  std::string name_of(const net::IpAddr& address) const;

 private:
  void index_pod(const model::PodUpdate& update);
  std::vector<const model::Pod*> holders(const net::IpAddr& address) const;
  void add_policies(const std::string& ns, model::World& out) const;
  void add_pod(const model::Pod& pod, model::World& out) const;

  model::World world_;
  std::unordered_multimap<net::IpAddr, const model::ObjectName*> by_address_;  // keys of pods
};

}  // namespace caracal::flowlog
