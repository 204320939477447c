// caracal-apiserver: serves the Kubernetes API on one machine, for labs, tests and hosts without a
// cluster.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "apiserver/api_server.h"
#include "base/file.h"
#include "base/log.h"

namespace {

using caracal::apiserver::ApiServer;
using caracal::apiserver::ApiServerOptions;

constexpr int kUsageError = 2;

struct Flags {
  std::vector<std::string> listen;
  std::vector<std::string> insecure_listen;
  std::string write_kubeconfig;
  std::string log_level = "info";
  ApiServerOptions options;
};

void declare(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", std::string(CARACAL_VERSION));
  app.add_option("--listen", flags.listen,
                 "ADDRESS:PORT to serve HTTPS on; may be repeated [127.0.0.1:6443]")
      ->type_name("ADDR:PORT");
  app.add_option("--insecure-no-auth-http", flags.insecure_listen,
                 "ADDRESS:PORT to serve plain HTTP on; lets everybody do everything on all "
                 "listeners, for tests only")
      ->type_name("ADDR:PORT");
  app.add_option(
         "--data-dir", flags.options.data_dir,
         "folder of the database, certificates and admin token [/var/lib/caracal/apiserver]")
      ->type_name("DIR");
  app.add_flag("--memory", flags.options.memory_store,
               "keep objects in memory only; without --data-dir certificates and token too");
  app.add_option("--san", flags.options.names,
                 "further host name or address for the server certificate; may be repeated")
      ->type_name("NAME");
  app.add_option("--write-kubeconfig", flags.write_kubeconfig,
                 "write a kubeconfig of the admin to this file")
      ->type_name("FILE");
  app.add_option("--token-file", flags.options.token_file,
                 "further bearer tokens, lines of token,user,uid,\"group1,group2\"; members of "
                 "caracal:readers only read")
      ->type_name("FILE");
  app.add_option("--service-cidr", flags.options.service_cidr, "IPv4 range of service addresses")
      ->type_name("CIDR")
      ->capture_default_str();
  app.add_option("--history-events", flags.options.history_events,
                 "how many changes watches and continued lists can go back")
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
}

// Listeners from their texts; a bad one is a usage error.
bool add_listeners(const std::vector<std::string>& texts, bool tls, ApiServerOptions& options) {
  for (const std::string& text : texts) {
    auto listener = caracal::apiserver::parse_listener(text, tls);
    if (!listener) {
      fmt::print(stderr, "caracal-apiserver: {}: {}\n",
                 tls ? "--listen" : "--insecure-no-auth-http", listener.error().message);
      return false;
    }
    options.listeners.push_back(std::move(*listener));
  }
  return true;
}

// Each watch holds a socket: take all the descriptors the system lets us have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int serve(Flags flags) {
  namespace log = caracal::log;
  log::set_level(flags.log_level);
  const std::string kubeconfig = flags.write_kubeconfig;
  auto server = ApiServer::start(std::move(flags.options));
  if (!server) {
    log::error("cannot start", {{"error", server.error().message}});
    return 1;
  }
  if (!kubeconfig.empty()) {
    if (const auto written = caracal::write_file_atomic(kubeconfig, (*server)->kubeconfig(), 0600);
        !written) {
      log::error("cannot write the kubeconfig", {{"error", written.error().message}});
      return 1;
    }
  }
  for (const auto& listener : (*server)->listeners()) {
    log::info("serving",
              {{"address", listener.address}, {"port", listener.port}, {"tls", listener.tls}});
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int number = 0;
  sigwait(&signals, &number);
  log::info("stopping", {{"signal", number}});
  (*server)->stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // Before any thread starts: signals are for sigwait() alone.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();

  CLI::App app("Serves the Kubernetes API on one machine.", "caracal-apiserver");
  Flags flags;
  declare(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    if (code != 0) fmt::print(stderr, "\n{}", app.help());
    return code == 0 ? 0 : kUsageError;
  }
  if (flags.listen.empty() && flags.insecure_listen.empty())
    flags.listen.push_back("127.0.0.1:6443");
  flags.options.anonymous_admin = !flags.insecure_listen.empty();
  flags.options.version = CARACAL_VERSION;
  if (flags.options.data_dir.empty() && !flags.options.memory_store) {
    flags.options.data_dir = "/var/lib/caracal/apiserver";
  }
  if (!add_listeners(flags.listen, true, flags.options) ||
      !add_listeners(flags.insecure_listen, false, flags.options)) {
    return kUsageError;
  }
  return serve(std::move(flags));
}
