// Result<T>: a value, or an Error that says what went wrong in the outside world.
//
// Used for everything that can fail because of input, kernel, network or files. Broken invariants
// are not Results: they go through CARACAL_CHECK (base/check.h) and end the process. No exception
// leaves a module.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace caracal {

// Few codes, each one a decision a caller can take.
enum class Errc {
  kInvalid,      // the input is wrong; trying again gives the same answer
  kNotFound,     // the thing asked for does not exist
  kExists,       // the thing to be made exists already
  kConflict,     // somebody else changed it first; read again, then retry
  kUnavailable,  // the other side does not answer now; retry with backoff
  kTimeout,      // no answer in the given time
  kExpired,      // the resource version asked for is gone (HTTP 410): list again
  kPermission,   // not allowed
  kUnsupported,  // this kernel, server or build cannot do it
  kExhausted,    // nothing left to give (addresses, table space)
  kKernel,       // a system call or netlink request failed; the message holds errno's text
  kInternal,     // none of the above
};

std::string_view to_string(Errc code);

struct [[nodiscard]] Error {
  Errc code = Errc::kInternal;
  std::string message;

  // The same error, with what was being done put in front: "what: message".
  Error within(std::string_view what) const&;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = tl::expected<void, Error>;

// Makes a failure: `return fail(Errc::kInvalid, "port 70000: must be between 1 and 65535");`
inline tl::unexpected<Error> fail(Errc code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

// A failed system call: errno's text behind `what`. Code from errno (ENOENT -> kNotFound, ...).
tl::unexpected<Error> fail_errno(int error_number, std::string_view what);

}  // namespace caracal

// Evaluates a Result or Status; returns its error from the enclosing function when it failed.
#define CARACAL_TRY(expr)                                       \
  do {                                                          \
    if (auto caracal_try_ = (expr); !caracal_try_) [[unlikely]] \
      return ::caracal::fail(std::move(caracal_try_).error());  \
  } while (false)

#define CARACAL_CONCAT_INNER(a, b) a##b
#define CARACAL_CONCAT(a, b) CARACAL_CONCAT_INNER(a, b)
// CARACAL_ASSIGN(auto value, function_that_returns_result());
#define CARACAL_ASSIGN(decl, expr) \
  CARACAL_ASSIGN_INNER(CARACAL_CONCAT(caracal_r_, __LINE__), decl, expr)
#define CARACAL_ASSIGN_INNER(tmp, decl, expr)       \
  auto tmp = (expr);                                \
  if (!tmp) [[unlikely]]                            \
    return ::caracal::fail(std::move(tmp).error()); \
  decl = std::move(*tmp)
