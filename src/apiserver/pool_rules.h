// IP pools among each other: their ranges must not overlap, or an address could be given out twice.
// Used by ObjectWriter inside a transaction.
#pragma once

#include <optional>

#include "apimachinery/field_error.h"
#include "apimachinery/resource_type.h"
#include "apiserver/store.h"
#include "jsonio/json.h"

namespace caracal::apiserver {

// A new IPPool overlaps another one of either of Calico's groups. The same name in the other group
// is the same pool.
std::optional<apimachinery::FieldError> overlapping_pool(
    const Transaction& transaction, const apimachinery::ResourceCatalog& catalog,
    const apimachinery::ResourceType& type, const json::value& object);

}  // namespace caracal::apiserver
