#include "policy/oracle/tiers.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace caracal::policy::oracle {
namespace {

using model::World;
using Decision = DirectionExplanation::Decision;
using Outcome = TierCheck::Outcome;

struct Entry {
  const model::Policy* policy = nullptr;
  std::optional<std::string> invalid;
};

const model::Tier* find_tier(const World& world, const std::string& name) {
  for (const model::Tier& tier : world.tiers) {
    if (tier.name == name) return &tier;
  }
  return nullptr;
}

// All policies in the order of evaluation.
std::vector<Entry> ordered_policies(const World& world) {
  std::vector<Entry> entries;
  for (const auto& [id, policy] : world.policies) entries.push_back({&policy, std::nullopt});
  for (const auto& [id, invalid] : world.invalid_policies)
    entries.push_back({&invalid.policy, invalid.reason});
  const auto place = [&](const Entry& entry) {
    const model::Policy& p = *entry.policy;
    const model::Tier* tier = find_tier(world, p.tier);
    const double order = tier ? tier->order : std::numeric_limits<double>::infinity();
    return std::tuple(tier == nullptr, order, std::string_view(p.tier), p.order,
                      std::string_view(p.id.name.name), std::string_view(p.id.name.ns), p.id.kind);
  };
  std::sort(entries.begin(), entries.end(),
            [&](const Entry& a, const Entry& b) { return place(a) < place(b); });
  return entries;
}

class Evaluation {
 public:
  Evaluation(const World& world, const Holder& target, const View& view, const TierRules& rules)
      : world_(world), target_(target), view_(view), rules_(rules) {}

  DirectionExplanation run() {
    out_.direction = view_.direction;
    const std::vector<Entry> entries = ordered_policies(world_);
    bool decided = false;
    for (size_t first = 0; first < entries.size();) {
      size_t end = first;
      const std::string& name = entries[first].policy->tier;
      while (end < entries.size() && entries[end].policy->tier == name) ++end;
      TierCheck tier = begin_tier(name);
      std::vector<const model::Policy*> policies;
      for (size_t i = first; i < end; ++i) add_policy(tier, policies, entries[i]);
      if (!decided) decided = run_tier(tier, policies);
      if (!tier.policies.empty()) out_.tiers.push_back(std::move(tier));
      first = end;
    }
    if (!decided) out_.decision = out_.isolated ? Decision::kEndOfTiers : Decision::kNotIsolated;
    return std::move(out_);
  }

 private:
  TierCheck begin_tier(const std::string& name) const {
    TierCheck check;
    check.name = name;
    const model::Tier* tier = find_tier(world_, name);
    check.missing = tier == nullptr;
    check.order = tier ? tier->order : std::numeric_limits<double>::infinity();
    check.default_action = tier ? tier->default_action : model::Action::kDeny;
    return check;
  }

  void add_policy(TierCheck& tier, std::vector<const model::Policy*>& policies,
                  const Entry& entry) {
    const model::Policy& policy = *entry.policy;
    if (policy.selects.in_namespace && policy.selects.in_namespace != namespace_of(target_)) {
      ++out_.other_namespaces;
      return;
    }
    PolicyCheck check;
    check.id = policy.id;
    check.order = policy.order;
    check.selects = policy.selects;
    check.invalid = entry.invalid;
    check.staged = policy.staged;
    check.warnings = policy.warnings;
    check.reason = applies(policy, check.labels);
    out_.isolated = out_.isolated || (check.applies() && !check.staged);
    tier.policies.push_back(std::move(check));
    policies.push_back(&policy);
  }

  PolicyCheck::Reason applies(const model::Policy& policy, model::Labels& labels) const {
    using Reason = PolicyCheck::Reason;
    const PeerCheck selected = check_endpoint(world_, policy.selects, target_);
    labels = selected.labels;
    switch (selected.reason) {
      case PeerCheck::Reason::kMatches:
        break;
      case PeerCheck::Reason::kNoPod:
        return Reason::kPodsOnly;
      case PeerCheck::Reason::kNamespaceUnknown:
        return Reason::kNamespaceUnknown;
      case PeerCheck::Reason::kNamespaceLabels:
        return Reason::kNamespaceLabels;
      default:
        return Reason::kPodLabels;
    }
    const bool named = view_.direction == model::Direction::kIngress ? policy.applies_ingress
                                                                     : policy.applies_egress;
    if (!named) return Reason::kOtherDirection;
    return rules_.eligible(policy.hook) ? Reason::kApplies : Reason::kOtherHook;
  }

  // Looks at the rules up to one that matches and is no Log; its action, or nothing.
  std::optional<model::Action> run_policy(PolicyCheck& check, const model::Policy& policy) {
    check.reached = true;
    const auto& rules =
        view_.direction == model::Direction::kIngress ? policy.ingress : policy.egress;
    for (size_t i = 0; i < rules.size(); ++i) {
      check.rules.push_back(check_rule(world_, rules[i], i, view_));
      if (!check.rules.back().matches()) continue;
      if (rules[i].action == model::Action::kLog) {
        out_.logged = out_.logged || !check.staged;
        continue;
      }
      check.deciding = i;
      return rules[i].action;
    }
    return std::nullopt;
  }

  // True when the verdict is settled.
  bool run_tier(TierCheck& tier, const std::vector<const model::Policy*>& policies) {
    bool any = false;
    for (size_t i = 0; i < policies.size(); ++i) {
      PolicyCheck& check = tier.policies[i];
      if (!check.applies()) continue;
      const std::optional<model::Action> action = run_policy(check, *policies[i]);
      if (check.staged) continue;
      any = true;
      tier.closed = tier.closed || policies[i]->closes_tier;
      if (!action) continue;
      if (action == model::Action::kPass) {
        tier.outcome = Outcome::kPassedByRule;
        return false;
      }
      tier.outcome = Outcome::kRule;
      settle(Decision::kRule, *action, tier.name);
      out_.policy = check.id;
      out_.rule = check.deciding;
      out_.rule_name = check.rules.back().name;
      return true;
    }
    if (!any) {
      tier.outcome = Outcome::kNoPolicy;
      return false;
    }
    if (!rules_.end_of_tier) {
      tier.outcome = Outcome::kNoMatch;
      return false;
    }
    if (tier.default_action == model::Action::kPass && !tier.closed) {
      tier.outcome = Outcome::kPassedByDefault;
      return false;
    }
    tier.outcome = Outcome::kDefault;
    settle(Decision::kTierDefault, model::Action::kDeny, tier.name);
    return true;
  }

  void settle(Decision decision, model::Action action, const std::string& tier) {
    out_.decision = decision;
    out_.verdict = action == model::Action::kAllow ? Verdict::kAllowed : Verdict::kDenied;
    out_.tier = tier;
  }

  const World& world_;
  const Holder& target_;
  const View& view_;
  const TierRules& rules_;
  DirectionExplanation out_;
};

}  // namespace

DirectionExplanation evaluate_tiers(const World& world, const Holder& target, const View& view,
                                    const TierRules& rules) {
  return Evaluation(world, target, view, rules).run();
}

}  // namespace caracal::policy::oracle
