// Quantities of resources ("100m", "1.5Gi", "2e3"): the grammar only.
#pragma once

#include <string_view>

namespace caracal::apimachinery {

// <sign>? <digits with optional point> <suffix>?, suffix one of Ki..Ei, n u m k M G T P E, or an
// exponent.
bool is_quantity(std::string_view text);
// REQUIRES: is_quantity(text).
bool is_negative_quantity(std::string_view text);

}  // namespace caracal::apimachinery
