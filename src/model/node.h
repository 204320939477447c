// Node: what the network needs to know of a core/v1 Node.
#pragma once

#include <string>
#include <vector>

#include "model/object.h"
#include "net/cidr.h"
#include "net/ip_addr.h"

namespace caracal::model {

struct Node {
  std::string name;
  Labels labels;
  Labels annotations;
  std::vector<net::Cidr> pod_cidrs;  // spec.podCIDRs, in the order of the API
  std::vector<net::IpAddr>
      internal_addresses;  // status.addresses of type InternalIP, at most one a family
  bool operator==(const Node&) const = default;
};

}  // namespace caracal::model
