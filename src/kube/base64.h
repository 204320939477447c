// Base64 as the API and kubeconfig files hold secrets (RFC 4648, section 4). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace caracal::kube {

std::string encode_base64(std::string_view bytes);
// Blanks and line ends are passed over. nullopt: nothing else is there, or it is no base64.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace caracal::kube
