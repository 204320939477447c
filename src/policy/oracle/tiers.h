// The tiers of one endpoint in one direction, evaluated one after the other. For the oracle.
#pragma once

#include <functional>

#include "policy/oracle/matching.h"

namespace caracal::policy::oracle {

// What of the policies counts at one place in a packet's way.
struct TierRules {
  std::function<bool(model::Hook)> eligible;
  bool end_of_tier = true;  // does a tier's default action count?
};

// Which policies apply to `target`, and what they make of the flow. Fills in everything but the
// ends; when no tier decides, the decision is kEndOfTiers, or kNotIsolated when no policy applies,
// and the verdict is for the caller to say.
DirectionExplanation evaluate_tiers(const model::World& world, const Holder& target,
                                    const View& view, const TierRules& rules);

}  // namespace caracal::policy::oracle
