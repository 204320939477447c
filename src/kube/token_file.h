// TokenFile: the bearer token of a ClusterAccess, read again when its file has been replaced (the
// kubelet and other token renewers write a new one every hour or so). Blocking, but a stat() of a
// local file.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>

#include "base/result.h"

namespace caracal::kube {

class TokenFile {
 public:
  // An empty path: always `fixed`.
  TokenFile(std::string path, std::string fixed);

  // The token as of now; "" when there is none. When the file cannot be read any more, the token
  // read last goes on being used. Errors: it never could be read, or holds no token.
  Result<std::string> current();

 private:
  std::string path_;
  std::string token_;
  std::tuple<uint64_t, int64_t, int64_t, int64_t> version_{};  // inode, mtime s and ns, size
};

}  // namespace caracal::kube
