#include "cli/command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

namespace caracal::cli {

CLI::App* add_command(CLI::App& parent, Action& chosen, const std::string& name,
                      const std::string& description, const std::string& examples, Action action) {
  CLI::App* command = parent.add_subcommand(name, description);
  if (!examples.empty()) command->footer("Examples:\n" + examples);
  command->callback([&chosen, action = std::move(action)] { chosen = action; });
  return command;
}

CLI::App* add_group(CLI::App& parent, const std::string& name, const std::string& description) {
  CLI::App* group = parent.add_subcommand(name, description);
  group->require_subcommand(1);
  return group;
}

void prepare_root(CLI::App& app, const std::string& program) {
  const size_t slash = program.rfind('/');
  const std::string name = slash == std::string::npos ? program : program.substr(slash + 1);
  // kubectl finds plug-ins by their file name, and its users know them by another.
  app.name(name == "kubectl-caracal" ? "kubectl caracal" : name);
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "print this help and exit");
}

int run_command_line(CLI::App& app, Action& chosen, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    const CLI::App* at = &app;
    std::string parents;
    while (!at->get_subcommands().empty()) {
      parents += (parents.empty() ? "" : " ") + at->get_name();
      at = at->get_subcommands().front();
    }
    // CLI11 finds that no command was chosen before it looks at the word that is none.
    std::string what = error.what();
    if (const auto words = at->remaining();
        !words.empty() &&
        error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError)) {
      what = fmt::format("unknown command or flag \"{}\"", words.front());
    }
    fmt::print(stderr, "{}: {}\n\n{}", app.get_name(), what, at->help(parents));
    return 2;
  }
  const Result<int> status = chosen ? chosen() : Result<int>(0);
  std::fflush(stdout);
  if (status) return *status;
  fmt::print(stderr, "{}: {}\n", app.get_name(), status.error().message);
  return 1;
}

}  // namespace caracal::cli
