// FelixConfiguration (calico.md 2.16, 4.8) into model::PolicySettings and model::NetworkSettings.
// Settings of which neither knows are passed over.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "calico/decode_network_settings.h"
#include "kube/object_reader.h"
#include "model/policy_settings.h"
#include "selector/selector.h"

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
  NetworkSettingsPart network;
  // Of an object that is neither "default" nor "node.NAME": the nodes it is for.
  std::optional<selector::Selector> nodes;
};

// A setting with a wrong value is a problem and is left to others.
FelixSettings decode_felix_configuration(const json::object& object, ObjectReader& reader);

// Of several parts that set the same the last one holds; what nobody sets has our default.
model::PolicySettings merge_policy_settings(std::span<const FelixSettings* const> parts);
model::NetworkSettings merge_network_settings(std::span<const FelixSettings* const> parts);

}  // namespace caracal::calico
