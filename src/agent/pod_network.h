// PodNetwork: the calculation loop's half of the pod network: nodes, pools and blocks in; routes,
// tunnels and address rules out to the dataplane loop (docs/design/network.md).
//
// Fed by ClusterWatch (NetworkUpdates, this node's Node object), LinkMonitor (the host's
// interfaces) and BgpService (whether BIRD runs). Nothing goes to the kernel before the world is in
// sync.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/calculation.h"
#include "agent/dataplane.h"
#include "agent/default_pools.h"
#include "agent/node_addressing.h"
#include "agent/node_annotations.h"
#include "agent/options.h"
#include "agent/tunnel_addresses.h"
#include "event/loop.h"
#include "jsonio/json.h"
#include "kube/client.h"
#include "model/network_update.h"
#include "route/network_engine.h"
#include "telemetry/metrics.h"

namespace caracal::agent {

class PodNetwork {
 public:
  // Errors: kInvalid, of an option.
  static Result<std::unique_ptr<PodNetwork>> open(event::Loop& loop, const Options& options,
                                                  kube::Client& client, Calculation& calculation,
                                                  Dataplane& dataplane,
                                                  TunnelAddressSource& tunnels,
                                                  telemetry::Metrics& metrics);

  void update(const model::NetworkUpdate& update);
  void set_own_node(const model::Node& node);
  void set_links(const std::vector<HostLink>& links) { addressing_.set_links(links); }
  void set_host_mtu(uint32_t mtu);
  void set_bgp(bool runs);
  // To be called before Calculation::set_synced(), which synchronises all routes.
  void set_synced();

  // The MTU pods get; told whenever it changes.
  uint32_t pod_mtu() const { return engine_.pod_mtu(); }
  void on_pod_mtu(std::function<void(uint32_t)> fn) { pod_mtu_changed_ = std::move(fn); }

  const route::NetworkEngine& engine() const { return engine_; }
  // Adds addresses, tunnels, problems, ... to the agent's status.
  void add_status(json::object& network) const;

 private:
  PodNetwork(event::Loop& loop, const Options& options, kube::Client& client,
             Calculation& calculation, Dataplane& dataplane, TunnelAddressSource& tunnels,
             telemetry::Metrics& metrics);
  void schedule_flush();
  void flush();
  void look_at_pools();
  void log_problems();
  void tell_failsafes();
  void prepare_tunnel(const OwnTunnel& own, TunnelAddresses::OnPrepared done);
  model::NodeNetworkUpdate with_own_tunnels() const;
  void apply_routes(dataplane::fib::RouteDelta delta);

  event::Loop& loop_;
  const Options& options_;
  Calculation& calculation_;
  Dataplane& dataplane_;
  route::NetworkEngine engine_;
  NodeAnnotations annotations_;
  NodeAddressing addressing_;
  TunnelAddresses tunnels_;
  DefaultPools default_pools_;
  std::map<std::string, net::Family> pools_;          // by name
  std::optional<model::NodeNetwork> own_;             // as the API has it
  std::map<OwnTunnel::Kind, OwnTunnel> own_tunnels_;  // ours, told or not
  std::vector<std::function<void()>> prepared_;       // wait for the next flush to be applied
  uint32_t route_metric_ = 0;
  bool bgp_ = false;
  std::set<dataplane::fib::RouteKey> leaving_;  // BIRD may have them soon
  event::Handle leaving_timer_;
  bool synced_ = false;
  bool flush_scheduled_ = false;
  uint32_t told_mtu_ = 0;
  std::function<void(uint32_t)> pod_mtu_changed_;
  std::vector<std::string> logged_problems_;
  event::Handle problem_timer_;
  telemetry::Histogram& flush_seconds_;
  telemetry::Gauge& routes_;
};

}  // namespace caracal::agent
