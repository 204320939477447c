// WorldIndex: the world, so that the small part of it that decides about one flow is found without
// reading the rest.
//
// Fed with the Updates that the policy engine gets, by the same loop; read when the kernel told of
// a packet. Keeps what an explanation of one flow can depend on, and nothing that only the API
// needs (uids, annotations, staged policies). Pods and policies, which are many and seldom asked
// for, are packed: the engine, which has them too, keeps what it computes with and cannot give the
// objects back.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "flowlog/packed_pods.h"
#include "flowlog/packed_policies.h"
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
  // addresses: on it, explain_direction() and explain_host() say what they say on the whole, apart
  // from policies that do not select who is judged. `own`: the pod that is judged, if it is one.
  model::World excerpt(const net::IpAddr& source, const net::IpAddr& destination,
                       const model::ObjectName* own) const;

  // "namespace/name" of the pod that has the address; "node x" of a node; "host endpoint x"; empty.
  std::string name_of(const net::IpAddr& address) const;

 private:
  // Names of the pods that have the address, by their status or their interface.
  std::vector<const model::ObjectName*> holders(const net::IpAddr& address) const;
  void add_policies(const model::ObjectName* own, model::World& out) const;
  void add_pod(const model::ObjectName& name, model::World& out) const;

  model::World world_;  // all but pods and policies
  PackedPods pods_;
  PackedPolicies policies_;
};

}  // namespace caracal::flowlog
