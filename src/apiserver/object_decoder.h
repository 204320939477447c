// From a client's JSON value to an object that may be stored: identity, types, unknown fields,
// defaults, validation. The same steps for every kind, driven by its ResourceType. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apimachinery/resource_type.h"
#include "apiserver/api_error.h"

#include "jsonio/json.h"

namespace caracal::apiserver {

enum class FieldValidation { kIgnore, kWarn, kStrict };
// "", "Ignore", "Warn", "Strict"; an absent one is Warn, as of a real server.
ApiResult<FieldValidation> parse_field_validation(std::string_view text);

// Checks that the value is an object of the type (an absent apiVersion or kind is filled in), that
// values have their fields' types, and what it holds beyond the schema; then prunes and defaults.
// With kWarn, unknown fields are told in `warnings`.
ApiResult<json::value> decode_object(const ResourceType& type, json::value value,
                                     FieldValidation validation,
                                     std::vector<std::string>& warnings);

// decode_object's second half alone: for objects the server changed itself (patches).
json::value normalize_object(const ResourceType& type, json::value value);

// What of a valid object will not be enforced as written, for its writer.
std::vector<std::string> object_warnings(const ResourceType& type, const json::value& object);

// Everything that makes an object invalid: schema, metadata, and what its kind demands. `old` is
// the stored object on an update. With `status_only` just the schema is checked (the rest is the
// old object).
std::vector<FieldError> validate_object(const ResourceType& type, const json::value& object,
                                        const json::value* old, bool status_only = false);

}  // namespace caracal::apiserver
