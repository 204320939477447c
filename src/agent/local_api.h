// LocalApi: what the agent tells over its socket, to the CLI, the lab and to people.
//
//   status   the whole node: ready and why not, API, endpoints with their policies, routes,
//   counters health   {"ready": bool, "reason": ".."} tables   the desired policy tables, as
//   computed cni      a CNI request (cni/request.h)
//
// On the calculation loop. The shapes are in docs/design/agent.md; fields are only added.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/address_source.h"
#include "agent/bgp_service.h"
#include "agent/calculation.h"
#include "agent/cluster_watch.h"
#include "agent/cni_service.h"
#include "agent/flow_service.h"
#include "agent/options.h"
#include "agent/pod_network.h"
#include "event/watchdog.h"
#include "jsonio/json.h"
#include "rpc/message.h"
#include "rpc/server.h"

namespace caracal::agent {

json::object tables_to_json(const desired::PolicyTables& tables);

class LocalApi {
 public:
  struct Parts {
    const Options& options;
    const Calculation& calculation;
    const ClusterWatch& cluster;
    const AddressSource& addresses;
    const PodNetwork& network;
    BgpService& bgp;
    const event::Watchdog& watchdog;
    std::string server;  // of the API
    CniService& cni;
    FlowService& flows;
  };
  explicit LocalApi(Parts parts) : parts_(std::move(parts)) {}

  void handle(const rpc::Request& request, const rpc::Server::Respond& respond);
  json::object status() const;
  // Why the node is not ready; empty: it is.
  std::string not_ready_reason() const;
  // What is wrong with the pod network on this node; empty: nothing.
  std::vector<std::string> network_problems() const;

 private:
  void handle_cni(const json::value& params, const rpc::Server::Respond& respond);
  json::array endpoints() const;
  json::array host_endpoints() const;
  json::object network_status() const;

  Parts parts_;
  event::Clock::time_point start_ = event::Clock::now();
};

}  // namespace caracal::agent
