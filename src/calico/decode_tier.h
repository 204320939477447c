// Tier (calico.md 2.4) into model::Tier.
#pragma once

#include <optional>

#include "kube/object_reader.h"
#include "model/policy.h"

namespace caracal::calico {

using kube::FieldPath;
using kube::ObjectReader;

// nullopt: its place cannot be read; then it is as if it did not exist, and its policies come last.
// The tiers that always exist keep their order and action whatever an object of their name says.
std::optional<model::Tier> decode_tier(std::string name, const json::object& object,
                                       ObjectReader& reader);

}  // namespace caracal::calico
