#include "base/sha1.h"

#include <openssl/sha.h>

#include "base/strings.h"

namespace caracal {
std::string sha1_hex(std::string_view text) {
  unsigned char digest[SHA_DIGEST_LENGTH];
  ::SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return to_hex(std::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
}
}  // namespace caracal
