// What happens to an object between its text and validation: type mismatches of builtin kinds (a
// server with compiled types fails to decode them), unknown fields, pruning.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apimachinery/schema.h"

namespace caracal::apimachinery {

// The first value whose JSON type cannot be the field's, as a decoder words it:
//   json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32
//   (spec.ports[0].port is "http")
// Nothing when all types fit. null is no value at all and fits every field.
std::optional<std::string> decode_error(const Schema& schema, const json::value& object);

// Paths of members the schema does not know (`spec.podSelecter`, `spec.ingress[0].form`), in the
// order of the object. Members of preserved subtrees and map values are known.
std::vector<std::string> unknown_fields(const Schema& schema, const json::value& object);
// `strict decoding error: unknown field "spec.a", unknown field "spec.b"`
std::string strict_decoding_error(const std::vector<std::string>& unknown_paths);
// `unknown field "spec.a"`: the text of one warning.
std::string unknown_field_warning(const std::string& path);

// Removes what unknown_fields() names.
void prune(const Schema& schema, json::value& object);
// Removes members that are null although the schema does not say nullable (to a typed decoder a
// null is no value), at every depth but in preserved subtrees. Null list elements stay.
void drop_nulls(const Schema& schema, json::value& object);

}  // namespace caracal::apimachinery
