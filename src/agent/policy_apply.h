// PolicyApply: brings deltas into the kernel, and fails closed what the kernel refuses.
//
// Owned by the dataplane loop. A delta that is refused is tried once more as a whole
// synchronisation (the kernel may hold something else than we think). Refused again, the endpoints
// it is about are closed in the kernel, the delta is kept, folded with later ones, and tried again
// by retry(). What came back right is opened by the same path. No clock, no thread: the owner
// calls.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/policy_target.h"
#include "desired/policy_tables.h"

namespace caracal::agent {

// The interfaces whose packets `delta` may decide about, by the tables it is to be applied to.
// Pure.
std::set<std::string> affected_interfaces(const desired::PolicyTables& tables,
                                          const desired::PolicyDelta& delta);

class PolicyApply {
 public:
  explicit PolicyApply(std::unique_ptr<PolicyTarget> target) : target_(std::move(target)) {}

  // The whole tables: the first time, and whenever the kernel is to be compared. False: to be
  // retried.
  bool sync(desired::PolicyTables tables);
  bool apply(const desired::PolicyDelta& delta);
  // Tries again what was refused; true when nothing is left to try.
  bool retry();
  // Compares the kernel with what it should hold, and puts it right. REQUIRES: synced().
  bool resync();

  bool synced() const { return synced_; }
  bool pending() const { return !pending_.empty() || waiting_.has_value(); }
  // Closed by us because the kernel refused their policy: interface -> why.
  const std::map<std::string, std::string>& closed() const { return closed_; }
  const std::string& error() const { return error_; }  // of the last attempt; empty: it worked

  // Of the last attempt that worked.
  const dataplane::nft::SyncReport& last_sync() const { return last_sync_; }
  const dataplane::nft::ApplyReport& last_apply() const { return last_apply_; }
  PolicyTarget& target() { return *target_; }
  const PolicyTarget& target() const { return *target_; }

 private:
  bool attempt();
  bool sync_pending();
  void close_affected();
  void succeeded();

  std::unique_ptr<PolicyTarget> target_;
  bool synced_ = false;
  std::optional<desired::PolicyTables> waiting_;  // a first sync that was refused
  desired::PolicyDelta pending_;                  // from what the kernel holds to what is wanted
  std::map<std::string, std::string> closed_;
  std::string error_;
  dataplane::nft::SyncReport last_sync_;
  dataplane::nft::ApplyReport last_apply_;
};

}  // namespace caracal::agent
