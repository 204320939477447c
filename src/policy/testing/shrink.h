// Makes a world smaller as long as something stays true of it: takes away objects, then rules,
// peers, ports, labels, addresses. For readable failures of random tests.
#pragma once

#include <functional>

#include "model/world.h"

namespace caracal::policy_testing {

// `wrong(world)` is asked for every candidate, some hundred times. REQUIRES: it is true of `world`.
model::World shrink(model::World world, const std::function<bool(const model::World&)>& wrong);

}  // namespace caracal::policy_testing
