#include "controller/lease.h"

#include <fmt/format.h>

#include <chrono>

namespace caracal::controller {
namespace {

int64_t seconds_of(event::Duration duration) {
  return std::chrono::ceil<std::chrono::seconds>(duration).count();
}

}  // namespace

Status check(const LeaseTimings& timings) {
  if (timings.duration < std::chrono::seconds(1) || timings.duration % 1000 != event::Duration(0)) {
    return fail(Errc::kInvalid, fmt::format("lease duration {} ms: must be whole seconds, 1 or "
                                            "more: the API has no fractions",
                                            timings.duration.count()));
  }
  if (timings.renew >= timings.duration) {
    return fail(Errc::kInvalid,
                fmt::format("renew deadline {} ms: must be shorter than the lease's {} ms, or two "
                            "controllers could act at once",
                            timings.renew.count(), timings.duration.count()));
  }
  if (timings.retry <= event::Duration(0) || timings.retry >= timings.renew) {
    return fail(Errc::kInvalid,
                fmt::format("retry period {} ms: must be shorter than the renew deadline, {} ms, "
                            "and above 0",
                            timings.retry.count(), timings.renew.count()));
  }
  return {};
}

LeaseRecord decode_lease(const json::value& object) {
  LeaseRecord record;
  record.holder = jsonio::get_string(object, {"spec", "holderIdentity"});
  record.duration = std::chrono::seconds(jsonio::get_int(object, {"spec", "leaseDurationSeconds"}));
  record.acquired = jsonio::get_string(object, {"spec", "acquireTime"});
  record.renewed = jsonio::get_string(object, {"spec", "renewTime"});
  record.transitions = jsonio::get_int(object, {"spec", "leaseTransitions"});
  return record;
}

LeaseStep next_step(const LeaseSight& sight, const std::string& identity,
                    event::Clock::time_point now) {
  if (!sight.record) return LeaseStep::kCreate;
  if (sight.record->holder == identity) return LeaseStep::kRenew;
  if (sight.record->holder.empty()) return LeaseStep::kTake;
  return now >= sight.since + sight.record->duration ? LeaseStep::kTake : LeaseStep::kWait;
}

json::value lease_object(const json::value& before, const std::string& ns, const std::string& name,
                         const std::string& identity, event::Duration duration,
                         const std::string& now) {
  json::value object = before;
  if (!object.is_object()) {
    object = json::object{{"apiVersion", "coordination.k8s.io/v1"},
                          {"kind", "Lease"},
                          {"metadata", json::object{{"name", name}, {"namespace", ns}}}};
  }
  const bool ours = jsonio::get_string(before, {"spec", "holderIdentity"}) == identity;
  json::value& spec = jsonio::ensure(object, {"spec"});
  if (!spec.is_object()) spec.emplace_object();
  json::object& fields = spec.get_object();
  const int64_t transitions = jsonio::get_int(before, {"spec", "leaseTransitions"});
  if (!ours) {
    fields["acquireTime"] = now;
    fields["leaseTransitions"] = before.is_object() ? transitions + 1 : 0;
  }
  fields["holderIdentity"] = identity;
  fields["leaseDurationSeconds"] = seconds_of(duration);
  fields["renewTime"] = now;
  return object;
}

json::value released_lease(const json::value& before, const std::string& now) {
  json::value object = before;
  json::value& spec = jsonio::ensure(object, {"spec"});
  if (!spec.is_object()) spec.emplace_object();
  json::object& fields = spec.get_object();
  fields.erase("holderIdentity");  // an empty one is refused
  fields["leaseDurationSeconds"] = 1;
  fields["renewTime"] = now;
  return object;
}

}  // namespace caracal::controller
