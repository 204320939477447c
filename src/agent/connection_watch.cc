#include "agent/connection_watch.h"

#include <algorithm>

#include "base/log.h"

namespace caracal::agent {

namespace conntrack = dataplane::conntrack;

namespace {
constexpr size_t kChunk = 400;  // connections judged in a turn of the loop: about a millisecond
constexpr int kPauseFactor = 10;
constexpr event::Duration kShortestPause{20};
}  // namespace

// One look on its way.
struct ConnectionWatch::Look {
  conntrack::Ends ends;
  std::vector<conntrack::Connection> connections;
  size_t judged = 0;
  std::vector<EndedConnection> forbidden;
  size_t ended = 0;
  event::Clock::time_point begin = event::Clock::now();
};

ConnectionWatch::ConnectionWatch(event::Loop& loop, conntrack::ConntrackDriver driver,
                                 std::function<const desired::PolicyTables&()> tables,
                                 std::function<void(std::vector<EndedConnection>)> on_ended,
                                 telemetry::Metrics& metrics)
    : loop_(loop),
      driver_(std::move(driver)),
      tables_(std::move(tables)),
      on_ended_(std::move(on_ended)),
      looks_(metrics.counter("caracal_connection_looks_total",
                             "Looks at live connections after a change of policy")),
      ended_(metrics.counter("caracal_connections_ended_total",
                             "Live connections that policy no longer allowed")),
      errors_(metrics.counter("caracal_connection_look_errors_total",
                              "Looks at live connections that failed")),
      seconds_(metrics.histogram("caracal_connection_look_seconds",
                                 "Time of one look at live connections")) {}

void ConnectionWatch::before(const desired::PolicyTables& held, const desired::PolicyDelta& delta) {
  if (!enabled_) return;
  for (const desired::SourceKey& key : delta.sources.erase) {
    if (held.sources.contains(key)) released_.insert(key.address);
  }
  wanted_ = wanted_ || conntrack::takes_away(held, delta);
}

void ConnectionWatch::after() {
  if (wanted_ && enabled_ && !busy_) begin();
}

void ConnectionWatch::set_enabled(bool enabled) {
  if (enabled == enabled_) return;
  enabled_ = enabled;
  wanted_ = enabled;  // what was left open meanwhile
  if (!enabled) released_.clear();
  after();
}

void ConnectionWatch::set_host_addresses(const std::set<net::IpAddr>& addresses) {
  host_ = {addresses.begin(), addresses.end()};
}

void ConnectionWatch::begin() {
  busy_ = true;
  wanted_ = false;
  looks_.add();
  auto look = std::make_shared<Look>();
  look->ends = conntrack::ends_of(tables_());
  look->ends.host = host_;
  look->ends.released = std::exchange(released_, {});
  loop_.work(
      [this, look]() -> Status {
        return driver_.dump([&look](const conntrack::Connection& one) {
          if (look->ends.concern(one)) look->connections.push_back(one);
        });
      },
      [this, look](const Status& dumped) {
        if (!dumped) return over(*look, dumped);
        judge(look);
      });
}

void ConnectionWatch::judge(const std::shared_ptr<Look>& look) {
  // By the tables of this moment; who came or went since the list was made is in none of it.
  const desired::PolicyTables& tables = tables_();
  const size_t end = std::min(look->judged + kChunk, look->connections.size());
  for (; look->judged < end; ++look->judged) {
    const conntrack::Connection& one = look->connections[look->judged];
    const conntrack::Judgement judgement = conntrack::judge(tables, look->ends, one);
    if (judgement != conntrack::Judgement::kStays) look->forbidden.push_back({one, judgement});
  }
  if (look->judged < look->connections.size()) return loop_.post([this, look] { judge(look); });
  look->connections.clear();
  if (look->forbidden.empty()) return over(*look, {});
  end_forbidden(look);
}

void ConnectionWatch::end_forbidden(const std::shared_ptr<Look>& look) {
  loop_.work(
      [this, look]() -> Status {
        std::vector<conntrack::Connection> connections;
        connections.reserve(look->forbidden.size());
        for (const EndedConnection& one : look->forbidden) connections.push_back(one.connection);
        CARACAL_ASSIGN(const auto removed, driver_.remove(connections));
        look->ended = removed.ended;
        return {};
      },
      [this, look](const Status& removed) { over(*look, removed); });
}

void ConnectionWatch::over(const Look& look, const Status& outcome) {
  const auto took = event::Clock::now() - look.begin;
  seconds_.observe(took);
  ended_.add(look.ended);
  if (outcome) {
    error_.clear();
    if (look.ended != 0) {
      log::info("connections ended that policy no longer allows",
                {{"connections", look.ended},
                 {"ms", std::chrono::duration<double, std::milli>(took).count()}});
      on_ended_(look.forbidden);
    }
  } else {
    errors_.add();
    // Released addresses are not known any more, but policy's own verdicts can be asked again.
    wanted_ = true;
    if (error_ != outcome.error().message) {
      error_ = outcome.error().message;
      log::error("live connections not looked at", {{"error", error_}});
    }
  }
  const auto pause =
      outcome ? std::max(kShortestPause,
                         std::chrono::duration_cast<event::Duration>(took) * kPauseFactor)
              : event::Duration(5'000);
  pause_ = loop_.after(pause, [this] {
    busy_ = false;
    after();
  });
}

}  // namespace caracal::agent
