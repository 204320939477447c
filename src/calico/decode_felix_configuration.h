// FelixConfiguration: the part about policy (calico.md 2.16, 4.8) into model::PolicySettings. Other
// settings are passed over.
#pragma once

#include <optional>
#include <vector>

#include "kube/object_reader.h"
#include "model/policy_settings.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// Of a FelixConfiguration, "false": a change of policy leaves the connections that it no longer
// allows. Calico's API has no field for it.
inline constexpr std::string_view kEndConnectionsAnnotation = "caracal.io/end-connections";

// What one object sets; the rest it leaves to others.
struct FelixSettings {
  std::optional<std::vector<model::Failsafe>> inbound;
  std::optional<std::vector<model::Failsafe>> outbound;
  std::optional<model::ToHostAction> to_host;
  std::optional<bool> end_connections;
};

// A setting with a wrong value is a problem and is left to others.
FelixSettings decode_felix_configuration(const json::object& object, ObjectReader& reader);

// `node` (node.NAME) before `cluster` (default) before our own defaults; each may be null.
model::PolicySettings merge_settings(const FelixSettings* cluster, const FelixSettings* node);

}  // namespace caracal::calico
