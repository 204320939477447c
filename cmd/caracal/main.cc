// caracal: the command line; also `kubectl caracal`, when it is found as kubectl-caracal.
#include <signal.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/completion.h"
#include "cli/flows.h"
#include "cli/ipam.h"
#include "cli/node_status.h"
#include "cli/policy_explain.h"
#include "cli/version.h"
#include "lab/lab_commands.h"

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  // Probing everything from everywhere at once takes a socket each.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }

  CLI::App app("Caracal: network and network policy for Kubernetes.");
  caracal::cli::Action chosen;
  caracal::cli::prepare_root(app, argv[0]);
  caracal::cli::add_policy_commands(app, chosen, CARACAL_VERSION);
  caracal::cli::add_node_commands(app, chosen);
  caracal::cli::add_ipam_commands(app, chosen);
  caracal::cli::add_flows_command(app, chosen);
  caracal::lab::add_lab_commands(app, chosen);
  caracal::cli::add_completion_command(app, chosen);
  caracal::cli::add_version_command(app, chosen, CARACAL_VERSION);
  return caracal::cli::run_command_line(app, chosen, argc, argv);
}
