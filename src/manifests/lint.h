// lint(): what is questionable in a set of policies, judged against the pods, services and accounts
// beside them. Pure.
#pragma once

#include <vector>

#include "manifests/finding.h"
#include "manifests/load.h"

namespace caracal::manifests {

// In the order of objects; problems of reading first. Of what depends on what there is (selectors,
// ports), only what can be told: a world without pods makes no findings about selectors.
std::vector<Finding> lint(const Manifests& manifests);

}  // namespace caracal::manifests
