// Tiers and the policies in them, across kinds: a policy's tier must exist, a tier with policies
// stays. Used by ObjectWriter inside a transaction.
#pragma once

#include <optional>
#include <string>

#include "apimachinery/field_error.h"
#include "apimachinery/resource_type.h"
#include "apiserver/store.h"
#include "jsonio/json.h"

namespace caracal::apiserver {

// spec.tier of a policy names a tier of neither of Calico's groups.
std::optional<apimachinery::FieldError> missing_tier(const Transaction& transaction,
                                                     const apimachinery::ResourceCatalog& catalog,
                                                     const apimachinery::ResourceType& type,
                                                     const json::value& object);
// Why a tier cannot go now: which policies are in it.
std::optional<std::string> tier_in_use(const Transaction& transaction,
                                       const apimachinery::ResourceCatalog& catalog,
                                       std::string_view tier);

}  // namespace caracal::apiserver
