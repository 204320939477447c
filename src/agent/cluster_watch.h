// ClusterWatch: the collections the agent follows, decoded into model::Updates (seam 1).
//
// The collections of Kubernetes itself always, and those of CRDs (Calico's kinds, cluster-wide
// policies) while the API server serves them: one that appears is followed from then on, one that
// vanishes is empty from then on. On the calculation loop. While the API server is away nothing is
// reported, and the reflectors resume by themselves; in sync once all that are served have listed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/served_collections.h"
#include "calico/decode.h"
#include "jsonio/json.h"
#include "kube/client.h"
#include "kube/reflector.h"
#include "model/network_update.h"
#include "model/update.h"
#include "telemetry/metrics.h"

namespace caracal::agent {

class ClusterWatch {
 public:
  struct Callbacks {
    std::function<void(const model::Update&)> on_update;
    std::function<void(const model::NetworkUpdate&)> on_network = {};
    std::function<void()> on_synced;  // once
    // Each object as it is now, with what is wrong with it (empty: nothing). `object` is null when
    // it is gone, and valid during the call only.
    std::function<void(const calico::Collection&, const model::ObjectName&,
                       const std::vector<calico::Finding>&, const json::value* object)>
        on_findings = {};
  };
  // `node`: whose settings hold (FelixConfiguration node.NAME).
  ClusterWatch(kube::Client& client, Callbacks callbacks, telemetry::Metrics& metrics,
               std::string node = {}, event::Duration discovery_period = event::Duration(20'000));
  void start();

  bool synced() const;
  // All collections exchange with the server now; `error` says what is wrong with the first that
  // does not.
  bool connected() const;
  std::string error() const;
  // By collection: {synced, connected, error, objects, lists, watches, events, failures}.
  json::object status() const;
  void measure() const;  // brings the gauges up to date
  // Objects that are not taken as they stand: "Pod dev/a" -> why.
  const std::map<std::string, std::string>& unreadable() const { return unreadable_; }

 private:
  struct Followed {
    std::string name;  // "pods", "tiers.projectcalico.org"
    std::unique_ptr<kube::Reflector> reflector;
    telemetry::Counter* events;
    telemetry::Gauge* objects;
    telemetry::Gauge* lists;
    telemetry::Gauge* failures;
    std::set<model::ObjectName> known;  // of a collection that may vanish
  };
  void follow(const calico::Collection& collection);
  void unfollow(const calico::Collection& collection);
  void follow_served(const ServedCollections::Served& served);
  void take(const calico::Collection& collection, const model::ObjectName& name,
            const json::value* object);
  void note(const calico::Collection& collection, const model::ObjectName& name,
            const std::vector<calico::Finding>& findings, const json::value* object);
  void tell_synced();

  kube::Client& client_;
  Callbacks callbacks_;
  telemetry::Metrics& metrics_;
  calico::ObjectDecoder decoder_;
  std::map<const calico::Collection*, Followed> followed_;
  std::map<std::string, std::string> unreadable_;
  bool told_synced_ = false;
  ServedCollections served_;
};

}  // namespace caracal::agent
