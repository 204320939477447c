#include "analysis/reachability.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <tuple>

#include "analysis/parallel.h"
#include "analysis/peer_table.h"
#include "analysis/port_text.h"
#include "analysis/rule_compiler.h"
#include "analysis/signature.h"
#include "base/check.h"

namespace caracal::analysis {
namespace {

using model::Direction;
using policy::PortSet;
using policy::oracle::Verdict;

// Of a flow of ICMP whose message, or its code, is not told: one that nobody names in a rule. (255
// is reserved as a type and, of all types, as a code.)
constexpr uint8_t kUnnamed = 0xff;

uint32_t point_of(const policy::oracle::Flow& flow) {
  if (flow.protocol != net::kIcmp && flow.protocol != net::kIcmpV6)
    return port_number(flow.protocol, flow.port.value_or(0));
  const int type = flow.icmp_type.value_or(kUnnamed);
  const int code = flow.icmp_code.value_or(kUnnamed);
  return port_number(flow.protocol, static_cast<uint16_t>(type * 256 + code));
}

constexpr std::array kDirections = {Direction::kIngress, Direction::kEgress};
size_t index_of(Direction direction) { return direction == Direction::kIngress ? 0 : 1; }

const std::vector<model::Rule>& rules_of(const model::Policy& policy, Direction direction) {
  return direction == Direction::kIngress ? policy.ingress : policy.egress;
}
bool applies(const model::Policy& policy, Direction direction) {
  return direction == Direction::kIngress ? policy.applies_ingress : policy.applies_egress;
}

// Pods know normal policy; a policy that also holds for what a host forwards is one.
bool holds_for_pods(const model::Policy& policy) {
  return !policy.staged &&
         (policy.hook == model::Hook::kNormal || policy.hook == model::Hook::kForward);
}

// Policies in the order of evaluation (model/policy.h), with where their tiers begin.
struct OrderedPolicies {
  std::vector<const model::Policy*> policies;
  std::vector<uint32_t> tier_of;    // by policy: equal in one tier, ascending
  std::vector<bool> denies_at_end;  // by tier number
};

OrderedPolicies order_policies(const model::World& world) {
  std::map<std::string_view, const model::Tier*> tiers;
  for (const model::Tier& tier : world.tiers) tiers.emplace(tier.name, &tier);
  struct Entry {
    const model::Policy* policy = nullptr;
    const model::Tier* tier = nullptr;
    auto place() const {
      return std::tuple(
          tier == nullptr, tier ? tier->order : std::numeric_limits<double>::infinity(),
          std::string_view(policy->tier), policy->order, std::string_view(policy->id.name.name),
          std::string_view(policy->id.name.ns), policy->id.kind);
    }
  };
  std::vector<Entry> entries;
  const auto add = [&](const model::Policy& policy) {
    if (!holds_for_pods(policy)) return;
    const auto tier = tiers.find(policy.tier);
    entries.push_back({&policy, tier == tiers.end() ? nullptr : tier->second});
  };
  for (const auto& [id, policy] : world.policies) add(policy);
  for (const auto& [id, invalid] : world.invalid_policies) add(invalid.policy);
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.place() < b.place(); });
  OrderedPolicies out;
  const std::string* last = nullptr;
  for (const Entry& entry : entries) {
    if (last == nullptr || *last != entry.policy->tier) {
      last = &entry.policy->tier;
      out.denies_at_end.push_back(entry.tier == nullptr ||
                                  entry.tier->default_action != model::Action::kPass);
    }
    out.policies.push_back(entry.policy);
    out.tier_of.push_back(static_cast<uint32_t>(out.denies_at_end.size() - 1));
  }
  return out;
}

}  // namespace

class Reachability::State {
 public:
  State(const model::World& world, unsigned threads);

  // One direction of everything.
  struct Side {
    std::vector<Group> groups;
    std::vector<uint32_t> group_of;  // by place of a pod
  };

  const Row& row(Direction direction, Place self) const {
    const Side& side = sides[index_of(direction)];
    return side.groups[side.group_of[self]].row;
  }

  const model::World& world;
  OrderedPolicies ordered;
  AddressSpace space;
  PodQuestions questions;
  std::unique_ptr<PodClasses> classes;
  std::unique_ptr<PeerLine> line;
  std::array<Side, 2> sides;
  PortSetPool pool;
  std::vector<const model::Pod*> pods;
  std::unordered_map<net::IpAddr, PodNumber> pod_by_address;  // the first of several

 private:
  struct Prepared {
    PeerId target = 0;
    std::vector<PreparedRule> rules;
    std::vector<CompiledRule> compiled;  // empty entries where a rule needs the endpoint
    bool needs_own_ports = false;
    bool needs_own_place = false;
  };

  std::vector<Prepared> prepare(Direction direction, PeerTable& peers) const;
  void make_groups(Direction direction, const std::vector<Prepared>& prepared,
                   const PeerTable& peers, std::vector<Place>& samples);
  void make_rows(Direction direction, const std::vector<Prepared>& prepared,
                 const RuleCompiler& compiler, const std::vector<Place>& samples, unsigned threads);
};

std::vector<Reachability::State::Prepared> Reachability::State::prepare(Direction direction,
                                                                        PeerTable& peers) const {
  std::vector<Prepared> out(ordered.policies.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const model::Policy& policy = *ordered.policies[i];
    Prepared& prepared = out[i];
    prepared.target = peers.add_target(policy.selects);
    if (!applies(policy, direction)) continue;
    for (const model::Rule& rule : rules_of(policy, direction)) {
      prepared.rules.push_back(RuleCompiler::prepare(rule, direction, peers));
      prepared.needs_own_ports |= prepared.rules.back().needs_own_ports;
      prepared.needs_own_place |= prepared.rules.back().needs_own_place;
    }
  }
  return out;
}

// Sweeps over the classes: where a policy's target begins or ends, the list of policies changes.
void Reachability::State::make_groups(Direction direction, const std::vector<Prepared>& prepared,
                                      const PeerTable& peers, std::vector<Place>& samples) {
  struct Edge {
    PodClass at = 0;
    uint32_t policy = 0;
  };
  std::vector<Edge> edges;
  for (uint32_t i = 0; i < prepared.size(); ++i) {
    if (!applies(*ordered.policies[i], direction)) continue;
    for (const RangeSet::Range& range : peers.classes(prepared[i].target).ranges()) {
      edges.push_back({range.begin, i});
      edges.push_back({range.end, i});
    }
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });

  Side& side = sides[index_of(direction)];
  side.group_of.resize(line->pod_places());
  std::vector<uint32_t> active;  // sorted
  Signature signature;
  bool needs_ports = false;
  bool needs_place = false;
  std::unordered_map<Signature, uint32_t, SignatureHash> known;
  std::map<std::vector<std::tuple<std::string, uint8_t, uint16_t>>, uint64_t> port_lists;
  size_t next = 0;
  PodClass last_class = kNoPod;
  for (Place place = 0; place < line->pod_places(); ++place) {
    const PodClass pod_class = line->pod_class(place);
    if (pod_class != last_class) {
      last_class = pod_class;
      bool changed = false;
      for (; next < edges.size() && edges[next].at <= pod_class; ++next) {
        const uint32_t policy = edges[next].policy;
        const auto it = std::lower_bound(active.begin(), active.end(), policy);
        if (it != active.end() && *it == policy) {
          active.erase(it);
        } else {
          active.insert(it, policy);
        }
        signature.toggle(policy);
        changed = true;
      }
      if (changed) {
        needs_ports = std::any_of(active.begin(), active.end(),
                                  [&](uint32_t i) { return prepared[i].needs_own_ports; });
        needs_place = std::any_of(active.begin(), active.end(),
                                  [&](uint32_t i) { return prepared[i].needs_own_place; });
      }
    }
    // Members of the signature above the policies: what else makes a group.
    Signature full = signature;
    const uint64_t base = prepared.size();
    if (!classes->namespace_known(pod_class)) full.toggle(base);
    if (needs_place) {
      full.toggle(base + 1 + place);
    } else if (needs_ports) {
      std::vector<std::tuple<std::string, uint8_t, uint16_t>> ports;
      for (const model::NamedPort& port : classes->sample(pod_class).ports)
        ports.emplace_back(port.name, port.protocol.number, port.port);
      const uint64_t list =
          port_lists.try_emplace(std::move(ports), port_lists.size()).first->second;
      full.toggle(base + 1 + line->pod_places() + list);
    }
    const auto [it, fresh] = known.try_emplace(full, static_cast<uint32_t>(side.groups.size()));
    if (fresh) {
      side.groups.push_back({active, classes->namespace_known(pod_class), {}});
      samples.push_back(place);
    }
    side.group_of[place] = it->second;
  }
}

void Reachability::State::make_rows(Direction direction, const std::vector<Prepared>& prepared,
                                    const RuleCompiler& compiler, const std::vector<Place>& samples,
                                    unsigned threads) {
  std::vector<Group>& groups = sides[index_of(direction)].groups;
  threads = std::max(1U, std::min<unsigned>(threads, static_cast<unsigned>(groups.size())));
  std::vector<PortSetPool> pools(threads);
  std::vector<unsigned> pool_of(groups.size());
  constexpr size_t kChunk = 64;
  std::atomic<size_t> taken = 0;
  run_parallel(threads, [&](unsigned thread) {
    std::vector<std::unique_ptr<CompiledRule>> own;
    while (true) {
      const size_t begin = taken.fetch_add(kChunk);
      if (begin >= groups.size()) return;
      for (size_t g = begin; g < std::min(begin + kChunk, groups.size()); ++g) {
        Group& group = groups[g];
        RowInput input;
        input.allow_behind_tiers = group.namespace_known;
        own.clear();
        uint32_t tier = 0xffffffff;
        for (const uint32_t i : group.policies) {
          if (ordered.tier_of[i] != tier) {
            tier = ordered.tier_of[i];
            input.tiers.push_back({ordered.denies_at_end[tier], {}});
          }
          if (ordered.policies[i]->closes_tier) input.tiers.back().deny_at_end = true;
          const Prepared& policy = prepared[i];
          for (size_t r = 0; r < policy.rules.size(); ++r) {
            const PreparedRule& rule = policy.rules[r];
            const CompiledRule* compiled = &policy.compiled[r];
            if (rule.needs_own_ports || rule.needs_own_place) {
              own.push_back(
                  std::make_unique<CompiledRule>(compiler.compile(rule, direction, samples[g])));
              compiled = own.back().get();
            }
            input.tiers.back().rules.push_back(compiled);
          }
        }
        group.row = make_row(input, line->size(), pools[thread]);
        pool_of[g] = thread;
      }
    }
  });
  // One numbering of port sets for all.
  std::vector<std::vector<PortSetId>> renumbered(threads);
  for (unsigned thread = 0; thread < threads; ++thread) {
    for (PortSetId id = 0; id < pools[thread].size(); ++id)
      renumbered[thread].push_back(pool.add(pools[thread][id]));
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    for (PortSetId& id : groups[g].row.ports) id = renumbered[pool_of[g]][id];
  }
}

Reachability::State::State(const model::World& the_world, unsigned threads)
    : world(the_world), ordered(order_policies(the_world)) {
  pods.reserve(world.pods.size());
  pod_by_address.reserve(world.pods.size());
  for (const auto& [name, pod] : world.pods) {
    if (pod.networked()) {
      for (const net::IpAddr& address : pod.addresses)
        pod_by_address.try_emplace(address, static_cast<PodNumber>(pods.size()));
    }
    pods.push_back(&pod);
  }
  PeerTable peers(world, space);
  std::array prepared = {prepare(Direction::kIngress, peers), prepare(Direction::kEgress, peers)};
  space.build();
  questions = peers.questions();
  classes = std::make_unique<PodClasses>(world, questions, threads);
  peers.match(*classes, threads);
  line = std::make_unique<PeerLine>(world, *classes, space);
  peers.resolve(*line, threads);

  RuleCompiler compiler(*classes, *line, peers);
  compiler.set_families();
  for (const Direction direction : kDirections) {
    std::vector<Prepared>& policies = prepared[index_of(direction)];
    for (Prepared& policy : policies) {
      for (const PreparedRule& rule : policy.rules) compiler.learn_names(rule, direction);
    }
    run_parallel(threads, policies.size(), [&](size_t i) {
      for (const PreparedRule& rule : policies[i].rules) {
        policies[i].compiled.push_back(rule.needs_own_ports || rule.needs_own_place
                                           ? CompiledRule{rule.rule->action, {}}
                                           : compiler.compile(rule, direction, 0));
      }
    });
    std::vector<Place> samples;
    make_groups(direction, policies, peers, samples);
    make_rows(direction, policies, compiler, samples, threads);
    policies.clear();
    policies.shrink_to_fit();
  }
}

Reachability::Reachability(const model::World& world, unsigned threads)
    : state_(std::make_unique<State>(world, threads)) {}
Reachability::~Reachability() = default;
Reachability::Reachability(Reachability&&) noexcept = default;

const model::World& Reachability::world() const { return state_->world; }
const model::Pod& Reachability::pod(PodNumber pod) const { return *state_->pods[pod]; }
size_t Reachability::pod_count() const { return state_->pods.size(); }

std::optional<PodNumber> Reachability::find(const model::ObjectName& name) const {
  const auto it = std::lower_bound(
      state_->pods.begin(), state_->pods.end(), name,
      [](const model::Pod* pod, const model::ObjectName& wanted) { return pod->name < wanted; });
  if (it == state_->pods.end() || (*it)->name != name) return std::nullopt;
  return static_cast<PodNumber>(it - state_->pods.begin());
}

bool Reachability::networked(PodNumber pod, net::Family family) const {
  return state_->line->of_pod(pod, family).has_value();
}

Place Reachability::self_place(PodNumber pod, net::Family family) const {
  const auto place = state_->line->of_pod(pod, family);
  CARACAL_CHECK(place);
  return place->self;
}

Place Reachability::peer_place(PodNumber pod, net::Family family) const {
  const auto place = state_->line->of_pod(pod, family);
  CARACAL_CHECK(place);
  return place->peer;
}

Place Reachability::peer_place(const net::IpAddr& address) const {
  return state_->line->of_address(address);
}

uint64_t Reachability::pod_class(PodNumber pod, net::Family family) const {
  const auto place = state_->line->of_pod(pod, family);
  if (!place) return std::numeric_limits<uint64_t>::max();
  return uint64_t{place->self} << 32 | place->peer;
}

const PortSet& Reachability::allowed(Direction direction, PodNumber pod, net::Family family,
                                     Place peer) const {
  return state_->pool[state_->row(direction, self_place(pod, family)).at(peer)];
}

PortSet Reachability::connections(PodNumber from, PodNumber to, net::Family family) const {
  const auto source = state_->line->of_pod(from, family);
  const auto destination = state_->line->of_pod(to, family);
  if (!source || !destination) return {};
  const PortSetId out = state_->row(Direction::kEgress, source->self).at(destination->peer);
  const PortSetId in = state_->row(Direction::kIngress, destination->self).at(source->peer);
  if (out == in || in == kEveryPort) return state_->pool[out];
  PortSet both = state_->pool[in];
  if (out != kEveryPort) both.intersect(state_->pool[out]);
  return both;
}

PortSet Reachability::connections_from(const net::IpAddr& from, PodNumber to) const {
  if (!networked(to, from.family())) return {};
  return allowed(Direction::kIngress, to, from.family(), peer_place(from));
}

PortSet Reachability::connections_to(PodNumber from, const net::IpAddr& to) const {
  if (!networked(from, to.family())) return {};
  return allowed(Direction::kEgress, from, to.family(), peer_place(to));
}

Verdict Reachability::evaluate(const policy::oracle::Flow& flow) const {
  const net::Family family = flow.source.family();
  const auto source = pod_at(flow.source, flow.source_pod);
  const auto destination = pod_at(flow.destination, flow.destination_pod);
  if (source && source == destination) return Verdict::kAllowed;
  const uint32_t port = point_of(flow);
  const auto lets_through = [&](Direction direction, PodNumber pod, const net::IpAddr& peer) {
    return contains(allowed(direction, pod, family, peer_place(peer)), port);
  };
  if (source && !lets_through(Direction::kEgress, *source, flow.destination))
    return Verdict::kDenied;
  if (destination && !(!source && is_own_node(pod(*destination), flow.source)) &&
      !lets_through(Direction::kIngress, *destination, flow.source))
    return Verdict::kDenied;
  return Verdict::kAllowed;
}

std::optional<PodNumber> Reachability::pod_at(const net::IpAddr& address,
                                              const std::optional<model::ObjectName>& name) const {
  if (name) {
    const auto number = find(*name);
    if (number && networked(*number, address.family())) {
      const auto& list = pod(*number).addresses;
      if (std::find(list.begin(), list.end(), address) != list.end()) return number;
    }
  }
  const auto it = state_->pod_by_address.find(address);
  if (it == state_->pod_by_address.end()) return std::nullopt;
  return it->second;
}

bool Reachability::is_own_node(const model::Pod& pod, const net::IpAddr& address) const {
  const auto node = state_->world.nodes.find(pod.node);
  if (node == state_->world.nodes.end()) return false;
  const auto& list = node->second.internal_addresses;
  return std::find(list.begin(), list.end(), address) != list.end();
}

const AddressSpace& Reachability::addresses() const { return state_->space; }
const std::vector<Reachability::Group>& Reachability::groups(Direction direction) const {
  return state_->sides[index_of(direction)].groups;
}
uint32_t Reachability::group_of(Direction direction, Place self) const {
  return state_->sides[index_of(direction)].group_of[self];
}
const std::vector<const model::Policy*>& Reachability::policies() const {
  return state_->ordered.policies;
}
const PortSetPool& Reachability::port_sets() const { return state_->pool; }
const PeerLine& Reachability::line() const { return *state_->line; }

}  // namespace caracal::analysis
