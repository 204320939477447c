// core/v1 Service and discovery.k8s.io/v1 EndpointSlice into what is told of services to BGP peers
// (calico.md 7.3).
#pragma once

#include <optional>

#include "kube/object_reader.h"
#include "model/service.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// Addresses that do not parse are left out: others write them, and a half-written one must not hide
// the service.
model::Service decode_service(const model::ObjectName& name, const json::object& object,
                              ObjectReader& reader);
// Nothing: a slice of no service.
std::optional<model::ServiceNodes> decode_service_nodes(const model::ObjectName& name,
                                                        const json::object& object,
                                                        ObjectReader& reader);

}  // namespace caracal::calico
