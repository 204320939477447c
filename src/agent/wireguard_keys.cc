#include "agent/wireguard_keys.h"

#include <openssl/evp.h>

#include <memory>

#include "base/file.h"
#include "base/strings.h"

namespace caracal::agent {

using dataplane::tunnel::WireguardKey;

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Result<WireguardKeys> with_public(const WireguardKey& secret) {
  const Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, secret.bytes.data(),
                                             secret.bytes.size()),
                &EVP_PKEY_free);
  WireguardKeys keys{secret, {}};
  size_t length = keys.open.bytes.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), keys.open.bytes.data(), &length) != 1)
    return fail(Errc::kInvalid, "the WireGuard key cannot be used");
  return keys;
}

}  // namespace

Result<WireguardKeys> load_wireguard_keys(const std::string& path) {
  const auto text = read_file(path);
  if (text) {
    const auto secret = WireguardKey::parse(trim(*text));
    if (!secret) return fail(secret.error().within(path));
    return with_public(*secret);
  }
  if (text.error().code != Errc::kNotFound) return fail(text.error());
  CARACAL_ASSIGN(const WireguardKey secret, WireguardKey::generate());
  CARACAL_TRY(write_file_atomic(path, secret.to_string() + "\n", 0600));
  return with_public(secret);
}

}  // namespace caracal::agent
