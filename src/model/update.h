// Update: one change of the world, the message between watchers and calculation (seam 1).
//
// A value of nullopt means "does not exist": existence is never taken from the kind of event. Order
// between objects is not promised, repeats are allowed, and only the last update of an object
// counts. Validation happened before: what is in an Update is well formed.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "model/namespace.h"
#include "model/node.h"
#include "model/pod.h"
#include "model/policy.h"

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
    std::variant<PodUpdate, NamespaceUpdate, NodeUpdate, PolicyUpdate, LocalEndpointUpdate>;

}  // namespace caracal::model
