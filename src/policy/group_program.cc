#include "policy/group_program.h"

#include <algorithm>

namespace caracal::policy {
namespace {

// First words of a spec's pairs: an action, or the end of a tier with a default.
constexpr uint32_t kTierEnd = 8;
uint32_t word(model::Action action) { return static_cast<uint32_t>(action); }

template <typename Map>
void append_keys(const Map& map, std::vector<uint32_t>& out) {
  for (const auto& [key, value] : map) out.push_back(key);
}
void sort_unique(std::vector<uint32_t>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

}  // namespace

GroupProgram::GroupProgram(const PolicyTable& policies, std::span<const PolicyIndex> list,
                           model::Direction direction, std::span<const ClassPort> own_ports,
                           ListTable& port_sets) {
  for (size_t i = 0; i < list.size(); ++i) {
    const PolicyIndex index = list[i];
    const bool same_tier =
        i > 0 && policies.at(list[i - 1]).policy.tier == policies.at(index).policy.tier;
    if (!same_tier) tier_defaults_.push_back(policies.tier_default(index));
    const CompiledPolicy& compiled = *policies.at(index).compiled;
    const auto tier = static_cast<uint32_t>(tier_defaults_.size() - 1);
    for (const CompiledRule& rule :
         direction == model::Direction::kIngress ? compiled.ingress : compiled.egress) {
      add_rule(rule, tier, own_ports, port_sets);
    }
  }
  append_keys(by_peer_, predicate_list_);
  append_keys(by_family_, predicate_list_);
  append_keys(by_cidr_family_, predicate_list_);
  append_keys(by_cidr_, cidr_list_);
  sort_unique(predicate_list_);
  sort_unique(cidr_list_);
}

void GroupProgram::add_rule(const CompiledRule& rule, uint32_t tier,
                            std::span<const ClassPort> own_ports, ListTable& port_sets) {
  PortSet ports = rule.ports;
  for (const PortName& name : rule.names) {
    for (const ClassPort& own : own_ports) {
      if (own.name == name.name && own.protocol == name.protocol) {
        ports.add(PortSet::one(own.protocol, own.port));
      }
    }
  }
  const auto step = static_cast<uint32_t>(steps_.size());
  steps_.push_back({tier, rule.action});
  const bool by_name = !rule.families.empty() || !rule.cidr_families.empty();
  if ((!rule.any_peer || by_name) && rule.action != model::Action::kAllow) monotone_ = false;

  const ListId id = port_sets.acquire(ports.numbers());
  if (id != 0) {
    held_.push_back(id);
    if (rule.any_peer) any_.push_back({step, id});
    for (const PredicateId peer : rule.peers) by_peer_[peer].push_back({step, id});
    for (const CidrId cidr : rule.cidrs) by_cidr_[cidr].push_back({step, id});
  }
  for (const PredicateId family : rule.families) by_family_[family].push_back(step);
  for (const PredicateId family : rule.cidr_families) {
    by_cidr_family_[family].push_back({step, rule.cidrs});
  }
}

GroupProgram::Spec GroupProgram::match(std::span<const PredicateId> predicates,
                                       std::span<const CidrId> cidrs,
                                       const PredicateRegistry& registry, ListTable& port_sets,
                                       std::vector<ListId>& temporary) const {
  std::vector<Match> matches = any_;
  const auto append = [&](const auto& map, uint32_t key) {
    if (const auto it = map.find(key); it != map.end()) {
      matches.insert(matches.end(), it->second.begin(), it->second.end());
    }
  };
  for (const CidrId cidr : cidrs) append(by_cidr_, cidr);
  for (const PredicateId id : predicates) {
    if (!registry.is_resolved(id)) {
      append(by_peer_, id);
      continue;
    }
    const auto family = by_family_.find(registry.family_of(id));
    const auto cidr_family = by_cidr_family_.find(registry.family_of(id));
    if (family == by_family_.end() && cidr_family == by_cidr_family_.end()) continue;
    const PortSet port = PortSet::one(registry.protocol_of(id), registry.port_of(id));
    const ListId ports = port_sets.acquire(port.numbers());
    temporary.push_back(ports);
    if (ports == 0) continue;  // a name on a protocol without ports
    if (family != by_family_.end()) {
      for (const uint32_t step : family->second) matches.push_back({step, ports});
    }
    if (cidr_family == by_cidr_family_.end()) continue;
    for (const CidrFamily& entry : cidr_family->second) {
      const bool inside = std::any_of(entry.cidrs.begin(), entry.cidrs.end(), [&](CidrId cidr) {
        return std::binary_search(cidrs.begin(), cidrs.end(), cidr);
      });
      if (inside) matches.push_back({entry.step, ports});
    }
  }
  std::sort(matches.begin(), matches.end());

  Spec spec;
  size_t next = 0;
  for (uint32_t tier = 0; tier < tier_defaults_.size(); ++tier) {
    while (next < matches.size() && steps_[matches[next].step].tier == tier) {
      // A run of one action: its order does not matter.
      const model::Action action = steps_[matches[next].step].action;
      std::vector<uint32_t> run;
      for (; next < matches.size(); ++next) {
        const Step& step = steps_[matches[next].step];
        if (step.tier != tier || step.action != action) break;
        run.push_back(matches[next].ports);
      }
      sort_unique(run);
      for (const uint32_t ports : run) {
        spec.push_back(word(action));
        spec.push_back(ports);
      }
    }
    spec.push_back(kTierEnd + word(tier_defaults_[tier]));
    spec.push_back(0);
  }
  return spec;
}

PortSet GroupProgram::allowed(const Spec& spec, const ListTable& port_sets) {
  PortSet allowed;
  PortSet undecided = PortSet::everything();
  PortSet passed;
  for (size_t i = 0; i < spec.size(); i += 2) {
    if (spec[i] >= kTierEnd) {
      const auto action = static_cast<model::Action>(spec[i] - kTierEnd);
      if (action == model::Action::kAllow) allowed.add(undecided);
      if (action == model::Action::kPass) passed.add(undecided);
      undecided = std::exchange(passed, {});
      continue;
    }
    const auto action = static_cast<model::Action>(spec[i]);
    PortSet ports = PortSet::from_numbers(port_sets.list(spec[i + 1]));
    if (action != model::Action::kDeny) {
      PortSet taken = ports;
      taken.intersect(undecided);
      (action == model::Action::kAllow ? allowed : passed).add(taken);
    }
    undecided.subtract(ports);
  }
  allowed.add(undecided);  // no tier decided
  return allowed;
}

}  // namespace caracal::policy
