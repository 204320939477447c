#include "policy/group_program.h"

#include <algorithm>
#include <array>

namespace caracal::policy {
namespace {

// First words of a spec's pairs: an action, the end of a tier with a default, or the end of all.
constexpr uint32_t kTierEnd = 8;
constexpr uint32_t kEnd = 16;
uint32_t word(model::Action action) { return static_cast<uint32_t>(action); }

constexpr std::array kSourceSpaces = {desired::PortSpace::kTcp, desired::PortSpace::kUdp,
                                      desired::PortSpace::kSctp};
uint32_t point_of(const SourcePort& source) { return space_start(source.space) + source.port; }

template <typename Number>
void sort_unique(std::vector<Number>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

// What the rule's names mean at the local end.
struct OwnSets {
  PortSet named;
  PortSet not_named;
};
OwnSets own_sets(const CompiledRule& rule, uint32_t ordinal, const GroupForm& form) {
  OwnSets out;
  if (form.by_address) {
    const auto first = std::lower_bound(form.named_ports.begin(), form.named_ports.end(),
                                        OwnPort{.rule = ordinal});
    for (auto at = first; at != form.named_ports.end() && at->rule == ordinal; ++at)
      (at->negative ? out.not_named : out.named).add(PortSet::one(at->protocol, at->port));
    return out;
  }
  const auto add = [&](const std::vector<PortName>& names, PortSet& to) {
    for (const PortName& name : names) {
      for (const ClassPort& port : form.own_ports) {
        if (port.name == name.name && port.protocol == name.protocol)
          to.add(PortSet::one(port.protocol, port.port));
      }
    }
  };
  if (!std::binary_search(form.unnamed.begin(), form.unnamed.end(), ordinal))
    add(rule.more().own_names, out.named);
  add(rule.more().own_not_names, out.not_named);
  return out;
}

// Source ports that a rule matches whatever the identity, and those it never does.
struct SourceSets {
  PortSet always;
  PortSet never;
};
SourceSets source_sets(const CompiledRule& rule, uint32_t ordinal, const GroupForm& form) {
  SourceSets out{rule.more().source_ports, rule.more().not_source_ports};
  if (form.direction == model::Direction::kEgress) {
    const OwnSets own = own_sets(rule, ordinal, form);
    out.always.add(own.named);
    out.never.add(own.not_named);
  }
  return out;
}

// A list without peers holds nothing; one of named ports has its families.
bool never_matches(const CompiledRule& rule) {
  const EndNames& far = rule.more().far;
  for (size_t i = 0; i < rule.all_of.size(); ++i) {
    const bool by_name = far.lead == i && !far.families.empty();
    if (rule.all_of[i].empty() && !by_name) return true;
  }
  return false;
}

// Calls `visit(rule, its number, number of its policy)`.
template <typename Visit>
void for_each_rule(const PolicyTable& policies, const GroupForm& form, const Visit& visit) {
  uint32_t ordinal = 0;
  const uint32_t* excluded = form.excluded.begin();
  for (size_t i = 0; i < form.policies.size(); ++i) {
    for (const CompiledRule& rule : policies.at(form.policies[i]).compiled->rules(form.direction)) {
      const bool out = excluded != form.excluded.end() && *excluded == ordinal;
      if (out) ++excluded;
      if (!out) visit(rule, ordinal, i);
      ++ordinal;
    }
  }
}

}  // namespace

// An identity's predicates, as steps ask for them.
struct GroupProgram::Facts {
  std::vector<Term> terms;  // sorted; without resolved ones
  std::vector<PredicateId> resolved;
  const PredicateRegistry& registry;

  bool any_of(const NumberList& wanted) const {
    return std::any_of(wanted.begin(), wanted.end(), [&](Term term) {
      return std::binary_search(terms.begin(), terms.end(), term);
    });
  }
  // The ports that resolved predicates of these families stand for.
  PortSet ports_of(std::span<const PredicateId> families) const {
    PortSet out;
    for (const PredicateId id : resolved) {
      if (std::find(families.begin(), families.end(), registry.family_of(id)) != families.end())
        out.add(PortSet::range(registry.protocol_of(id), registry.ports_of(id)));
    }
    return out;
  }
  PortSet holds(const PeerList& list) const {
    return any_of(list.terms) ? PortSet::everything() : ports_of(list.service_families);
  }
};

GroupProgram::GroupProgram(const PolicyTable& policies, const GroupForm& form,
                           std::optional<SourcePort> source, ListTable& port_sets)
    : direction_(form.direction), undecided_(form.undecided), source_(source) {
  std::vector<uint32_t> tiers;  // by policy
  std::vector<model::Action> ends;
  for (size_t i = 0; i < form.policies.size(); ++i) {
    const PolicyIndex index = form.policies[i];
    if (i == 0 || policies.at(form.policies[i - 1]).tier != policies.at(index).tier) {
      ends.push_back(undecided_ == Undecided::kGoesOn ? model::Action::kPass
                                                      : policies.tier_default(index));
    }
    if (undecided_ != Undecided::kGoesOn && policies.at(index).closes_tier)
      ends.back() = model::Action::kDeny;
    tiers.push_back(static_cast<uint32_t>(ends.size() - 1));
  }
  for (const model::Action end : ends) tier_defaults_.push_back(word(end));
  if (undecided_ == Undecided::kGoesOn) monotone_ = false;
  for_each_rule(policies, form, [&](const CompiledRule& rule, uint32_t ordinal, size_t policy) {
    add_rule(rule, ordinal, tiers[policy], form, port_sets);
  });
  std::sort(leads_.begin(), leads_.end());
  leads_.shrink_to_fit();
  steps_.shrink_to_fit();
  std::vector<PredicateId> families(source_families_.begin(), source_families_.end());
  sort_unique(families);
  source_families_ = NumberList(families);
}

void GroupProgram::add_rule(const CompiledRule& rule, uint32_t ordinal, uint32_t tier,
                            const GroupForm& form, ListTable& port_sets) {
  const RareConditions& rare = rule.more();
  if (never_matches(rule)) return;
  PortSet ports = rule.ports;
  PortSet not_ports = rare.not_ports;
  const bool ingress = direction_ == model::Direction::kIngress;
  if (ingress) {
    const OwnSets own = own_sets(rule, ordinal, form);
    ports.add(own.named);
    not_ports.add(own.not_named);
  }
  ports.subtract(not_ports);

  Step step;
  step.rule = &rule;
  step.tier = tier & 0xffffff;
  step.action = rule.action;
  const bool far_sources = ingress && !rare.far.empty();
  if (rule.has_source) {
    has_sources_ = true;
    if (far_sources) {
      for (const auto* list :
           {&rare.far.families, &rare.far.any_families, &rare.far.not_families}) {
        for (const PredicateId id : *list) source_families_.push_back(id);
      }
    }
    const SourceSets sets = source_sets(rule, ordinal, form);
    if (!source_) {
      ports.intersect(PortSet::without_ports());
      ports.intersect(sets.always);
      ports.subtract(sets.never);
    } else {
      const uint32_t point = point_of(*source_);
      if (sets.never.contains(point)) return;
      if (!sets.always.contains(point)) {
        if (rare.far.families.empty() && rare.far.any_families.empty()) return;
        if (!far_sources) return;
        step.source_by_name = true;
      }
    }
  }
  const bool far_ports = !ingress && !rare.far.empty();
  const bool services = !rare.none_of.service_families.empty() ||
                        std::any_of(rule.all_of.begin(), rule.all_of.end(), [](const auto& list) {
                          return !list.service_families.empty();
                        });
  const bool in_part = source_ && far_sources && rule.has_source;
  step.plain = rule.all_of.size() <= 1 && rare.none_of.empty() && !far_ports && !services &&
               !step.source_by_name && !(in_part && !rare.far.not_families.empty());
  if (ports.empty() && !far_ports) return;

  step.ports = port_sets.acquire(ports.numbers());
  if (step.ports != 0) held_.push_back(step.ports);
  const auto number = static_cast<uint32_t>(steps_.size());
  steps_.push_back(step);
  const bool depends = lead_to(number, rule);
  if (rule.action == model::Action::kLog) monotone_ = false;
  if (depends && rule.action != model::Action::kAllow) monotone_ = false;
}

// Enters the step where the predicates of identities that may match it lead. True when the step
// tells identities apart.
bool GroupProgram::lead_to(uint32_t number, const CompiledRule& rule) {
  const Step& step = steps_[number];
  const RareConditions& rare = rule.more();
  std::vector<Term> terms;
  const auto add_families = [&](std::span<const PredicateId> families) {
    for (const PredicateId id : families) terms.push_back(term_of(id));
  };
  const auto add_list = [&](const PeerList& list) {
    terms.insert(terms.end(), list.terms.begin(), list.terms.end());
    add_families(list.service_families);
  };
  const bool ports_by_name = direction_ == model::Direction::kEgress && !rare.far.empty();
  const bool names_used = ports_by_name || step.source_by_name;
  if (rule.all_of.empty()) {
    // Anyone may match. Identities that these predicates concern may match more, or less.
    always_.push_back(number);
    add_list(rare.none_of);
    if (names_used) {
      add_families(rare.far.families);
      add_families(rare.far.any_families);
    }
    const bool less_by_name =
        (ports_by_name || (source_ && rule.has_source)) && !rare.far.not_families.empty();
    if (less_by_name) add_families(rare.far.not_families);
    if (less_by_name || !rare.none_of.empty()) monotone_ = false;
    sort_unique(terms);
    for (const Term term : terms) leads_.push_back({term, kConcerned});
    return !terms.empty();
  }
  // One list that must hold leads to the step: the shortest, but not the one that stands for a
  // family, which leads there from every address.
  const size_t count = rule.all_of.size() - (rule.last_is_family && rule.all_of.size() > 1 ? 1 : 0);
  size_t best = 0;
  const auto size_of = [&](size_t i) {
    return rule.all_of[i].terms.size() + rule.all_of[i].service_families.size() +
           (names_used && rare.far.lead == i ? rare.far.families.size() : 0);
  };
  for (size_t i = 1; i < count; ++i) {
    if (size_of(i) < size_of(best)) best = i;
  }
  add_list(rule.all_of[best]);
  if (names_used && rare.far.lead == best) {
    add_families(rare.far.families);
    add_list(rare.far.rest);
  }
  sort_unique(terms);
  for (const Term term : terms) leads_.push_back({term, number});
  return true;
}

bool GroupProgram::source_matches(const Step& step, const Facts& facts) const {
  const CompiledRule& rule = *step.rule;
  const RareConditions& rare = rule.more();
  if (!source_ || !rule.has_source || direction_ == model::Direction::kEgress) return true;
  const uint32_t point = point_of(*source_);
  if (facts.ports_of(rare.far.not_families).contains(point)) return false;
  if (!step.source_by_name) return true;
  if (facts.ports_of(rare.far.families).contains(point)) return true;
  const bool any = !rare.far.lead || !facts.holds(rare.far.rest).empty();
  return any && facts.ports_of(rare.far.any_families).contains(point);
}

PortSet GroupProgram::matched(const Step& step, const Facts& facts,
                              const ListTable& port_sets) const {
  const CompiledRule& rule = *step.rule;
  const RareConditions& rare = rule.more();
  if (!source_matches(step, facts)) return {};
  PortSet out = PortSet::from_numbers(port_sets.list(step.ports));
  const bool ports_by_name = direction_ == model::Direction::kEgress && !rare.far.empty();
  std::optional<size_t> done;
  if (ports_by_name) {
    // On the lead's endpoints the name is theirs; on its other peers any endpoint's.
    done = rare.far.lead;
    if (done) out.intersect(facts.holds(rule.all_of[*done]));
    PortSet named = facts.ports_of(rare.far.any_families);
    if (done) named.intersect(facts.holds(rare.far.rest));
    named.add(facts.ports_of(rare.far.families));
    named.subtract(rare.not_ports);
    out.add(named);
    out.subtract(facts.ports_of(rare.far.not_families));
  }
  if (step.source_by_name) done = rare.far.lead;  // its endpoints hold where the name does
  for (size_t i = 0; i < rule.all_of.size() && !out.empty(); ++i) {
    if (done != i) out.intersect(facts.holds(rule.all_of[i]));
  }
  if (!rare.none_of.empty()) out.subtract(facts.holds(rare.none_of));
  return out;
}

GroupProgram::Spec GroupProgram::match(std::span<const PredicateId> predicates,
                                       std::span<const CidrId> cidrs,
                                       const PredicateRegistry& registry, ListTable& port_sets,
                                       std::vector<ListId>& temporary) const {
  Facts facts{{}, {}, registry};
  for (const PredicateId id : predicates) {
    if (registry.is_resolved(id)) {
      facts.resolved.push_back(id);
    } else {
      facts.terms.push_back(term_of(id));
    }
  }
  for (const CidrId id : cidrs) facts.terms.push_back(term_of_cidr(id));
  std::sort(facts.terms.begin(), facts.terms.end());

  std::vector<Match> matches;
  std::vector<uint32_t> others;
  const auto consider = [&](uint32_t number) {
    if (steps_[number].plain) {
      matches.push_back({number, steps_[number].ports});
    } else {
      others.push_back(number);
    }
  };
  const auto consider_term = [&](Term term) {
    for (auto it = std::lower_bound(leads_.begin(), leads_.end(), Lead{term, 0});
         it != leads_.end() && it->term == term && it->step != kConcerned; ++it) {
      consider(it->step);
    }
  };
  for (const uint32_t number : always_) consider(number);
  for (const Term term : facts.terms) consider_term(term);
  for (const PredicateId id : facts.resolved) consider_term(term_of(registry.family_of(id)));
  sort_unique(others);
  for (const uint32_t number : others) {
    const ListId ports = port_sets.acquire(matched(steps_[number], facts, port_sets).numbers());
    if (ports == 0) continue;
    temporary.push_back(ports);
    matches.push_back({number, ports});
  }
  std::sort(matches.begin(), matches.end());

  Spec spec;
  size_t next = 0;
  std::vector<uint32_t> run;
  for (uint32_t tier = 0; tier < tier_defaults_.size(); ++tier) {
    while (next < matches.size() && steps_[matches[next].step].tier == tier) {
      // A run of one action: its order does not matter.
      const model::Action action = steps_[matches[next].step].action;
      run.clear();
      for (; next < matches.size(); ++next) {
        const Step& step = steps_[matches[next].step];
        if (step.tier != tier || step.action != action) break;
        if (run.empty() || run.back() != matches[next].ports) run.push_back(matches[next].ports);
      }
      sort_unique(run);
      for (const uint32_t ports : run) spec.insert(spec.end(), {word(action), ports});
    }
    spec.insert(spec.end(), {kTierEnd + tier_defaults_[tier], 0});
  }
  spec.insert(spec.end(), {kEnd, static_cast<uint32_t>(undecided_)});
  return spec;
}

RowContent GroupProgram::content(const Spec& spec, const ListTable& port_sets) {
  RowContent out;
  PortSet undecided = PortSet::everything();
  PortSet passed;
  for (size_t i = 0; i < spec.size(); i += 2) {
    if (spec[i] == kEnd) {
      const auto end = static_cast<Undecided>(spec[i + 1]);
      if (end == Undecided::kAllowed) out.allowed.add(undecided);
      if (end != Undecided::kGoesOn) out.refused = {};
      break;
    }
    if (spec[i] >= kTierEnd) {
      const auto action = static_cast<model::Action>(spec[i] - kTierEnd);
      if (action == model::Action::kPass) passed.add(undecided);
      undecided = std::exchange(passed, {});
      continue;
    }
    const auto action = static_cast<model::Action>(spec[i]);
    const PortSet ports = PortSet::from_numbers(port_sets.list(spec[i + 1]));
    PortSet taken = ports;
    taken.intersect(undecided);
    switch (action) {
      case model::Action::kAllow:
        out.allowed.add(taken);
        break;
      case model::Action::kDeny:
        out.refused.add(taken);
        break;
      case model::Action::kPass:
        passed.add(taken);
        break;
      case model::Action::kLog:
        out.logged.add(taken);
        continue;  // and goes on
    }
    undecided.subtract(ports);
  }
  return out;
}

std::vector<GroupProgram::SourceInterval> GroupProgram::cut_sources(
    const PolicyTable& policies, const GroupForm& form, const PredicateRegistry& registry) {
  std::vector<SourceSets> sets;
  std::vector<uint32_t> starts, named;
  for (const desired::PortSpace space : kSourceSpaces) starts.push_back(space_start(space));
  for_each_rule(policies, form, [&](const CompiledRule& rule, uint32_t ordinal, size_t) {
    if (!rule.has_source || never_matches(rule)) return;
    sets.push_back(source_sets(rule, ordinal, form));
    for (const PortSet* set : {&sets.back().always, &sets.back().never}) {
      const auto numbers = set->numbers();
      starts.insert(starts.end(), numbers.begin(), numbers.end());
    }
    if (form.direction == model::Direction::kEgress) return;
    const EndNames& far = rule.more().far;
    for (const auto* families : {&far.families, &far.any_families, &far.not_families}) {
      for (const PredicateId family : *families) {
        for (const PredicateId id : registry.resolved_of(family)) {
          const auto numbers = PortSet::range(registry.protocol_of(id), registry.ports_of(id));
          if (!numbers.empty()) named.push_back(numbers.numbers().front());
        }
      }
    }
  });
  sort_unique(named);
  for (const uint32_t point : named) starts.insert(starts.end(), {point, point + 1});
  sort_unique(starts);

  std::vector<SourceInterval> out;
  const uint32_t end = space_start(desired::PortSpace::kIcmp);
  for (const uint32_t start : starts) {
    if (start >= end) break;
    SourceInterval interval;
    interval.first.space = static_cast<desired::PortSpace>(start / 65536);
    interval.first.port = static_cast<uint16_t>(start % 65536);
    for (size_t i = 0; i < sets.size(); i += 16) {
      uint32_t bits = 0;
      for (size_t k = i; k < std::min(i + 16, sets.size()); ++k) {
        bits = bits << 2 | (sets[k].always.contains(start) ? 1u : 0u) |
               (sets[k].never.contains(start) ? 2u : 0u);
      }
      interval.signature.push_back(bits);
    }
    const bool is_named = std::binary_search(named.begin(), named.end(), start);
    interval.signature.push_back(is_named ? start + 1 : 0);
    const bool joins = !out.empty() && out.back().first.space == interval.first.space &&
                       out.back().signature == interval.signature;
    if (!joins) out.push_back(std::move(interval));
  }
  return out;
}

}  // namespace caracal::policy
