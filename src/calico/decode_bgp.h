// BGPConfiguration, BGPPeer, BGPFilter (calico.md 2.11 to 2.13) into the model, and what is wrong
// with them. Also the checks of the API server. Nothing: there is a problem, and the object cannot
// be used as it stands.
#pragma once

#include <optional>
#include <string>

#include "kube/object_reader.h"
#include "model/bgp.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// Of a BGPPeer, "true": the session is watched by BFD (RFC 5880). Calico's API has no field for it.
inline constexpr std::string_view kBfdAnnotation = "caracal.io/bfd";

std::optional<model::BgpConfiguration> decode_bgp_configuration(const std::string& name,
                                                                const json::object& object,
                                                                ObjectReader& reader);
std::optional<model::BgpPeer> decode_bgp_peer(const std::string& name, const json::object& object,
                                              ObjectReader& reader);
std::optional<model::BgpFilter> decode_bgp_filter(const std::string& name,
                                                  const json::object& object, ObjectReader& reader);

}  // namespace caracal::calico
