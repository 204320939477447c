#include "controller/controller.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "base/timestamp.h"
#include "controller/address_pass.h"
#include "controller/api_write.h"
#include "controller/cluster_cache.h"
#include "controller/cluster_plan.h"
#include "controller/controller_settings.h"
#include "controller/host_endpoint_plan.h"
#include "controller/leader_elector.h"
#include "controller/pass_runner.h"
#include "controller/pool_plan.h"
#include "event/watchdog.h"
#include "kube/kubeconfig.h"

namespace caracal::controller {
namespace {

constexpr const char* kAddresses = "addresses";
constexpr const char* kPools = "pools";
constexpr const char* kHostEndpoints = "host-endpoints";
constexpr const char* kCluster = "cluster";

std::string default_identity() {
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') host[0] = '-';
  return fmt::format("{}_{}", host, random_guid());
}

// What a list of writes came to, in the words of a pass.
PassReport report_of(const WriteOutcome& outcome, std::string text,
                     const std::vector<std::string>& problems) {
  PassReport report;
  if (outcome.done > 0) report.text = std::move(text);
  if (outcome.failed > 0) {
    report.error = fmt::format("{} of {} writes failed: {}", outcome.failed,
                               outcome.done + outcome.failed + outcome.raced, outcome.error);
  } else if (outcome.fenced) {
    report.error = "the lease was lost on the way";
  } else if (outcome.raced > 0) {
    report.again = event::Duration(500);  // the caches know of the change by then
  }
  for (const std::string& problem : problems) {
    report.error += (report.error.empty() ? "" : "; ") + problem;
  }
  return report;
}

std::string counted(std::initializer_list<std::pair<size_t, std::string_view>> counts) {
  std::string out;
  for (const auto& [count, what] : counts) {
    if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, what);
  }
  return out;
}

}  // namespace

struct Controller::Impl {
  Impl(kube::Client& c, Options o, telemetry::Metrics& m)
      : client(c),
        options(std::move(o)),
        metrics(m),
        leader_gauge(m.gauge("caracal_controller_leader", "1 while this controller acts")),
        writes(c, fence, m),
        cache(
            c, [this](Part part) { changed(part); }, m),
        runner(c.loop(), m, {}),
        addresses(c, cache, fence, m),
        elector(c, elector_settings(options),
                {.on_elected = [this] { elected(); },
                 .on_lost = [this](const std::string&) { lost(); }},
                fence) {
    const auto period = [this] { return settings.period; };
    runner.add(
        kCluster, [this](PassDone done) { cluster_pass(std::move(done)); }, period);
    runner.add(
        kPools, [this](PassDone done) { pool_pass(std::move(done)); }, period);
    runner.add(
        kHostEndpoints, [this](PassDone done) { host_endpoint_pass(std::move(done)); }, period);
    runner.add(
        kAddresses, [this](PassDone done) { address_pass(std::move(done)); },
        [this] {
          // Twice in the grace period, so that it is not made much longer.
          const auto half = settings.leak_grace / 2;
          return half > std::chrono::seconds(1) ? std::min(settings.period, half) : settings.period;
        });
  }

  static LeaderElector::Settings elector_settings(const Options& options) {
    return {.ns = options.lease_namespace,
            .name = options.lease_name,
            .identity = options.identity.empty() ? default_identity() : options.identity,
            .timings = options.timings};
  }

  // --- when something has changed

  void changed(Part part) {
    switch (part) {
      case Part::kNodes:
        runner.mark(kHostEndpoints);
        break;
      case Part::kNodeGone:
        runner.mark(kAddresses);
        break;
      case Part::kPods:
        break;  // what a pod leaves behind is looked for from time to time
      case Part::kRecords:
        if (pools_waiting > 0) runner.mark(kPools);
        break;
      case Part::kPools:
        runner.mark(kPools);
        break;
      case Part::kHostEndpoints:
        runner.mark(kHostEndpoints);
        break;
      case Part::kSettings:
        take_settings();
        runner.mark_all();
        break;
      case Part::kInformation:
        runner.mark(kCluster);
        break;
    }
    begin_when_known();
  }

  void take_settings() {
    ControllerSettings now = decode_settings(cache.settings().find("default").object);
    if (options.period.count() > 0) now.period = options.period;
    if (options.leak_grace.count() >= 0) now.leak_grace = options.leak_grace;
    if (now == settings) return;
    for (const std::string& problem : now.problems) {
      log::error("setting not usable",
                 {{"object", "KubeControllersConfiguration default"}, {"error", problem}});
    }
    if (!options.log_level_given) log::set_level(now.log_level);
    settings = std::move(now);
  }

  // --- who acts

  void elected() {
    leader_gauge.set(1);
    addresses.forget();
    leading = true;
    begin_when_known();
  }

  void lost() {
    leader_gauge.set(0);
    leading = false;
    acting = false;
    runner.forbid();
  }

  // A cache that is half full would take what it does not know for gone.
  void begin_when_known() {
    if (!leading || acting || !cache.synced()) return;
    acting = true;
    take_settings();
    runner.allow();
  }

  // --- the passes

  void cluster_pass(PassDone done) {
    std::vector<ApiWrite> all =
        plan_information(cache.information(), cache.where("clusterinformations"), guid,
                         "caracal-" + options.version);
    for (ApiWrite& write :
         plan_configuration(cache.settings(), cache.where("kubecontrollersconfigurations"),
                            settings, metrics_port))
      all.push_back(std::move(write));
    std::string text;
    for (const ApiWrite& write : all) text += (text.empty() ? "" : ", ") + write.what;
    write_all(std::move(all), std::move(text), settings.problems, std::move(done));
  }

  void host_endpoint_pass(PassDone done) {
    HostEndpointPlan plan =
        plan_host_endpoints(cache.settings().find("default").object, cache.nodes(),
                            cache.host_endpoints(), cache.where("hostendpoints"));
    std::string text = counted({{plan.created, "host endpoints made"},
                                {plan.updated, "updated"},
                                {plan.deleted, "removed"}});
    write_all(std::move(plan.writes), std::move(text), plan.problems, std::move(done));
  }

  void pool_pass(PassDone done) {
    const bool known = cache.follows("ipamblocks") && cache.follows("blockaffinities");
    PoolPlan plan =
        plan_pools(cache.pools(), cache.addresses(), known, elector.identity(), rfc3339_now());
    pools_waiting = plan.waiting;
    metrics.gauge("caracal_ipam_pools_terminating", "Pools whose deletion waits")
        .set(static_cast<double>(plan.waiting));
    std::string text = counted({{plan.held, "pools held by a finalizer"},
                                {plan.told, "conditions told"},
                                {plan.released, "pools let go"}});
    auto returns = std::make_shared<std::vector<ipam::BlockReturn>>(std::move(plan.returns));
    write_all(std::move(plan.writes), std::move(text), {},
              [this, returns, done = std::move(done)](PassReport report) mutable {
                if (returns->empty()) return done(std::move(report));
                addresses.give_back(
                    std::move(*returns),
                    [report = std::move(report), done = std::move(done)](PassReport given) mutable {
                      if (!given.text.empty())
                        report.text += (report.text.empty() ? "" : ", ") + given.text;
                      if (!given.error.empty())
                        report.error += (report.error.empty() ? "" : "; ") + given.error;
                      done(std::move(report));
                    });
              });
  }

  void address_pass(PassDone done) { addresses.run(settings, std::move(done)); }

  void write_all(std::vector<ApiWrite> all, std::string text, std::vector<std::string> problems,
                 PassDone done) {
    writes.run(std::move(all),
               [text = std::move(text), problems = std::move(problems), done = std::move(done)](
                   const WriteOutcome& outcome) { done(report_of(outcome, text, problems)); });
  }

  kube::Client& client;
  Options options;
  telemetry::Metrics& metrics;
  telemetry::Gauge& leader_gauge;
  Fence fence;
  ControllerSettings settings;
  WriteQueue writes;
  ClusterCache cache;
  PassRunner runner;
  AddressPass addresses;
  LeaderElector elector;
  const std::string guid = random_guid();
  uint16_t metrics_port = 0;
  size_t pools_waiting = 0;
  bool leading = false;
  bool acting = false;
  event::Handle sync_timer;  // asks whether all is listed; the lists say so in no order
};

Controller::Controller(kube::Client& client, Options options, telemetry::Metrics& metrics)
    : impl_(std::make_unique<Impl>(client, std::move(options), metrics)) {}

Controller::~Controller() = default;

void Controller::start() {
  Impl& impl = *impl_;
  impl.cache.start();
  impl.sync_timer =
      impl.client.loop().every(event::Duration(200), [&impl] { impl.begin_when_known(); });
  if (impl.options.elect) return impl.elector.start();
  impl.fence.open_until(event::Clock::time_point::max());
  impl.elected();
}

void Controller::stop(std::function<void()> done) {
  impl_->runner.forbid();
  impl_->sync_timer.reset();
  impl_->fence.close();
  impl_->leading = false;
  impl_->acting = false;
  impl_->elector.release(std::move(done));
}

bool Controller::acting() const { return impl_->acting; }

bool Controller::settled() const {
  return impl_->acting && impl_->runner.idle() && impl_->runner.all_done_once();
}

std::string Controller::error() const {
  const Impl& impl = *impl_;
  if (!impl.elector.error().empty()) return "lease: " + impl.elector.error();
  if (!impl.leading && !impl.elector.holder().empty())
    return "another controller acts: " + impl.elector.holder();
  if (!impl.cache.synced()) return impl.cache.error();
  return impl.runner.errors();
}

json::object Controller::status() const {
  const Impl& impl = *impl_;
  return {{"identity", impl.elector.identity()},
          {"acting", impl.acting},
          {"leader", impl.acting ? impl.elector.identity() : impl.elector.holder()},
          {"synced", impl.cache.synced()},
          {"leakCandidates", impl.addresses.candidates()},
          {"passes", impl.runner.status()},
          {"watches", impl.cache.status()}};
}

void Controller::set_metrics_port(uint16_t port) { impl_->metrics_port = port; }

telemetry::HttpEndpoint::Sources Controller::pages() {
  Impl& impl = *impl_;
  return {.metrics =
              [&impl] {
                impl.cache.measure();
                impl.metrics.gauge("caracal_resident_bytes", "Resident memory of the controller")
                    .set(static_cast<double>(telemetry::resident_bytes()));
                return impl.metrics.render();
              },
          .health =
              [&impl] {
                return telemetry::Probe{true, impl.settings.health_checks
                                                  ? "ok"
                                                  : "ok; health checks are switched off"};
              },
          .ready =
              [&impl] {
                const bool ok = impl.cache.synced() || !impl.settings.health_checks;
                return telemetry::Probe{ok, !ok           ? impl.cache.error()
                                            : impl.acting ? "acts as " + impl.elector.identity()
                                                          : "follows " + impl.elector.holder()};
              }};
}

namespace {

void print_passes(const Controller& controller) {
  const json::value status = controller.status();
  for (const auto& [name, pass] : jsonio::get_object(status, {"passes"})) {
    const std::string_view error = jsonio::get_string(pass, {"error"});
    fmt::print("{}: {}\n", std::string_view(name),
               error.empty() ? jsonio::get_string(pass, {"did"}, "nothing to do") : error);
  }
  if (const int64_t waiting = jsonio::get_int(status, {"leakCandidates"}); waiting > 0) {
    fmt::print(
        "{} addresses seem to be nobody's; they are released by a controller that goes on "
        "running, after the grace period\n",
        waiting);
  }
}

Status run_once(event::Loop& loop, Controller& controller, const Options& options) {
  const bool settled = loop.run_until([&] { return controller.settled(); }, options.once_timeout);
  const std::string error = controller.error();
  print_passes(controller);
  bool ended = false;
  controller.stop([&ended] { ended = true; });
  loop.run_until([&ended] { return ended; }, event::Duration(10'000));
  if (settled) return {};
  return fail(Errc::kTimeout, fmt::format("not done after {} ms: {}", options.once_timeout.count(),
                                          error.empty() ? "the passes go on" : error));
}

}  // namespace

Status run(const Options& options) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that has gone is an error of the write
  CARACAL_TRY(check(options.timings));
  kube::AccessOptions access_options;
  access_options.kubeconfig = options.kubeconfig;
  access_options.context = options.context;
  CARACAL_ASSIGN(kube::ClusterAccess access, kube::find_access(access_options));
  log::info("caracal-controller starts", {{"version", options.version}, {"server", access.server}});
  telemetry::Metrics metrics;
  metrics
      .gauge("caracal_build_info", "1, with the version as label",
             "version=\"" + options.version + "\"")
      .set(1);
  event::Watchdog watchdog({.abort_after = event::Duration(120'000)});
  event::Loop loop;
  kube::ClientOptions client_options;
  client_options.user_agent = "caracal-controller/" + options.version;
  kube::Client client(loop, std::move(access), std::move(client_options));
  Controller controller(client, options, metrics);
  const event::Handle watched = watchdog.watch(loop, "controller");

  std::unique_ptr<telemetry::HttpEndpoint> http;
  if (!options.metrics_listen.empty() && !options.once) {
    CARACAL_ASSIGN(
        http, telemetry::HttpEndpoint::start(loop, options.metrics_listen, controller.pages()));
    controller.set_metrics_port(http->port());
    log::info("serving metrics", {{"port", http->port()}});
  }
  controller.start();
  if (options.once) return run_once(loop, controller, options);

  bool ending = false;
  const auto end = [&] {
    if (std::exchange(ending, true)) return loop.stop();  // the second time at once
    log::info("caracal-controller ends");
    controller.stop([&loop] { loop.stop(); });
  };
  CARACAL_ASSIGN(const event::Handle terminate, loop.watch_signal(SIGTERM, end));
  CARACAL_ASSIGN(const event::Handle interrupt, loop.watch_signal(SIGINT, end));
  loop.run();
  return {};
}

}  // namespace caracal::controller
