// NetworkSet: a named, labelled set of address ranges (projectcalico.org NetworkSet and
// GlobalNetworkSet), matched by the selectors of Calico's rules. Made by calico/decode_network_set.
#pragma once

#include <vector>

#include "model/object.h"
#include "net/cidr.h"

namespace caracal::model {

struct NetworkSet {
  ObjectName name;  // without namespace: a GlobalNetworkSet
  Labels labels;
  std::vector<net::Cidr> nets;  // sorted, no repeats
  bool operator==(const NetworkSet&) const = default;
};

}  // namespace caracal::model
