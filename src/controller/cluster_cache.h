// ClusterCache: what the controller knows of the cluster, kept by watches.
//
// On the client's loop. Calico's kinds are followed in every group that serves them; the records of
// the address management in one, the one that ipam::KubeDatastore writes. An object that cannot be
// read is kept out, logged, and told in status.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "controller/api_write.h"
#include "controller/object_table.h"
#include "controller/served_kinds.h"
#include "ipam/address_world.h"
#include "kube/client.h"
#include "kube/reflector.h"
#include "model/node.h"
#include "telemetry/metrics.h"

namespace caracal::controller {

enum class Part : uint8_t {
  kNodes,     // a node came, went, or has other labels or addresses
  kNodeGone,  // besides kNodes
  kPods,
  kRecords,  // blocks, affinities, handles
  kPools,    // and reservations, and settings of the address management
  kHostEndpoints,
  kSettings,     // KubeControllersConfiguration
  kInformation,  // ClusterInformation
};

class ClusterCache {
 public:
  using OnChange = std::function<void(Part)>;

  ClusterCache(kube::Client& client, OnChange on_change, telemetry::Metrics& metrics,
               event::Duration discovery = event::Duration(20'000));
  void start();

  // All that is served has been listed. Does not become false again.
  bool synced() const;
  // Of one kind, by plural: it is served, listed, and its watch works now.
  bool follows(std::string_view plural) const;
  // The exchanges with the server work now; `error` says what is wrong with the first that does
  // not.
  bool connected() const;
  std::string error() const;

  const std::map<std::string, model::Node>& nodes() const { return nodes_; }
  const ipam::AddressWorld& addresses() const { return addresses_; }
  const ObjectTable& pools() const { return tables_.at("ippools"); }
  const ObjectTable& host_endpoints() const { return tables_.at("hostendpoints"); }
  const ObjectTable& settings() const { return tables_.at("kubecontrollersconfigurations"); }
  const ObjectTable& information() const { return tables_.at("clusterinformations"); }
  // Where new objects of a kind go: projectcalico.org/v3 when it is served there. An empty
  // api_version: nowhere.
  ApiKind where(std::string_view plural) const;

  json::object status() const;  // by collection: {synced, connected, error, objects}
  void measure() const;         // brings the gauges up to date

 private:
  struct Followed {
    std::unique_ptr<kube::Reflector> reflector;
    telemetry::Gauge* objects = nullptr;
  };
  using Key = std::pair<std::string, std::string>;  // group version, plural

  void follow(const Key& key);
  void follow_served(const ServedKinds::Served& served);
  void take(const Key& key, const std::string& ns, const std::string& name,
            const json::value* object);
  void take_node(const std::string& name, const json::value* object);
  void take_pod(const model::ObjectName& name, const json::value* object);
  void take_record(const Key& key, const std::string& name, const json::value* object);
  void take_network(const Key& key, const std::string& name);
  void note(const std::string& title, const std::string& problem);

  kube::Client& client_;
  OnChange on_change_;
  telemetry::Metrics& metrics_;
  std::map<Key, Followed> followed_;
  std::map<std::string, model::Node> nodes_;
  ipam::AddressWorld addresses_;
  std::map<std::string, net::Cidr> block_names_;            // by object name
  std::map<std::string, ObjectTable, std::less<>> tables_;  // by plural
  std::map<std::string, std::string> problems_;             // by "IPAMBlock x"
  ServedKinds served_;
};

}  // namespace caracal::controller
