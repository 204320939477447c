// NetworkSet and GlobalNetworkSet (calico.md 2.5) into model::NetworkSet.
#pragma once

#include "kube/object_reader.h"
#include "model/network_set.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// Entries that cannot be read are problems and left out; the others count.
model::NetworkSet decode_network_set(model::ObjectName name, const json::object& object,
                                     ObjectReader& reader);

}  // namespace caracal::calico
