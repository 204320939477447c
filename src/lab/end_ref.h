// EndRef: how people and the walk-through name one end of a connection in a lab. Pure; which pod or
// address it is at the moment, LabView says.
//
//   dev/pod1                     a pod
//   node/node1                   a node
//   node-of:dev/pod1             the node a pod runs on
//   other-node:dev/pod1          a node a pod does not run on (the first by name)
//   outside:198.51.100.10        the client outside the cluster, with one of its addresses
//   10.0.0.1, fd00::1            an address (a destination only)
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/object.h"
#include "net/ip_addr.h"

namespace caracal::lab {

struct EndRef {
  enum class Kind { kPod, kNode, kNodeOf, kOtherNode, kOutside, kAddress };
  Kind kind = Kind::kPod;
  model::ObjectName pod;  // kPod, kNodeOf, kOtherNode
  std::string node;       // kNode
  net::IpAddr address;    // kOutside, kAddress

  std::string to_string() const;
  bool operator==(const EndRef&) const = default;
};

// A bare name is a pod of `default_namespace`. The error says which forms there are.
Result<EndRef> parse_end(std::string_view text, std::string_view default_namespace = "default");

}  // namespace caracal::lab
