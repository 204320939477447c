// ObjectRules: what an API server has to check in, and to write into, objects of Calico's kinds and
// of the cluster-wide policies beyond what their schema says (calico.md 2). The checks are the
// decoders' own: what the server takes, the agents can enforce.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jsonio/json.h"
#include "kube/object_reader.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

inline constexpr std::string_view kTierLabel = "projectcalico.org/tier";

struct ObjectRules {
  std::string_view kind;
  // Problems refuse the object, warnings are told to its writer.
  void (*check)(const json::value& object, ObjectReader& reader) = nullptr;
  // What depends on other fields; idempotent.
  void (*apply_defaults)(json::value& object) = nullptr;
  bool in_tier = false;  // spec.tier must name a tier that exists
  // What may not change in the life of an object that was stored.
  void (*check_change)(const json::value& object, const json::value& old,
                       ObjectReader& reader) = nullptr;
};

// Of projectcalico.org, crd.projectcalico.org and policy.networking.k8s.io; nullptr: no rules.
const ObjectRules* find_rules(std::string_view group, std::string_view kind);

// The tiers that an API server makes at its start and nobody may delete.
std::vector<json::value> builtin_tiers();
bool is_builtin_tier(std::string_view name);

}  // namespace caracal::calico
