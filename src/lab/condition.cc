#include "lab/condition.h"

namespace caracal::lab {

json::object make_condition(std::string_view type, bool on, const json::value& old_status,
                            const std::string& now) {
  const std::string_view status = on ? "True" : "False";
  std::string_view since = now;
  for (const json::value& old : jsonio::get_array(old_status, {"conditions"})) {
    if (jsonio::get_string(old, {"type"}) == type && jsonio::get_string(old, {"status"}) == status)
      since = jsonio::get_string(old, {"lastTransitionTime"}, now);
  }
  return {{"type", type}, {"status", status}, {"lastTransitionTime", since}};
}

}  // namespace caracal::lab
