// The rules of structural schemas: every value of a CRD has one place that says its type, so that
// pruning and defaulting are well defined
// (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/).
#pragma once

#include <vector>

#include "apimachinery/field_error.h"
#include "apimachinery/schema.h"

namespace caracal::apimachinery {

// Checks an openAPIV3Schema at `path`: what structural schemas may not contain, what they must
// contain, and that defaults are valid values of their own schema.
std::vector<FieldError> check_structural(const json::value& props, const FieldPath& path);

}  // namespace caracal::apimachinery
