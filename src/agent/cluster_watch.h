// ClusterWatch: the four collections the agent follows, decoded into model::Updates (seam 1).
//
// On the calculation loop. While the API server is away nothing is reported, and the reflectors
// resume by themselves; in sync once all of them have listed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/metrics.h"
#include "jsonio/json.h"
#include "kube/client.h"
#include "kube/reflector.h"
#include "model/update.h"

namespace caracal::agent {

class ClusterWatch {
 public:
  struct Callbacks {
    std::function<void(const model::Update&)> on_update;
    std::function<void()> on_synced;  // once
  };
  ClusterWatch(kube::Client& client, Callbacks callbacks, Metrics& metrics);
  void start();

  bool synced() const;
  // All collections exchange with the server now; `error` says what is wrong with the first that
  // does not.
  bool connected() const;
  std::string error() const;
  // By collection: {synced, connected, error, objects, lists, watches, events, failures}.
  json::object status() const;
  void measure() const;  // brings the gauges up to date
  // Objects that could not be read: "Pod dev/a" -> why.
  const std::map<std::string, std::string>& unreadable() const { return unreadable_; }

 private:
  struct Collection {
    std::string name;
    std::unique_ptr<kube::Reflector> reflector;
    Counter* events;
    Gauge* objects;
    Gauge* lists;
    Gauge* failures;
  };
  using Decode = std::function<Result<model::Update>(const model::ObjectName&, const json::value*)>;
  void add(kube::Client& client, const std::string& name, const std::string& path,
           const std::string& kind, Decode decode, Metrics& metrics);

  Callbacks callbacks_;
  std::vector<Collection> collections_;
  std::map<std::string, std::string> unreadable_;
};

}  // namespace caracal::agent
