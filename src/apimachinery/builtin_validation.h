// Semantic validation of the built-in kinds: what their schema cannot say (exclusive fields,
// references between fields, fields that never change).
//
// The API server calls validate_builtin on creates and updates of the main resource, after schema
// checks, apply_defaults (defaulting.h) and validate_object_meta; not for the status and binding
// subresources, whose writes keep every other part of the stored object. Pure. Objects have passed
// their schema: a field of a wrong type is treated as absent.
#pragma once

#include <string_view>
#include <vector>

#include "apimachinery/field_error.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {

// `old` is the stored object on an update, nullptr on a create. Kinds without rules of their own
// give none.
std::vector<FieldError> validate_builtin(std::string_view group, std::string_view kind,
                                         const json::value& object, const json::value* old);

}  // namespace caracal::apimachinery
