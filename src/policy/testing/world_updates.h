// A World as the Updates that make it, and back to nothing. For tests.
#pragma once

#include <vector>

#include "model/world.h"

namespace caracal::policy_testing {

// One update for each object, tier and setting that is not as in an empty World.
std::vector<model::Update> updates_of(const model::World& world);
// The update that takes away what `update` made.
model::Update removal_of(const model::Update& update);

}  // namespace caracal::policy_testing
