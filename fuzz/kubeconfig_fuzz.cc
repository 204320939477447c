// A kubeconfig file as bytes. Files it points to are made of the same bytes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "kube/kubeconfig.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto read = [text](const std::string&) -> Result<std::string> { return std::string(text); };
  const auto access = kube::parse_kubeconfig(text, "/etc/fuzz/config", {}, read);
  if (!access) {
    CARACAL_CHECK(access.error().message.find("/etc/fuzz/config") != std::string::npos);
    return 0;
  }
  CARACAL_CHECK(access->server.starts_with("http://") || access->server.starts_with("https://"));
  CARACAL_CHECK(access->client_certificate_pem.empty() == access->client_key_pem.empty());
  return 0;
}
