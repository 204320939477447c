// PackedPolicies: the policies of the cluster in few bytes, of which those that select one endpoint
// are unpacked again.
//
// Rules are one block of bytes a policy, selectors are kept once for all policies that select
// alike. A policy unpacked is the policy that came, but for its warnings. Staged policies are not
// kept. Fed and read by WorldIndex, on its thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flowlog/shared_texts.h"
#include "model/world.h"
#include "policy/policy_blob.h"

namespace caracal::flowlog {

class PackedPolicies {
 public:
  void apply(const model::PolicyUpdate& update);

  // Adds to `out` the policies whose object is in the namespace (empty: in none) and for whose
  // target `wanted(pods, namespaces, ...)` holds.
  struct Target {
    const selector::Selector& pods;
    const selector::Selector& namespaces;
    const std::string* in_namespace;  // null: any
    bool inherited;
  };
  template <typename Wanted>
  void unpack(const std::string& ns, const Wanted& wanted, model::World& out) const {
    for_each_in(ns, [&](const model::PolicyId& id, const Packed& packed) {
      if (wanted(target_of(id, packed))) unpack(id, packed, out);
    });
  }
  size_t size() const { return policies_.size(); }

 private:
  // What few policies have.
  struct Rare {
    std::vector<std::string> rule_names;  // of ingress rules, then of egress rules
    std::string in_namespace;             // another one than the policy's own
    std::string invalid;                  // why
    bool is_invalid = false;
  };
  enum class Scope : uint8_t { kEverywhere, kOwnNamespace, kOtherNamespace };
  struct Packed {
    policy::PolicyBlob rules;
    const selector::Selector* pods = nullptr;
    const selector::Selector* namespaces = nullptr;
    const std::string* tier = nullptr;
    std::unique_ptr<Rare> rare;
    double order = 0;
    Scope scope = Scope::kEverywhere;
    model::Hook hook = model::Hook::kNormal;
    bool inherited = false;
    bool applies_ingress = false;
    bool applies_egress = false;
    bool closes_tier = false;
  };
  struct SharedSelector {
    selector::Selector selector;
    uint32_t uses = 0;
  };

  // Policies are sorted by kind, then namespace: those of one are neighbours.
  template <typename Visit>
  void for_each_in(const std::string& ns, const Visit& visit) const {
    for (auto it = policies_.begin(); it != policies_.end();) {
      const model::PolicyKind kind = it->first.kind;
      for (it = policies_.lower_bound({kind, {ns, ""}});
           it != policies_.end() && it->first.kind == kind && it->first.name.ns == ns; ++it)
        visit(it->first, it->second);
      if (kind == model::PolicyKind::kStagedKubernetesNetworkPolicy) return;
      it = policies_.lower_bound(
          {static_cast<model::PolicyKind>(static_cast<uint8_t>(kind) + 1), {}});
    }
  }
  static Target target_of(const model::PolicyId& id, const Packed& packed);
  static void unpack(const model::PolicyId& id, const Packed& packed, model::World& out);
  void remove(const model::PolicyId& id);
  const selector::Selector* acquire(const selector::Selector& selector);
  void release(const selector::Selector* selector);

  std::map<model::PolicyId, Packed> policies_;
  std::unordered_map<std::string_view, SharedSelector> selectors_;  // by their canonical text
  SharedTexts texts_;
};

}  // namespace caracal::flowlog
