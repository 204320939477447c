#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace caracal {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::kInvalid:
      return "Invalid";
    case Errc::kNotFound:
      return "NotFound";
    case Errc::kExists:
      return "Exists";
    case Errc::kConflict:
      return "Conflict";
    case Errc::kUnavailable:
      return "Unavailable";
    case Errc::kTimeout:
      return "Timeout";
    case Errc::kExpired:
      return "Expired";
    case Errc::kPermission:
      return "Permission";
    case Errc::kUnsupported:
      return "Unsupported";
    case Errc::kExhausted:
      return "Exhausted";
    case Errc::kKernel:
      return "Kernel";
    case Errc::kInternal:
      return "Internal";
  }
  return "Unknown";
}

Error Error::within(std::string_view what) const& {
  std::string text;
  text.reserve(what.size() + 2 + message.size());
  text.append(what).append(": ").append(message);
  return Error{code, std::move(text)};
}

tl::unexpected<Error> fail_errno(int error_number, std::string_view what) {
  Errc code = Errc::kKernel;
  switch (error_number) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ESRCH:
      code = Errc::kNotFound;
      break;
    case EEXIST:
      code = Errc::kExists;
      break;
    case EPERM:
    case EACCES:
      code = Errc::kPermission;
      break;
    case EOPNOTSUPP:
    case ENOSYS:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
      code = Errc::kUnsupported;
      break;
    case ETIMEDOUT:
      code = Errc::kTimeout;
      break;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EAGAIN:
      code = Errc::kUnavailable;
      break;
    default:
      break;
  }
  char buffer[128];
  const char* text = ::strerror_r(error_number, buffer, sizeof buffer);
  return fail(code, std::string(what) + ": " + text);
}

}  // namespace caracal
