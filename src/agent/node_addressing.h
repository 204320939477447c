// NodeAddressing: this node's own addresses, found on its interfaces and told to the others as
// annotations of its Node (projectcalico.org/IPv4Address "10.0.0.7/24", .../IPv6Address).
//
// On the calculation loop, fed with the host's interfaces (LinkMonitor) and the Node object. An
// address that is found no more stays told: a node whose interface is down for a moment must not
// look like one without network.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "agent/host_links.h"
#include "agent/node_address.h"
#include "agent/node_annotations.h"
#include "agent/options.h"
#include "base/result.h"
#include "jsonio/json.h"
#include "model/node.h"

namespace caracal::agent {

class NodeAddressing {
 public:
  explicit NodeAddressing(NodeAnnotations& annotations) : annotations_(annotations) {}
  // Before anything else. Errors: kInvalid, naming the flag, its value and what is valid.
  Status configure(const Options& options);

  void set_links(const std::vector<HostLink>& links);
  void set_node(const model::Node& node);

  const std::optional<model::NodeAddress>& of(net::Family family) const {
    return family_[index(family)].found;
  }
  json::object status() const;

 private:
  struct Family {
    bool off = false;
    std::optional<net::IpAddr> fixed;
    std::optional<int> fixed_bits;
    DetectionMethod method;
    std::optional<model::NodeAddress> found;
    std::string error;
  };
  static size_t index(net::Family family) { return family == net::Family::kIPv4 ? 0 : 1; }
  void look();
  void tell_interfaces();

  NodeAnnotations& annotations_;
  std::array<Family, 2> family_;
  std::vector<HostLink> links_;
  std::optional<model::Node> node_;
};

}  // namespace caracal::agent
