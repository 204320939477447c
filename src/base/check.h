// CARACAL_CHECK: an invariant of the program. When it is broken the state cannot be trusted: the
// text is logged and the process aborts; its supervisor starts it again, and the kernel keeps the
// last state. Never used on input from outside.
#pragma once

namespace caracal {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}

#define CARACAL_CHECK(condition)                       \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::caracal::check_failed(#condition, __FILE__, __LINE__))
