// HostEndpoint (calico.md 2.6) into model::HostEndpoint.
#pragma once

#include <optional>

#include "kube/object_reader.h"
#include "model/host_endpoint.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// nullopt: it is not known where it is (no node; neither interface nor address). Else what cannot
// be read is left out: fewer profiles and addresses allow less.
std::optional<model::HostEndpoint> decode_host_endpoint(std::string name,
                                                        const json::object& object,
                                                        ObjectReader& reader);

}  // namespace caracal::calico
