// PolicyTable: all policies of the cluster and the tiers, their order of evaluation, and the
// compiled form of those that apply to a local endpoint.
//
// Most policies of a cluster apply to nothing on this node: their rules are kept as a PolicyBlob,
// their names as numbers, what they select once for all that select alike.
//
// Fed by the engine. A removed policy keeps its number until finish(), so that between two flushes
// a number means one policy.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/update.h"
#include "policy/compiled_selector.h"
#include "policy/policy_blob.h"
#include "policy/policy_compiler.h"

namespace caracal::policy {

using PolicyIndex = uint32_t;  // 1..

// What policies select: the labels part of an EndpointPeer.
struct PolicyTarget {
  std::string key;
  CompiledSelector pods;
  CompiledSelector namespaces;
  bool inherited = false;
  uint32_t users = 0;
};

struct PolicyRecord {
  StringId ns = 0;  // of the policy's name; 0: none
  StringId name = 0;
  uint32_t tier = 0;
  uint32_t target = 0;
  StringId in_namespace = 0;  // 0: any
  uint32_t users = 0;         // local endpoints and directions it applies to
  uint32_t host_users = 0;    // host endpoints among them
  double order = 0;
  model::PolicyKind kind = model::PolicyKind::kNetworkPolicy;
  model::Hook hook = model::Hook::kNormal;
  bool applies_ingress = false;
  bool applies_egress = false;
  bool staged = false;
  bool closes_tier = false;
  bool exists = false;
  bool changed = false;                // since the last flush
  PolicyIndex previous = 0, next = 0;  // of the same in_namespace
  PolicyBlob rules;
  std::unique_ptr<std::string> invalid;      // why, if it is
  std::unique_ptr<CompiledPolicy> compiled;  // while it has users
};

class PolicyTable {
 public:
  explicit PolicyTable(StringTable& strings);

  void set(const model::PolicyUpdate& update);
  // True when the order of evaluation or an end of tier may be another now.
  bool set_tier(const model::TierUpdate& update);

  const PolicyRecord& at(PolicyIndex index) const { return records_[index]; }
  PolicyRecord& at(PolicyIndex index) { return records_[index]; }
  const PolicyTarget& target(PolicyIndex index) const { return targets_[records_[index].target]; }
  model::PolicyId id(PolicyIndex index) const;
  static bool names(const PolicyRecord& policy, model::Direction direction) {
    return direction == model::Direction::kIngress ? policy.applies_ingress : policy.applies_egress;
  }
  // Those that may select an endpoint of the namespace (0: of none), its own and the cluster-wide
  // ones, in the order of evaluation.
  template <typename Visit>
  void for_each_candidate(StringId ns, const Visit& visit) {
    static const std::vector<PolicyIndex> kNone;
    const std::vector<PolicyIndex>& wide = sorted(0);
    const std::vector<PolicyIndex>& own = ns == 0 ? kNone : sorted(ns);
    size_t a = 0, b = 0;
    while (a < own.size() || b < wide.size()) {
      const bool first = b == wide.size() || (a < own.size() && before(own[a], wide[b]));
      visit(first ? own[a++] : wide[b++]);
    }
  }
  // Is `a` evaluated before `b`? Tiers by order, then policies by order, then by name.
  bool before(PolicyIndex a, PolicyIndex b) const;
  // What the end of the policy's tier does by the tier itself; one that does not exist denies.
  model::Action tier_default(PolicyIndex index) const;

  // Changed or removed since the last finish().
  const std::vector<PolicyIndex>& changed() const { return changed_; }
  void finish();

 private:
  struct TierRecord {
    StringId name = 0;
    bool exists = false;
    double order = 0;
    model::Action default_action = model::Action::kDeny;
    uint32_t users = 0;
  };
  // The policies of one in_namespace in order, where somebody asked for them.
  using Sorted = std::unordered_map<StringId, std::vector<PolicyIndex>>;

  const std::vector<PolicyIndex>& sorted(StringId in_namespace);
  PolicyIndex find(const model::PolicyId& id) const;
  static uint64_t hash_of(model::PolicyKind kind, StringId ns, StringId name);
  uint32_t acquire_tier(std::string_view name);
  void release_tier(uint32_t tier);
  uint32_t acquire_target(const model::EndpointPeer& peer);
  void release_target(uint32_t target);
  void put(PolicyIndex index);
  void take(PolicyIndex index);
  void release_parts(PolicyRecord& record);

  StringTable& strings_;
  std::vector<TierRecord> tiers_;
  std::unordered_map<StringId, uint32_t> tier_of_name_;
  std::vector<uint32_t> free_tiers_;
  std::deque<PolicyTarget> targets_ = std::deque<PolicyTarget>(1);
  std::unordered_map<std::string, uint32_t> target_of_key_;
  std::vector<uint32_t> free_targets_;
  std::deque<PolicyRecord> records_ = std::deque<PolicyRecord>(1);
  FlatIndex by_id_;
  std::vector<PolicyIndex> heads_;  // by in_namespace; 0: cluster-wide
  Sorted sorted_;
  std::vector<PolicyIndex> changed_;
  std::vector<PolicyIndex> free_;
};

}  // namespace caracal::policy
