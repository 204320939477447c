// PolicyStatus: tells the writers of policy what of their objects is not enforced as written, in
// the cluster: as the condition caracal.io/Enforced where the kind has a status (cluster-wide
// policies, Tier), else as an Event.
//
// Fed by ClusterWatch (on_findings), on its loop. Every node's agent sees the same objects, so all
// would write the same. Each waits a random while and writes only what is still missing then: a
// condition that differs from the one the object has, guarded by its resourceVersion; an Event
// whose name follows from its text, so that a second one is refused. At most one request in
// PolicyStatusOptions::interval.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calico/decode.h"
#include "event/backoff.h"
#include "event/loop.h"
#include "jsonio/json.h"
#include "kube/client.h"
#include "telemetry/metrics.h"

namespace caracal::agent {

struct PolicyStatusOptions {
  std::string node;                     // who reports
  event::Duration interval{250};        // between two requests
  event::Duration longest_wait{5'000};  // before the first attempt
  size_t most_pending = 1'000;          // what does not fit is only logged
  event::Random random = event::system_random();
};

// The request that tells it, if one is needed: pure, for tests.
// `now` is an RFC 3339 time.
std::optional<kube::Request> status_request(const calico::Collection& collection,
                                            const std::vector<calico::Finding>& findings,
                                            const json::value& object, std::string_view node,
                                            std::string_view now);

class PolicyStatus {
 public:
  PolicyStatus(kube::Client& client, PolicyStatusOptions options, telemetry::Metrics& metrics);

  void note(const calico::Collection& collection, const model::ObjectName& name,
            const std::vector<calico::Finding>& findings, const json::value* object);
  size_t pending() const { return pending_.size(); }

 private:
  struct Key {
    const calico::Collection* collection;
    model::ObjectName name;
    auto operator<=>(const Key&) const = default;
  };
  struct Pending {
    kube::Request request;
    event::Clock::time_point due;
  };
  void schedule();
  void send_next();

  kube::Client& client_;
  PolicyStatusOptions options_;
  telemetry::Counter& written_;
  telemetry::Counter& dropped_;
  std::map<Key, Pending> pending_;
  event::Handle timer_;
  kube::Call call_;
};

}  // namespace caracal::agent
