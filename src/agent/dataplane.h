// Dataplane: the second loop. Takes desired changes from the calculation loop and brings them into
// the kernel, on a thread of its own; reports back what was done.
//
// Between the loops is one box that folds: while the kernel is busy, later changes merge into the
// one that waits, so it is bounded by the number of objects. Every submission has a sequence
// number, and the report of a number covers all before it. What the kernel refuses is retried with
// backoff.
//
//   calculation loop --submit--> box --> [PolicyApply, ConnectionWatch, RouteDriver] --Applied-->
//   calculation loop
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/connection_watch.h"
#include "agent/network_apply.h"
#include "agent/policy_apply.h"
#include "dataplane/fib/route_driver.h"
#include "desired/network.h"
#include "desired/policy_tables.h"
#include "event/backoff.h"
#include "event/loop.h"
#include "jsonio/json.h"
#include "telemetry/metrics.h"

namespace caracal::agent {

// What the kernel has after a round of work.
struct Applied {
  uint64_t sequence = 0;
  bool policy_synced = false;                 // the first synchronisation has worked
  std::string policy_error;                   // of the last attempt; empty: all is in the kernel
  std::map<std::string, std::string> closed;  // interface -> why the kernel refused its policy
  std::string route_error;
  std::vector<std::string> route_problems;
  json::array tunnels;                        // {device, kind, address, peers, state, problem} each
  std::vector<std::string> network_problems;  // of tunnels and address rules
  std::map<std::string, size_t> elements;     // by table
  std::string connection_error;               // of the last look at live connections
};

class Dataplane {
 public:
  struct Callbacks {  // on the calculation loop
    std::function<void(Applied)> on_applied;
    // Somebody changed our routes; answer with resync_routes() when no link is being made, since a
    // link's routes come into the kernel before they are wanted.
    std::function<void()> on_route_drift;
    // Connections that policy no longer allowed.
    std::function<void(const std::vector<EndedConnection>&)> on_connections_ended;
  };
  Dataplane(event::Loop& calculation, std::unique_ptr<PolicyTarget> policy,
            dataplane::fib::RouteDriver routes, NetworkApply network,
            dataplane::conntrack::ConntrackDriver connections, Callbacks callbacks,
            telemetry::Metrics& metrics);
  ~Dataplane();  // stop()
  Dataplane(const Dataplane&) = delete;
  Dataplane& operator=(const Dataplane&) = delete;

  void start();
  void stop();  // ends the thread; the kernel keeps everything
  event::Loop& loop() { return loop_; }

  // From the calculation loop. Each returns the sequence number of the submission.
  uint64_t sync_policy(desired::PolicyTables tables);
  uint64_t apply_policy(const desired::PolicyDelta& delta);
  uint64_t sync_routes(dataplane::fib::RouteTable routes);
  uint64_t apply_routes(const dataplane::fib::RouteDelta& delta);
  uint64_t resync_routes();
  uint64_t sync_network(desired::PodNetwork network);
  // `now`: the network after the delta.
  uint64_t apply_network(const desired::PodNetworkDelta& delta, const desired::PodNetwork& now);
  uint64_t last_sequence() const { return sequence_; }
  // Whether a change of policy ends the connections that it no longer allows. At first it does.
  void set_end_connections(bool end);
  void set_host_addresses(std::set<net::IpAddr> addresses);

  // Asks the kernel what it holds of an interface: every difference from what it should hold, a
  // sentence each. `done` runs on the calculation loop.
  void check_interface(const std::string& interface,
                       std::function<void(Result<std::vector<std::string>>)> done);

 private:
  struct Work {
    uint64_t sequence = 0;
    std::optional<desired::PolicyTables> tables;
    desired::PolicyDelta delta;  // after tables
    std::optional<dataplane::fib::RouteTable> routes;
    dataplane::fib::RouteDelta route_delta;  // after routes
    bool resync_routes = false;
    std::optional<desired::PodNetwork> network;
    desired::PodNetworkDelta network_delta;  // after network
    desired::PodNetwork network_parts;       // what the delta names, as it is now
  };
  template <typename Merge>
  uint64_t submit(Merge merge);
  // On the dataplane loop:
  void take_work();
  void do_policy(Work& work);
  void do_routes(Work& work);
  void note_routes(const Result<dataplane::fib::RouteReport>& report);
  void retry();
  void repair_network(const char* why);
  void schedule_retry();
  void look_for_drift();
  event::Duration compare_after_foreign_change();  // how long it took
  void report();

  event::Loop& calculation_;
  Callbacks callbacks_;
  uint64_t sequence_ = 0;  // calculation loop

  std::mutex mutex_;
  std::optional<Work> box_;  // guarded by mutex_

  PolicyApply policy_;
  ConnectionWatch connections_;
  dataplane::fib::RouteDriver routes_;
  NetworkApply network_;
  std::optional<dataplane::fib::RouteTable> unsynced_routes_;  // a first sync that failed
  bool routes_synced_ = false;
  std::string route_error_;
  std::vector<dataplane::fib::RouteProblem> route_problems_;
  uint64_t done_sequence_ = 0;
  uint32_t generation_ = 0;  // of nftables after our last transaction
  event::Backoff backoff_;

  telemetry::Histogram& apply_seconds_;
  telemetry::Histogram& sync_seconds_;
  telemetry::Counter& applies_;
  telemetry::Counter& elements_changed_;
  telemetry::Counter& errors_;
  telemetry::Counter& drifts_;
  std::map<std::string, telemetry::Gauge*> element_gauges_;

  event::Loop loop_;
  event::Handle route_watch_;
  event::Handle tunnel_watch_;
  event::Handle retry_timer_;
  event::Handle drift_timer_;
  std::thread thread_;
};

}  // namespace caracal::agent
