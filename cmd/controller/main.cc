// caracal-controller: flags and environment into controller::Options, then controller::run().
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>

#include "base/log.h"
#include "controller/controller.h"
#include "controller/controller_settings.h"
#include "controller/options.h"

namespace {

using Milliseconds = std::chrono::milliseconds;

// An option whose value is a duration as the API has them.
CLI::Option* add_duration(CLI::App& app, const std::string& name, Milliseconds& into,
                          const std::string& help, const std::string& shown) {
  return app
      .add_option_function<std::string>(
          name,
          [&into, name](const std::string& text) {
            const auto duration = caracal::controller::parse_duration(text);
            if (!duration)
              throw CLI::ValidationError(name, text + ": must be a duration such as 15s or 5m");
            into = *duration;
          },
          help + " [" + shown + "]")
      ->type_name("DURATION");
}

}  // namespace

int main(int argc, char** argv) {
  caracal::controller::Options options;
  options.version = CARACAL_VERSION;
  std::string log_level = "info";

  CLI::App app{
      "caracal-controller: what a cluster needs once, not once a node: addresses and blocks that "
      "nobody has any more are given back, pools are deleted in order, host endpoints are made "
      "for nodes"};
  app.footer(
      "Run one or several; one acts, which one is agreed by a Lease, and another takes over when "
      "it falls silent.\n"
      "Settings: KubeControllersConfiguration \"default\".");
  app.set_version_flag("--version", std::string("caracal-controller ") + CARACAL_VERSION);
  app.add_option("--kubeconfig", options.kubeconfig,
                 "how to reach the API server; default: KUBECONFIG, the pod's service account, "
                 "~/.kube/config")
      ->type_name("FILE");
  app.add_option("--context", options.context, "context of the kubeconfig")->type_name("NAME");
  app.add_option("--metrics-listen", options.metrics_listen,
                 "ADDRESS:PORT of /metrics, /healthz and /readyz, \"\" for none")
      ->capture_default_str()
      ->envname("CARACAL_CONTROLLER_METRICS_LISTEN");
  app.add_option("--leader-elect", options.elect,
                 "false: act without asking for the lease; only where no other controller runs")
      ->capture_default_str();
  app.add_option("--lease-namespace", options.lease_namespace, "where the Lease is")
      ->capture_default_str();
  app.add_option("--lease-name", options.lease_name, "name of the Lease")->capture_default_str();
  app.add_option("--identity", options.identity,
                 "what the Lease calls this controller; default: host name and a random number");
  add_duration(app, "--lease-duration", options.timings.duration,
               "another controller takes over after this long a silence", "15s");
  add_duration(app, "--renew-deadline", options.timings.renew,
               "without a renewal for this long, this controller stops acting", "10s");
  add_duration(app, "--retry-period", options.timings.retry, "between two attempts", "2s");
  add_duration(app, "--period", options.period,
               "between two looks at everything; default: reconcilerPeriod of the settings", "5m");
  add_duration(app, "--leak-grace", options.leak_grace,
               "before an address that seems to be nobody's is released, 0 for never; default: "
               "leakGracePeriod of the settings",
               "15m");
  app.add_flag("--once", options.once,
               "get the lease, do everything once, print what was done, and end; status 1 when "
               "not all could be done");
  add_duration(app, "--once-timeout", options.once_timeout, "how long --once may take", "1m");
  auto* level = app.add_option("--log-level", log_level,
                               "debug, info, warn or error; default: logSeverityScreen of the "
                               "settings")
                    ->envname("CARACAL_LOG_LEVEL")
                    ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "caracal-controller: %s\n\n%s", error.what(), app.help().c_str());
    return 2;
  }
  if (const caracal::Status timings = caracal::controller::check(options.timings); !timings) {
    std::fprintf(stderr, "caracal-controller: %s\n", timings.error().message.c_str());
    return 2;
  }
  options.log_level_given = level->count() > 0;
  caracal::log::set_level(log_level);

  const caracal::Status outcome = caracal::controller::run(options);
  if (outcome) return 0;
  caracal::log::error("caracal-controller ends", {{"error", outcome.error().message}});
  return 1;
}
