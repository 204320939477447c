#include "lab/programs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/strings.h"

namespace caracal::lab {
namespace {

Result<std::string> find_program(const std::string& folder, const char* name) {
  const std::string beside = folder + "/" + name;
  if (::access(beside.c_str(), X_OK) == 0) return beside;
  const char* path = std::getenv("PATH");
  for (const std::string_view entry : split(path == nullptr ? "" : path, ':')) {
    const std::string candidate = fmt::format("{}/{}", entry, name);
    if (!entry.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return fail(Errc::kNotFound,
              fmt::format("program {} is neither in {} nor in PATH", name, folder));
}

}  // namespace

Result<Programs> find_programs() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail(Errc::kInternal, "/proc/self/exe: " + error.message());
  Programs out;
  out.self = self.string();
  out.folder = self.parent_path().string();
  CARACAL_ASSIGN(out.apiserver, find_program(out.folder, "caracal-apiserver"));
  CARACAL_ASSIGN(out.agent, find_program(out.folder, "caracal-agent"));
  CARACAL_ASSIGN(out.cni, find_program(out.folder, "caracal-cni"));
  CARACAL_ASSIGN(out.pod, find_program(out.folder, "caracal-lab-pod"));
  if (auto controller = find_program(out.folder, "caracal-controller"))
    out.controller = std::move(*controller);
  return out;
}

}  // namespace caracal::lab
