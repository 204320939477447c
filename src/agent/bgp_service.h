// BgpService: BGP on this node: what the cluster wants becomes BIRD's configuration, when anything
// does.
//
// On the calculation loop. Fed with NetworkUpdates, the pods of this node (which may be peers), and
// the Secrets that hold passwords, which are watched only while a peer needs one. BIRD itself is
// bgp::BirdKeeper's business and outlives the agent.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/options.h"
#include "agent/peering_addresses.h"
#include "bgp/bgp_engine.h"
#include "bgp/bird_keeper.h"
#include "event/loop.h"
#include "jsonio/json.h"
#include "kube/client.h"
#include "kube/reflector.h"
#include "model/network_update.h"
#include "model/update.h"
#include "telemetry/metrics.h"

namespace caracal::agent {

class BgpService {
 public:
  // `on_routes` runs when it changes whether routes of pools without encapsulation are BIRD's.
  BgpService(event::Loop& loop, kube::Client& client, const Options& options,
             telemetry::Metrics& metrics, std::function<void(bool)> on_routes);

  void update(const model::NetworkUpdate& update);
  // Any pod of the cluster; those of this node that are, or were, a peer change something.
  void pod(const model::PodUpdate& update);
  // The world is complete: BIRD gets its first configuration.
  void set_synced();

  // {state, version, router_id, configured, last_error, peers, problems}; later, on the loop.
  void status(std::function<void(json::object)> done);

  // How often the configuration was looked at, since the world was complete.
  uint64_t flushes() const { return flushes_; }

 private:
  void schedule_flush();
  void flush();
  void look_at_secrets();
  void take_secret(const std::string& name, const json::value* object);
  void tell_routes();
  void give_peering_addresses();
  void measure();

  event::Loop& loop_;
  kube::Client& client_;
  const Options& options_;
  std::function<void(bool)> on_routes_;
  bgp::BgpEngine engine_;
  bgp::BirdKeeper keeper_;
  std::map<model::ObjectName, bgp::LocalWorkload> local_pods_;
  PeeringAddresses peering_;
  std::string peering_error_;
  uint64_t flushes_ = 0;
  bool synced_ = false;
  bool flush_scheduled_ = false;
  bool wanted_ = false;
  std::optional<bool> told_;
  std::unique_ptr<kube::Reflector> secrets_;
  telemetry::Gauge& peers_;
  telemetry::Gauge& established_;
  event::Handle measure_timer_;
  event::Handle takeover_timer_;
};

}  // namespace caracal::agent
