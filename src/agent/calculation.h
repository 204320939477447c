// Calculation: the first loop's state. The world in, policy and routes out to the dataplane.
//
// Fed by ClusterWatch (the API), CniService and recovery (local endpoints), PodNetwork (the routes
// to blocks of addresses: the kernel is synchronised with all routes at once). Updates gather and
// are flushed once a turn of the loop, or at once when somebody waits for them (CNI ADD). Nothing
// goes to the kernel before the world is in sync: what a former agent left there stays in force
// until then.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/dataplane.h"
#include "dataplane/fib/route.h"
#include "event/loop.h"
#include "model/update.h"
#include "policy/engine.h"
#include "telemetry/metrics.h"

namespace caracal::agent {

// The routes of a local pod, as the route driver wants them.
dataplane::fib::RouteTable pod_routes(const model::LocalEndpoint& endpoint);

class Calculation {
 public:
  using Done = std::function<void()>;

  Calculation(event::Loop& loop, std::string node_name, telemetry::Metrics& metrics);
  void connect(Dataplane& dataplane) { dataplane_ = &dataplane; }

  // From the API. Computed and sent on within this turn of the loop.
  void update(const model::Update& update);
  // All collections are listed: from now on the kernel follows.
  void set_synced();
  bool synced() const { return synced_; }

  // What policy of host endpoints never closes besides what the settings say: the tunnels to other
  // nodes. Who may send there is the address rules' business. From PodNetwork.
  void set_tunnel_failsafes(std::vector<model::Failsafe> failsafes);
  // Routes to blocks of addresses, as they change. From PodNetwork.
  void apply_block_routes(const dataplane::fib::RouteDelta& delta);

  // The workload interfaces of this node. `routed`: its link stands, so its routes are wanted.
  void set_endpoint(const model::LocalEndpoint& endpoint, bool routed);
  void remove_endpoint(const std::string& interface);
  // Computes and sends what has gathered; `done` runs when the kernel has it, or has refused it.
  void flush_then(Done done);
  // `done` runs when the dataplane has dealt with the submission of this number.
  void when_applied(uint64_t sequence, Done done);

  // Is the pod in the world? `wake` runs once when it appears.
  bool knows_pod(const model::ObjectName& name) const { return pods_.contains(name); }
  void when_pod_known(const model::ObjectName& name, Done wake);

  // From the dataplane.
  void on_applied(Applied applied);
  void on_route_drift();
  // Links being made: their routes are in the kernel before they are wanted.
  void link_begins() { ++links_under_way_; }
  void link_ends();

  const model::Node* own_node() const { return own_node_ ? &*own_node_ : nullptr; }
  const Applied& applied() const { return applied_; }
  const policy::Engine& engine() const { return engine_; }
  const std::map<model::PolicyId, std::string>& invalid_policies() const { return invalid_; }
  // Runs when the own Node appears or changes.
  void on_own_node(std::function<void(const model::Node&)> fn) {
    own_node_changed_ = std::move(fn);
  }

 private:
  uint64_t flush();
  void schedule_flush();
  void note(const model::Update& update);
  model::PolicySettingsUpdate with_tunnels() const;
  dataplane::fib::RouteTable wanted_routes() const;

  event::Loop& loop_;
  std::string node_name_;
  Dataplane* dataplane_ = nullptr;
  policy::Engine engine_;
  bool synced_ = false;
  bool flush_scheduled_ = false;
  bool dirty_ = false;  // updates since the last flush

  std::set<model::ObjectName> pods_;
  std::multimap<model::ObjectName, Done> pod_waiters_;
  std::optional<model::Node> own_node_;
  std::optional<model::PolicySettings> settings_;
  std::vector<model::Failsafe> tunnel_failsafes_;
  std::map<model::PolicyId, std::string> invalid_;
  dataplane::fib::RouteTable block_table_;
  dataplane::fib::RouteTable pod_table_;
  std::function<void(const model::Node&)> own_node_changed_;

  Applied applied_;
  std::multimap<uint64_t, Done> apply_waiters_;  // by sequence number
  int links_under_way_ = 0;
  bool route_resync_wanted_ = false;

  telemetry::Histogram& flush_seconds_;
  telemetry::Counter& updates_;
};

}  // namespace caracal::agent
