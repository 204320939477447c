// Update: one change of the world, the message between watchers and calculation (seam 1).
//
// A value of nullopt means "does not exist": existence is never taken from the kind of event. Order
// between objects is not promised, repeats are allowed, and only the last update of an object
// counts. Validation happened before: what is in an Update is well formed.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "model/endpoint_slice.h"
#include "model/host_endpoint.h"
#include "model/host_interface.h"
#include "model/namespace.h"
#include "model/network_set.h"
#include "model/node.h"
#include "model/pod.h"
#include "model/policy.h"
#include "model/policy_settings.h"
#include "model/service_account.h"

namespace caracal::model {

struct PodUpdate {
  ObjectName key;
  std::optional<Pod> value;
};
struct NamespaceUpdate {
  std::string key;
  std::optional<Namespace> value;
};
struct NodeUpdate {
  std::string key;
  std::optional<Node> value;
};
// A policy that cannot be used (bad CIDR from a lenient server, ...) arrives as `invalid`: it
// isolates the endpoints it selects as far as that is known and allows nothing; the text goes to
// status and explain.
struct PolicyUpdate {
  PolicyId key;
  std::optional<Policy> value;
  std::optional<std::string> invalid;
};

// kDefaultTier, kAdminTier and kBaselineTier exist from the start; removing one brings back its
// initial form. Policies of a tier that does not exist come after all others and deny by default.
struct TierUpdate {
  std::string key;
  std::optional<Tier> value;
};
struct NetworkSetUpdate {
  ObjectName key;
  std::optional<NetworkSet> value;
};
struct ServiceAccountUpdate {
  ObjectName key;
  std::optional<ServiceAccount> value;
};
struct EndpointSliceUpdate {
  ObjectName key;
  std::optional<EndpointSlice> value;
};
// Of every node: as peers all count, as targets of policy those of this node.
struct HostEndpointUpdate {
  std::string key;
  std::optional<HostEndpoint> value;
};

struct HostInterfaceUpdate {
  std::string key /* interface */;
  std::optional<HostInterface> value;
};
// The settings that hold now, all of them; none: the defaults.
struct PolicySettingsUpdate {
  std::optional<PolicySettings> value;
};

// A workload interface of this node: made known by CNI ADD (or recovered after a restart), gone
// with DEL. The calculation computes policy for local endpoints only.
struct LocalEndpoint {
  ObjectName pod;
  std::string interface;               // host side, e.g. cali0ef24b6a1c9
  std::vector<net::IpAddr> addresses;  // what the pod may send from
  bool operator==(const LocalEndpoint&) const = default;
};
struct LocalEndpointUpdate {
  std::string key /* interface */;
  std::optional<LocalEndpoint> value;
};

using Update =
    std::variant<PodUpdate, NamespaceUpdate, NodeUpdate, PolicyUpdate, LocalEndpointUpdate,
                 TierUpdate, NetworkSetUpdate, ServiceAccountUpdate, EndpointSliceUpdate,
                 HostEndpointUpdate, HostInterfaceUpdate, PolicySettingsUpdate>;

}  // namespace caracal::model
