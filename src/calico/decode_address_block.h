// IPAMBlock (calico.md 2.10) into what routing needs of it. There are tens of thousands of them,
// and each pod changes one: only what is needed is read.
#pragma once

#include <optional>

#include "kube/object_reader.h"
#include "model/address_block.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// Nothing: there is a problem with its CIDR or affinity, and it cannot be used. Addresses that cool
// down after their release are not in use.
std::optional<model::AddressBlock> decode_address_block(const json::object& object,
                                                        ObjectReader& reader);
}  // namespace caracal::calico
