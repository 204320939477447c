// A condition of a Node's or Pod's status, as a kubelet would tell it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "jsonio/json.h"

namespace caracal::lab {

// Its type, status ("True", "False") and lastTransitionTime: that of `old_status` when it said the
// same, else `now`. The caller adds what else its kind has.
json::object make_condition(std::string_view type, bool on, const json::value& old_status,
                            const std::string& now);

}  // namespace caracal::lab
