#include "cli/ipam.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/ipam_change.h"
#include "cli/ipam_check.h"
#include "cli/ipam_show.h"

namespace caracal::cli {

Result<bool> confirm(const std::string& question) {
  if (::isatty(STDIN_FILENO) == 0) {
    return fail(Errc::kInvalid,
                "there is no terminal to ask for a confirmation on; --yes gives it");
  }
  fmt::print("{} [y/N] ", question);
  std::fflush(stdout);
  char answer[64] = {};
  if (std::fgets(answer, sizeof answer, stdin) == nullptr) return false;
  return answer[0] == 'y' || answer[0] == 'Y';
}

void add_ipam_commands(CLI::App& app, Action& chosen) {
  CLI::App* group = add_group(app, "ipam", "look at and look after addresses, blocks and pools");
  add_ipam_show_commands(*group, chosen);
  add_ipam_check_command(*group, chosen);
  add_ipam_change_commands(*group, chosen);
}

}  // namespace caracal::cli
