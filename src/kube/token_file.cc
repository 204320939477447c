#include "kube/token_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"

namespace caracal::kube {

namespace {
// It becomes part of a header: a line break in it would be another header.
Result<std::string> check_token(std::string_view text, const std::string& source) {
  const std::string_view token = trim(text);
  if (token.empty()) return fail(Errc::kInvalid, source + ": holds no token");
  const bool printable =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!printable) {
    return fail(Errc::kInvalid, source + ": a token is one word of printable ASCII characters");
  }
  return std::string(token);
}
}  // namespace

TokenFile::TokenFile(std::string path, std::string fixed)
    : path_(std::move(path)), token_(std::move(fixed)) {}

Result<std::string> TokenFile::current() {
  if (path_.empty()) {
    if (token_.empty()) return token_;
    return check_token(token_, "token");
  }
  struct stat state {};
  const bool found = ::stat(path_.c_str(), &state) == 0;
  const decltype(version_) version{state.st_ino, state.st_mtim.tv_sec, state.st_mtim.tv_nsec,
                                   state.st_size};
  if (found && version == version_) return token_;
  Result<std::string> token = read_file(path_);
  if (token) token = check_token(*token, "token file " + path_);
  if (!token) {
    if (token_.empty()) return token;
    log::warn("token file cannot be used, keeping the token read before",
              {{"error", token.error().message}});
    return token_;
  }
  token_ = std::move(*token);
  version_ = version;
  return token_;
}

}  // namespace caracal::kube
