// NetworkUpdate: one change of what the pod network is made from: nodes, pools, blocks, BGP. The
// twin of Update (model/update.h), with the same rules: nullopt means "does not exist", order is
// not promised, repeats are allowed. What is in it is well formed.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "model/address_block.h"
#include "model/bgp.h"
#include "model/ip_pool.h"
#include "model/network_settings.h"
#include "model/node_network.h"
#include "model/object.h"
#include "model/service.h"
#include "net/cidr.h"

namespace caracal::model {

struct NodeNetworkUpdate {
  std::string key;
  std::optional<NodeNetwork> value;
};
struct IpPoolUpdate {
  std::string key;
  std::optional<IpPool> value;
};
struct IpReservationUpdate {
  std::string key;
  std::optional<IpReservation> value;
};
// The settings that hold now; none: the defaults.
struct IpamSettingsUpdate {
  std::optional<IpamSettings> value;
};
struct AddressBlockUpdate {
  net::Cidr key;
  std::optional<AddressBlock> value;
};
struct BgpConfigurationUpdate {
  std::string key;  // "default", "node.NAME"
  std::optional<BgpConfiguration> value;
};
struct BgpPeerUpdate {
  std::string key;
  std::optional<BgpPeer> value;
};
struct BgpFilterUpdate {
  std::string key;
  std::optional<BgpFilter> value;
};
struct ServiceUpdate {
  ObjectName key;
  std::optional<Service> value;
};
struct ServiceNodesUpdate {
  ObjectName key;  // of the EndpointSlice
  std::optional<ServiceNodes> value;
};
struct NetworkSettingsUpdate {
  std::optional<NetworkSettings> value;
};
// ClusterInformation "default": false: addresses are not to be given out now (a migration).
struct DatastoreReadyUpdate {
  bool ready = true;
};

using NetworkUpdate =
    std::variant<NodeNetworkUpdate, IpPoolUpdate, IpReservationUpdate, IpamSettingsUpdate,
                 AddressBlockUpdate, BgpConfigurationUpdate, BgpPeerUpdate, BgpFilterUpdate,
                 ServiceUpdate, ServiceNodesUpdate, NetworkSettingsUpdate, DatastoreReadyUpdate>;

}  // namespace caracal::model
