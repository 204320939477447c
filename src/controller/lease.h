// Lease: who of several controllers acts, as an object of coordination.k8s.io/v1 tells it. Pure.
//
// The rules are those of Kubernetes' own controllers, so both kinds can share a lease: a holder
// renews; another one takes over when it has itself watched the lease stand still for its whole
// duration. The times written in the object are for people: clocks of two hosts are never compared.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "event/loop.h"
#include "jsonio/json.h"

namespace caracal::controller {

struct LeaseTimings {
  event::Duration duration{15'000};  // others take over after this; whole seconds
  event::Duration renew{10'000};     // the holder stops after this without a renewal
  event::Duration retry{2'000};      // between two attempts
};
// Errors: kInvalid names what does not fit: retry < renew < duration, duration at least a second.
Status check(const LeaseTimings& timings);

struct LeaseRecord {
  std::string holder;  // empty: nobody's
  event::Duration duration{0};
  std::string acquired;  // RFC 3339, microseconds
  std::string renewed;
  int64_t transitions = 0;
  bool operator==(const LeaseRecord&) const = default;
};
LeaseRecord decode_lease(const json::value& object);

// The lease as it was last seen, and since when it has stood still, by our own clock.
struct LeaseSight {
  std::optional<LeaseRecord> record;  // none: there is no such object
  event::Clock::time_point since;
};

enum class LeaseStep {
  kCreate,  // there is none
  kTake,    // nobody's, or its holder is silent for too long
  kRenew,   // ours
  kWait,    // another's
};
LeaseStep next_step(const LeaseSight& sight, const std::string& identity,
                    event::Clock::time_point now);

// The object that makes `identity` the holder as of `now` (RFC 3339 with microseconds). `before` is
// the object as the server has it, null for a new one.
json::value lease_object(const json::value& before, const std::string& ns, const std::string& name,
                         const std::string& identity, event::Duration duration,
                         const std::string& now);
// The same lease, given back: nobody holds it, and whoever wants it need not wait.
json::value released_lease(const json::value& before, const std::string& now);

}  // namespace caracal::controller
