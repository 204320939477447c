// The sessions of a Config in BIRD's language, with the filters they use. Pure.
//
// What sessions have in common is written once: a named filter for each combination of BGPFilters,
// and a template for each set of options that two or more sessions share. That is not for looks:
// BIRD's parser takes time in proportion to the square of the number of filters without a name
// (5,000 sessions: 0.8 s instead of 30 ms), and at a reload it compares every session's filters.
#pragma once

#include <string>

#include "bgp/config.h"

namespace caracal::bgp {

// REQUIRES: the functions tell_v4, tell_v6 stand before it.
std::string render_sessions(const Config& config);

}  // namespace caracal::bgp
