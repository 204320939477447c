// ConnectionWatch: ends live connections that a change of policy no longer allows.
//
// On the dataplane loop, behind PolicyApply: judged is by what the kernel holds. A look lists the
// kernel's connections on a worker and keeps those with a pod of this node at an end; they are
// judged on the loop, a few hundred a turn, so that it never blocks; what is forbidden is ended on
// a worker again. Changes that come meanwhile are looked at together in the next look, which begins
// after a pause in proportion to the last one: a busy node spends at most a tenth of a thread on
// this.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "dataplane/conntrack/conntrack_driver.h"
#include "dataplane/conntrack/judge.h"
#include "event/loop.h"
#include "telemetry/metrics.h"

namespace caracal::agent {

struct EndedConnection {
  dataplane::conntrack::Connection connection;
  dataplane::conntrack::Judgement judgement = dataplane::conntrack::Judgement::kStays;
};

class ConnectionWatch {
 public:
  // `tables`: what the kernel holds now; read on the loop. `on_ended` runs on the loop.
  ConnectionWatch(event::Loop& loop, dataplane::conntrack::ConntrackDriver driver,
                  std::function<const desired::PolicyTables&()> tables,
                  std::function<void(std::vector<EndedConnection>)> on_ended,
                  telemetry::Metrics& metrics);
  ConnectionWatch(const ConnectionWatch&) = delete;
  ConnectionWatch& operator=(const ConnectionWatch&) = delete;

  // Before a change: takes note of whether connections are to be looked at after it.
  void before(const desired::PolicyTables& held, const desired::PolicyDelta& delta);
  // Looks at all connections after the next change, whatever it is.
  void look_anyway() { wanted_ = true; }
  // The kernel holds all that is wanted: looks, if a change since the last look calls for it.
  void after();

  void set_enabled(bool enabled);
  void set_host_addresses(const std::set<net::IpAddr>& addresses);
  const std::string& error() const { return error_; }  // of the last look; empty: it worked

 private:
  struct Look;
  void begin();
  void judge(const std::shared_ptr<Look>& look);
  void end_forbidden(const std::shared_ptr<Look>& look);
  void over(const Look& look, const Status& outcome);

  event::Loop& loop_;
  dataplane::conntrack::ConntrackDriver driver_;  // used by one worker at a time
  std::function<const desired::PolicyTables&()> tables_;
  std::function<void(std::vector<EndedConnection>)> on_ended_;
  bool enabled_ = true;
  bool wanted_ = false;
  bool busy_ = false;  // a look, or the pause after it
  std::unordered_set<net::IpAddr> host_;
  std::unordered_set<net::IpAddr> released_;
  std::string error_;
  event::Handle pause_;

  telemetry::Counter& looks_;
  telemetry::Counter& ended_;
  telemetry::Counter& errors_;
  telemetry::Histogram& seconds_;
};

}  // namespace caracal::agent
