// Defaulting of the built-in kinds: values that users may leave out and that the API fills in before it
// validates and stores, so that every reader sees them.
//
// Covers what depends on more than one field (policyTypes from the rules, targetPort from port, podCIDRs
// from podCIDR) and the constant defaults (restartPolicy, protocol). Idempotent: defaulting twice changes
// nothing. Allocations (clusterIP, uid) and timestamps are the API server's. Pure.
#pragma once

#include <string_view>

#include "jsonio/json.h"

namespace caracal::apimachinery {

void default_builtin(std::string_view group, std::string_view kind, json::value& object);

}  // namespace caracal::apimachinery
