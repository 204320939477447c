// Defaults of builtin kinds that a schema cannot say: they depend on other fields or on the
// object's name.
//
// Called by apply_defaults() after the schema's own defaults. Pure and idempotent. Allocations
// (clusterIP, uid, times) are the API server's.
#pragma once

#include <string>
#include <string_view>

#include "jsonio/json.h"

namespace caracal::apimachinery {

void default_builtin(std::string_view group, std::string_view kind, json::value& object);

// RFC 4648, with padding.
std::string encode_base64(std::string_view bytes);

}  // namespace caracal::apimachinery
