#include "cni/version.h"

#include <array>

namespace caracal::cni {
namespace {
constexpr std::array<std::string_view, 4> kNames = {"0.3.1", "0.4.0", "1.0.0", "1.1.0"};
}

std::string_view to_string(Version version) { return kNames.at(static_cast<size_t>(version)); }

Result<Version> parse_version(std::string_view text) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames.at(i) == text) return static_cast<Version>(i);
  }
  return fail(Errc::kUnsupported,
              "cniVersion \"" + std::string(text) + "\": must be one of " + supported_versions());
}

std::string supported_versions() {
  std::string text;
  for (const std::string_view name : kNames) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

json::object version_reply(std::string_view asked) {
  json::object reply;
  reply["cniVersion"] = parse_version(asked) ? asked : to_string(kNewest);
  json::array& versions = reply["supportedVersions"].emplace_array();
  for (const std::string_view name : kNames) versions.emplace_back(name);
  return reply;
}

}  // namespace caracal::cni
