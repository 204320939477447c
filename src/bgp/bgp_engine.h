// BgpEngine: the cluster's objects in, this node's Config out.
//
//   model::NetworkUpdate --apply()--> World --flush()--> Config --> BirdKeeper
//
// Fed by the agent from calico::NetworkDecoder, on the calculation loop. Pure: no clock, no I/O, no
// thread, and the Config depends on the present world only, not on how it came about. An update
// that says nothing about this node's BGP (another node's block, a Service without addresses here)
// costs one look-up; the Config is made again only when something did change.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bgp/config.h"
#include "bgp/world.h"
#include "model/network_update.h"

namespace caracal::bgp {

class BgpEngine {
 public:
  struct Options {
    std::string node;                      // this one's name
    std::optional<net::IpAddr> router_id;  // IPv4; none: the node's IPv4 address, or of its name
    bool pod_cidrs = false;                // blocks are spec.podCIDRs (--ipam pod-cidr)
  };
  explicit BgpEngine(Options options);

  void apply(const model::NetworkUpdate& update);
  // nullopt: the Secret or the key in it does not exist.
  void set_password(const model::SecretKey& key, std::optional<std::string> password);
  // Pods of this node, for BGPPeer.spec.localWorkloadSelector. nullopt: gone. Returns whether that
  // may change the Config: without such a BGPPeer pods change nothing.
  bool set_local_workload(const model::ObjectName& pod, std::optional<LocalWorkload> workload);

  // Passwords that set_password() should tell; as of the last flush() or config().
  const std::set<model::SecretKey>& wanted_secrets();
  const std::vector<std::string>& problems();
  const Config& config();
  // The Config when it differs from that of the last flush().
  std::optional<Config> flush();

  // Is there anything to do for a BGP daemon: a pool without encapsulation (or pod CIDRs outside of
  // pools), a BGPPeer for this node, Service addresses to tell, or a BGPConfiguration? A mesh
  // alone, over encapsulated pools, is none: the agent routes those itself.
  bool needed() const;

 private:
  bool update_world(const model::NodeNetworkUpdate& update);
  bool update_world(const model::IpPoolUpdate& update);
  bool update_world(const model::AddressBlockUpdate& update);
  bool update_world(const model::BgpConfigurationUpdate& update);
  bool update_world(const model::BgpPeerUpdate& update);
  bool update_world(const model::BgpFilterUpdate& update);
  bool update_world(const model::ServiceUpdate& update);
  bool update_world(const model::ServiceNodesUpdate& update);
  bool update_world(const model::IpReservationUpdate&) { return false; }
  bool update_world(const model::IpamSettingsUpdate&) { return false; }
  bool update_world(const model::NetworkSettingsUpdate&) { return false; }
  bool update_world(const model::DatastoreReadyUpdate&) { return false; }
  void calculate();

  World world_;
  std::map<model::ObjectName, std::string> slices_;  // EndpointSlice with endpoints here -> Service
  bool dirty_ = true;                                // config_ is to be made again
  bool unflushed_ = true;                            // and has been, since the last flush
  Config config_;
  std::set<model::SecretKey> wanted_secrets_;
  std::vector<std::string> problems_;
  std::optional<Config> flushed_;
};

}  // namespace caracal::bgp
