// Controller: what is done once a cluster, not once a node.
//
//                       LeaderElector --- Fence ---> every write
//                             | acts / does not
//   API server --> ClusterCache --> passes:  addresses       AddressPass, ipam::Collector
//      ^                |                    pools           pool_plan
//      |                v                    host-endpoints  host_endpoint_plan
//      |            PassRunner               cluster         cluster_plan
//      '------------- WriteQueue <-----------'
//
// On one loop, that of its client. A follower keeps its cache, so it can act as soon as it leads.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "controller/options.h"
#include "event/loop.h"
#include "jsonio/json.h"
#include "kube/client.h"
#include "telemetry/http_endpoint.h"
#include "telemetry/metrics.h"

namespace caracal::controller {

class Controller {
 public:
  // REQUIRES: check(options.timings) is well. `client` and `metrics` outlive it.
  Controller(kube::Client& client, Options options, telemetry::Metrics& metrics);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  void start();
  // Stops acting, gives the lease back, then calls `done`.
  void stop(std::function<void()> done);

  bool acting() const;
  // The controller acts and every pass has been through since then, without error.
  bool settled() const;
  json::object status() const;  // identity, leader, passes, watches
  // The pages of an HttpEndpoint: live: the loop turns; ready: it knows the cluster.
  telemetry::HttpEndpoint::Sources pages();
  void set_metrics_port(uint16_t port);  // for runningConfig
  std::string error() const;  // why it has not settled; empty: nothing is known to be wrong

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs until SIGTERM or SIGINT; with `once`, until every pass is done, and prints what each did.
Status run(const Options& options);

}  // namespace caracal::controller
