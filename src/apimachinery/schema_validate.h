// Validation of an object against its schema: types, required members, enumerations, patterns,
// limits, duplicates in sets and keyed lists, allOf/anyOf/oneOf/not.
//
// Errors are worded as the API server words those of CRDs (kube-openapi validation), and come in
// the order of the members. x-kubernetes-validations (CEL) is not evaluated.
#pragma once

#include <vector>

#include "apimachinery/field_error.h"
#include "apimachinery/schema.h"

namespace caracal::apimachinery {

// `path` is where `value` stands; leave it empty for a whole object. metadata is checked for shape
// only.
std::vector<FieldError> validate(const Schema& schema, const json::value& value,
                                 const FieldPath& path = {});

}  // namespace caracal::apimachinery
