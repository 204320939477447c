// PolicyTable: all policies of the cluster, their order of evaluation, and the compiled form of
// those that apply to a local endpoint.
//
// Fed by the engine. A removed policy keeps its number until finish(), so that between two flushes
// a number means one policy.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/update.h"
#include "policy/policy_compiler.h"

namespace caracal::policy {

using PolicyIndex = uint32_t;

struct PolicyRecord {
  model::Policy policy;
  std::optional<std::string> invalid;
  bool exists = false;
  bool changed = false;  // since the last flush
  size_t tier = 0;       // its tier's place; the number of tiers when it is not configured
  uint32_t users = 0;    // local endpoints and directions it applies to
  std::optional<CompiledPolicy> compiled;  // while it has users
};

class PolicyTable {
 public:
  explicit PolicyTable(std::vector<model::Tier> tiers);

  void set(const model::PolicyUpdate& update);

  const PolicyRecord& at(PolicyIndex index) const { return records_[index]; }
  PolicyRecord& at(PolicyIndex index) { return records_[index]; }
  // Those that may select an endpoint of the namespace, its own and the cluster-wide ones, in the
  // order of evaluation.
  template <typename Visit>
  void for_each_candidate(const std::string& ns, const Visit& visit) {
    static const std::vector<PolicyIndex> kNone;
    const auto it = by_namespace_.find(ns);
    const std::vector<PolicyIndex>& own = it == by_namespace_.end() ? kNone : sorted(it->second);
    const std::vector<PolicyIndex>& wide = sorted(cluster_wide_);
    size_t a = 0, b = 0;
    while (a < own.size() || b < wide.size()) {
      const bool first = b == wide.size() || (a < own.size() && before(own[a], wide[b]));
      visit(first ? own[a++] : wide[b++]);
    }
  }
  // Is `a` evaluated before `b`? Tiers by order, then policies by order, then by name.
  bool before(PolicyIndex a, PolicyIndex b) const;
  // The default of the policy's tier; one that is not configured denies.
  model::Action tier_default(PolicyIndex index) const;

  // Changed or removed since the last finish().
  const std::vector<PolicyIndex>& changed() const { return changed_; }
  void finish();

 private:
  // Policies by what they may select; sorted when somebody asks.
  struct Bucket {
    std::vector<PolicyIndex> list;
    bool sorted = true;
  };
  const std::vector<PolicyIndex>& sorted(Bucket& bucket);
  size_t tier_place(const std::string& name) const;
  void put(PolicyIndex index);
  void take(PolicyIndex index);

  std::vector<model::Tier> tiers_;  // by order
  std::vector<PolicyRecord> records_;
  std::map<model::PolicyId, PolicyIndex> by_id_;
  std::unordered_map<std::string, Bucket> by_namespace_;
  Bucket cluster_wide_;
  std::vector<PolicyIndex> changed_;
  std::vector<PolicyIndex> free_;
};

}  // namespace caracal::policy
