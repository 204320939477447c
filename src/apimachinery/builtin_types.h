// The builtin kinds, read from the embedded types/*.yaml.
#pragma once

#include <memory>
#include <vector>

#include "apimachinery/resource_type.h"
#include "apimachinery/schema_notation.h"
#include "base/result.h"

namespace caracal::apimachinery {

// One shared, immutable type a served builtin resource, in discovery order.
Result<std::vector<ResourceTypePtr>> builtin_types();

// The definition of a type that others embed ("ObjectMeta", "LabelSelector", "Condition"); lives
// for the program's life. nullptr when there is none, or the embedded data are broken.
const Schema* builtin_definition(std::string_view name);

// Reads every embedded types file into `loader`, without resolving it: bundled CRDs build on them.
Status add_builtin_definitions(NotationLoader& loader);

}  // namespace caracal::apimachinery
