#include "cli/version.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/output.h"

namespace caracal::cli {

void add_version_command(CLI::App& app, Action& chosen, const std::string& version) {
  auto format = std::make_shared<std::string>("table");
  CLI::App* command = add_command(
      app, chosen, "version", "print the version of this program",
      "  caracal version\n  caracal version -o json", [format, version]() -> Result<int> {
        utsname machine{};
        ::uname(&machine);
        if (*format == "table") {
          fmt::print("caracal {}\n", version);
        } else {
          fmt::print("{}", render({{"version", version}, {"kernel", machine.release}},
                                  *parse_format(*format)));
        }
        return 0;
      });
  command->add_option("-o,--output", *format, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();
}

}  // namespace caracal::cli
