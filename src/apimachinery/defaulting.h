// Defaults: what the API server writes into an object where the user wrote nothing.
#pragma once

#include "apimachinery/resource_type.h"

namespace caracal::apimachinery {

// Defaults named in the schema. A default is put into objects that exist (and into defaults
// themselves); a null member with a default is replaced when it is not nullable.
void apply_schema_defaults(const Schema& schema, json::value& object);

// Both: the schema's defaults, and for builtin kinds those that depend on other fields
// (policyTypes, imagePullPolicy, targetPort, the kubernetes.io/metadata.name label, ...).
// Idempotent. REQUIRES: object passed decode_error() for its type; fields of a wrong type are left
// alone.
void apply_defaults(const ResourceType& type, json::value& object);

}  // namespace caracal::apimachinery
