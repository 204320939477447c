// Times as the API writes them.
#pragma once

#include <string>

namespace caracal::agent {

// Now, as metav1.Time: RFC 3339 in UTC, whole seconds ("2026-01-02T03:04:05Z"). Any thread.
std::string api_time_now();

}  // namespace caracal::agent
