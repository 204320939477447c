#include "agent/dataplane.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace caracal::agent {

namespace fib = dataplane::fib;

namespace {
// How often the kernel is asked whether nftables changed; and, since on some hosts others change
// their own tables all the time, how much longer than a comparison the pause after it is.
constexpr event::Duration kDriftLook{2'000};
constexpr int kDriftPause = 20;

std::map<std::string, size_t> sizes(const desired::PolicyTables& tables) {
  return {{"interfaces", tables.interfaces.size()},
          {"sources", tables.sources.size()},
          {"addresses", tables.addresses.size()},
          {"ranges", tables.ranges.size()},
          {"ports", tables.ports.size()},
          {"peers", tables.peers.size()},
          {"rows", tables.rows.size()},
          {"otherwise", tables.otherwise.size()},
          {"wide_rows", tables.wide_rows.size()},
          {"logged", tables.logged.size()},
          {"refused", tables.refused.size()},
          {"own_splits", tables.own_splits.size()},
          {"port_splits", tables.port_splits.size()},
          {"hosts", tables.hosts.size()},
          {"failsafes", tables.failsafes.size()}};
}
}  // namespace

Dataplane::Dataplane(event::Loop& calculation, std::unique_ptr<PolicyTarget> policy,
                     fib::RouteDriver routes, NetworkApply network,
                     dataplane::conntrack::ConntrackDriver connections, Callbacks callbacks,
                     telemetry::Metrics& metrics)
    : calculation_(calculation),
      callbacks_(std::move(callbacks)),
      policy_(std::move(policy)),
      connections_(
          loop_, std::move(connections),
          [this]() -> const desired::PolicyTables& { return policy_.target().tables(); },
          [this](std::vector<EndedConnection> ended) {
            calculation_.post([this, ended = std::move(ended)] {
              if (callbacks_.on_connections_ended) callbacks_.on_connections_ended(ended);
            });
          },
          metrics),
      routes_(std::move(routes)),
      network_(std::move(network)),
      backoff_({.first = event::Duration(200), .longest = event::Duration(30'000)}),
      apply_seconds_(metrics.histogram("caracal_policy_apply_seconds",
                                       "Time of one policy change in the kernel")),
      sync_seconds_(metrics.histogram("caracal_policy_sync_seconds",
                                      "Time of a comparison of policy with the kernel")),
      applies_(metrics.counter("caracal_policy_applies_total",
                               "Policy changes brought into the kernel")),
      elements_changed_(metrics.counter("caracal_policy_elements_changed_total",
                                        "Elements removed or inserted by policy changes")),
      errors_(metrics.counter("caracal_dataplane_errors_total", "Changes the kernel refused")),
      drifts_(metrics.counter("caracal_dataplane_drift_total",
                              "Times somebody else changed what is ours")) {
  for (const auto& [table, size] : sizes({})) {
    element_gauges_[table] = &metrics.gauge(
        "caracal_policy_elements", "Elements in the kernel, by table", "table=\"" + table + "\"");
  }
}

Dataplane::~Dataplane() { stop(); }

void Dataplane::stop() {
  loop_.stop();
  if (thread_.joinable()) thread_.join();
}

void Dataplane::start() {
  auto watch =
      loop_.watch_fd(routes_.watch_fd(), {.read = true, .write = false}, [this](event::Ready) {
        const auto changed = routes_.changed();
        if (changed && !*changed) return;
        drifts_.add();
        log::warn("routes changed by somebody else");
        calculation_.post([this] { callbacks_.on_route_drift(); });
      });
  if (watch) {
    route_watch_ = std::move(*watch);
  } else {
    log::error("routes are not watched", {{"error", watch.error().message}});
  }
  auto tunnels = loop_.watch_fd(network_.tunnel_driver().watch_fd(), {.read = true, .write = false},
                                [this](event::Ready) {
                                  const auto changed = network_.tunnel_driver().changed();
                                  if (!changed || *changed)
                                    repair_network("tunnels changed by somebody else");
                                });
  if (tunnels) {
    tunnel_watch_ = std::move(*tunnels);
  } else {
    log::error("tunnels are not watched", {{"error", tunnels.error().message}});
  }
  drift_timer_ = loop_.after(kDriftLook, [this] { look_for_drift(); });
  thread_ = std::thread([this] { loop_.run(); });
}

// ---- calculation loop ----

template <typename Merge>
uint64_t Dataplane::submit(Merge merge) {
  ++sequence_;
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    wake = !box_.has_value();
    if (wake) box_.emplace();
    box_->sequence = sequence_;
    merge(*box_);
  }
  if (wake) loop_.post([this] { take_work(); });
  return sequence_;
}

uint64_t Dataplane::sync_policy(desired::PolicyTables tables) {
  return submit([&](Work& work) {
    work.tables = std::move(tables);
    work.delta = {};
  });
}

uint64_t Dataplane::apply_policy(const desired::PolicyDelta& delta) {
  return submit([&](Work& work) {
    if (work.tables) {
      desired::apply(*work.tables, delta);
    } else {
      work.delta.merge(delta);
    }
  });
}

uint64_t Dataplane::sync_routes(fib::RouteTable routes) {
  return submit([&](Work& work) {
    work.routes = std::move(routes);
    work.route_delta = {};
  });
}

uint64_t Dataplane::apply_routes(const fib::RouteDelta& delta) {
  return submit([&](Work& work) {
    for (const auto& [key, route] : delta.set) {
      work.route_delta.erase.erase(key);
      work.route_delta.set.insert_or_assign(key, route);
    }
    for (const auto& key : delta.erase) {
      work.route_delta.set.erase(key);
      work.route_delta.erase.insert(key);
    }
  });
}

uint64_t Dataplane::resync_routes() {
  return submit([](Work& work) { work.resync_routes = true; });
}

uint64_t Dataplane::sync_network(desired::PodNetwork network) {
  return submit([&](Work& work) {
    work.network = std::move(network);
    work.network_delta = {};
  });
}

uint64_t Dataplane::apply_network(const desired::PodNetworkDelta& delta,
                                  const desired::PodNetwork& now) {
  return submit([&](Work& work) {
    if (work.network) return desired::apply(*work.network, delta, now);
    desired::merge(work.network_delta, delta);
    desired::apply(work.network_parts, delta, now);
  });
}

void Dataplane::set_end_connections(bool end) {
  loop_.post([this, end] { connections_.set_enabled(end); });
}

void Dataplane::set_host_addresses(std::set<net::IpAddr> addresses) {
  loop_.post(
      [this, addresses = std::move(addresses)] { connections_.set_host_addresses(addresses); });
}

void Dataplane::check_interface(const std::string& interface,
                                std::function<void(Result<std::vector<std::string>>)> done) {
  loop_.post([this, interface, done = std::move(done)] {
    Result<std::vector<std::string>> answer = [&]() -> Result<std::vector<std::string>> {
      CARACAL_ASSIGN(const desired::PolicyTables held, policy_.target().read_back());
      const desired::PolicyTables& wanted = policy_.target().tables();
      std::vector<std::string> differences;
      for (const auto direction : {desired::Direction::kIngress, desired::Direction::kEgress}) {
        const desired::InterfaceKey key{direction, interface};
        const auto want = wanted.interfaces.find(key);
        const auto have = held.interfaces.find(key);
        const char* word = direction == desired::Direction::kIngress ? "ingress" : "egress";
        if (have == held.interfaces.end()) {
          differences.push_back(std::string("policy: no ") + word + " element for " + interface);
        } else if (want == wanted.interfaces.end() || !(want->second == have->second)) {
          differences.push_back(std::string("policy: the ") + word + " element for " + interface +
                                " is not as computed");
        }
      }
      for (const auto& source : wanted.sources) {
        if (source.interface == interface && !held.sources.contains(source)) {
          differences.push_back("policy: " + source.address.to_string() +
                                " is not an allowed source of " + interface);
        }
      }
      return differences;
    }();
    calculation_.post([done, answer = std::move(answer)]() mutable { done(std::move(answer)); });
  });
}

// ---- dataplane loop ----

void Dataplane::take_work() {
  Work work;
  {
    const std::lock_guard lock(mutex_);
    if (!box_) return;
    work = std::move(*box_);
    box_.reset();
  }
  do_policy(work);
  // New tunnels before the routes through them; those that are not needed any more after.
  if (work.network) network_.begin(std::move(*work.network));
  network_.begin(work.network_delta, work.network_parts);
  do_routes(work);
  network_.end();
  done_sequence_ = work.sequence;
  report();
  schedule_retry();
}

void Dataplane::do_policy(Work& work) {
  const bool sync = work.tables.has_value();
  if (!sync && work.delta.empty()) return;
  const auto begin = event::Clock::now();
  bool good = true;
  if (sync) {
    // What a former agent let in, before policy changed while nobody watched.
    connections_.look_anyway();
    good = policy_.sync(std::move(*work.tables));
    sync_seconds_.observe(event::Clock::now() - begin);
    const auto& done = policy_.last_sync();
    if (good) {
      log::info("policy in the kernel", {{"right", done.right},
                                         {"wrong", done.wrong},
                                         {"orphan", done.orphan},
                                         {"missing", done.missing},
                                         {"rebuilt", done.rebuilt},
                                         {"messages", done.messages}});
    }
  }
  if (!work.delta.empty()) {
    connections_.before(policy_.target().tables(), work.delta);
    good = policy_.apply(work.delta);
    apply_seconds_.observe(event::Clock::now() - begin);
    if (good) elements_changed_.add(policy_.last_apply().elements);
  }
  applies_.add();
  if (!good) errors_.add();
  if (good) connections_.after();
  if (const auto generation = policy_.target().generation()) generation_ = *generation;
}

void Dataplane::do_routes(Work& work) {
  if (work.routes) unsynced_routes_ = std::move(work.routes);
  if (unsynced_routes_) {
    for (const auto& key : work.route_delta.erase) unsynced_routes_->erase(key);
    for (const auto& [key, route] : work.route_delta.set) {
      unsynced_routes_->insert_or_assign(key, route);
    }
    auto report = routes_.sync(*unsynced_routes_);
    if (report) {
      routes_synced_ = true;
      unsynced_routes_.reset();
      log::info("routes in the kernel", {{"right", report->right},
                                         {"added", report->added},
                                         {"changed", report->changed},
                                         {"removed", report->removed},
                                         {"problems", report->problems.size()}});
    }
    note_routes(report);
    return;
  }
  if (!routes_synced_) return;
  if (!work.route_delta.empty()) {
    auto report = routes_.apply(work.route_delta);
    // A report speaks of its delta only; problems of other routes still stand.
    std::erase_if(route_problems_, [&](const fib::RouteProblem& problem) {
      return work.route_delta.set.contains(problem.key) ||
             work.route_delta.erase.contains(problem.key);
    });
    if (report)
      report->problems.insert(report->problems.end(), route_problems_.begin(),
                              route_problems_.end());
    note_routes(report);
  }
  if (work.resync_routes) note_routes(routes_.sync(routes_.wanted()));
}

void Dataplane::note_routes(const Result<fib::RouteReport>& report) {
  if (!report) {
    errors_.add();
    route_error_ = report.error().message;
    log::error("routes not programmed", {{"error", route_error_}});
    return;
  }
  route_error_.clear();
  for (const fib::RouteProblem& problem : report->problems) {
    const bool known = std::any_of(route_problems_.begin(), route_problems_.end(),
                                   [&](const auto& old) { return old.key == problem.key; });
    if (known) continue;
    log::warn("route not programmed",
              {{"route", problem.key.to_string()}, {"error", problem.error.message}});
  }
  route_problems_ = report->problems;
}

// A device that has gone takes its routes along, and the kernel does not tell of all of them.
void Dataplane::repair_network(const char* why) {
  if (!network_.synced()) return;
  drifts_.add();
  log::warn(why);
  network_.begin_again();
  calculation_.post([this] { callbacks_.on_route_drift(); });
  report();
  schedule_retry();
}

void Dataplane::schedule_retry() {
  if (!policy_.pending() && !network_.pending() && route_problems_.empty() &&
      route_error_.empty()) {
    backoff_.reset();
    retry_timer_.reset();
    return;
  }
  if (!retry_timer_.active()) retry_timer_ = loop_.after(backoff_.next(), [this] { retry(); });
}

void Dataplane::retry() {
  if (policy_.pending()) {
    if (policy_.retry()) {
      connections_.after();
    } else {
      errors_.add();
    }
  }
  if (network_.pending()) network_.begin_again();
  // Routes wait for a link or a neighbour's address; the calculation loop knows when it is safe to
  // look.
  if (!route_problems_.empty() || !route_error_.empty()) {
    calculation_.post([this] { callbacks_.on_route_drift(); });
  }
  report();
  schedule_retry();
}

void Dataplane::look_for_drift() {
  if (!network_.pending() && network_.changed_quietly())
    repair_network("address rules or tunnel peers changed by somebody else");
  const event::Duration took = compare_after_foreign_change();
  drift_timer_ =
      loop_.after(std::max(kDriftLook, took * kDriftPause), [this] { look_for_drift(); });
}

event::Duration Dataplane::compare_after_foreign_change() {
  if (!policy_.synced() || policy_.pending()) return {};
  const auto generation = policy_.target().generation();
  if (!generation || *generation == generation_) return {};
  const auto begin = event::Clock::now();
  const bool good = policy_.resync();
  const auto took = event::Clock::now() - begin;
  sync_seconds_.observe(took);
  if (!good || policy_.last_sync().messages != 0) {
    drifts_.add();
    connections_.look_anyway();
    if (good) connections_.after();
    const auto& found = policy_.last_sync();
    log::warn("policy in the kernel was changed by somebody else", {{"repaired", good},
                                                                    {"wrong", found.wrong},
                                                                    {"orphan", found.orphan},
                                                                    {"missing", found.missing},
                                                                    {"rebuilt", found.rebuilt},
                                                                    {"reason", found.reason}});
    report();
  }
  if (const auto after = policy_.target().generation()) generation_ = *after;
  return std::chrono::duration_cast<event::Duration>(took);
}

void Dataplane::report() {
  Applied applied;
  applied.sequence = done_sequence_;
  applied.policy_synced = policy_.synced();
  applied.policy_error = policy_.error();
  applied.closed = policy_.closed();
  applied.route_error = route_error_;
  applied.connection_error = connections_.error();
  for (const fib::RouteProblem& problem : route_problems_) {
    applied.route_problems.push_back(problem.key.to_string() + ": " + problem.error.message);
  }
  applied.tunnels = network_.tunnels();
  applied.network_problems = network_.problems();
  applied.elements = sizes(policy_.target().tables());
  for (const auto& [table, size] : applied.elements) {
    element_gauges_.at(table)->set(static_cast<double>(size));
  }
  calculation_.post([this, applied = std::move(applied)]() mutable {
    callbacks_.on_applied(std::move(applied));
  });
}

}  // namespace caracal::agent
