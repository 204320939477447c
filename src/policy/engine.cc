#include "policy/engine.h"

#include <algorithm>

#include "policy/local_endpoints.h"

namespace caracal::policy {

class Engine::State {
 public:
  explicit State(std::vector<model::Tier> tiers) : policies(std::move(tiers)) {
    for (const auto& [first, set] : cidrs.intervals())
      ranges.set(first, identities.acquire(0, set));
    rows.update();
  }

  void operator()(const model::PodUpdate& u) {
    const auto change = endpoints.set_pod(u.key, u.value ? &*u.value : nullptr);
    if (change.before != change.after) locals.pod_changed(u.key);
  }
  void operator()(const model::NamespaceUpdate& u) {
    const StringId ns = namespaces.set(u.key, u.value ? &*u.value : nullptr);
    if (ns == 0) return;
    predicates.namespace_changed(ns);
    locals.namespace_changed(u.key);
  }
  void operator()(const model::NodeUpdate&) {}  // nodes are plain addresses to policy
  void operator()(const model::PolicyUpdate& u) { policies.set(u); }
  void operator()(const model::LocalEndpointUpdate& u) { locals.set(u); }

  desired::PolicyDelta flush() {
    compile(locals.select());
    groups.policies_changed();
    locals.assign(groups);
    predicates.update();
    update_ranges();
    update_addresses();
    const std::vector<IdentityId> gone = identities.take_gone();
    groups.forget(gone);
    identities.free(gone);
    groups.update(identities.take_born());
    rows.update();
    // Only now nothing refers to the old numbers any more.
    policies.finish();
    predicates.free_retired();
    cidrs.free_retired();
    return {.interfaces = interfaces.take(),
            .sources = sources.take(),
            .addresses = addresses.take(),
            .ranges = ranges.take(),
            .ports = ports.take(),
            .peers = peers.take(),
            .rows = row_entries.take()};
  }

  // Makes compiled forms agree with policies: those that changed, and those that got their first or
  // lost their last endpoint.
  void compile(std::vector<PolicyIndex> touched) {
    touched.insert(touched.end(), policies.changed().begin(), policies.changed().end());
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    // What is released last may be in use again by then.
    std::vector<CompiledPolicy> old;
    for (const PolicyIndex index : touched) {
      PolicyRecord& record = policies.at(index);
      if (record.compiled && record.users > 0 && !record.changed) continue;
      if (record.compiled) {
        old.push_back(std::move(*record.compiled));
        record.compiled.reset();
      }
      if (record.users > 0) record.compiled = compiler.compile(record.policy);
    }
    for (const CompiledPolicy& policy : old) compiler.release(policy);
  }

  void update_ranges() {
    std::vector<CidrRegistry::Range> changed = cidrs.take_changed();
    std::sort(changed.begin(), changed.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<CidrRegistry::Range> joined;
    for (const auto& range : changed) {
      if (joined.empty() || joined.back().last < range.first) {
        joined.push_back(range);
      } else {
        joined.back().last = std::max(joined.back().last, range.last);
      }
    }
    for (const auto& range : joined) update_range(range);
  }

  void update_range(const CidrRegistry::Range& range) {
    // The interval behind the range may begin or cease to begin there.
    const bool at_end = range.last == net::IpAddr::last(range.last.family());
    const net::IpAddr end = at_end ? range.last : range.last.next();
    std::vector<net::IpAddr> stale;
    for (auto it = ranges.live().lower_bound(range.first);
         it != ranges.live().end() && !(end < it->first); ++it) {
      if (!cidrs.intervals().contains(it->first)) stale.push_back(it->first);
    }
    for (const net::IpAddr& first : stale) {
      identities.release(ranges.live().at(first));
      ranges.erase(first);
    }
    for (auto it = cidrs.intervals().lower_bound(range.first);
         it != cidrs.intervals().end() && !(end < it->first); ++it) {
      put(ranges, it->first, identities.acquire(0, it->second));
    }
    for (auto it = addresses.live().lower_bound(range.first);
         it != addresses.live().end() && !(range.last < it->first); ++it) {
      endpoints.mark_dirty(it->first);
    }
  }

  // Sets an entry to an identity just acquired, and releases what it had.
  void put(TrackedMap<net::IpAddr, IdentityId>& table, const net::IpAddr& key,
           IdentityId identity) {
    const auto it = table.live().find(key);
    const IdentityId before = it == table.live().end() ? 0 : it->second;
    table.set(key, identity);
    if (before != 0) identities.release(before);
  }

  void update_addresses() {
    std::vector<net::IpAddr> dirty = endpoints.take_dirty_addresses();
    std::sort(dirty.begin(), dirty.end());
    dirty.erase(std::unique(dirty.begin(), dirty.end()), dirty.end());
    std::vector<uint32_t> joined;
    for (const net::IpAddr& address : dirty) {
      ListId set = 0;
      bool several = false;
      endpoints.for_each_holder(address, [&](ClassId cls) {
        const ListId one = endpoints.at(cls).predicates;
        if (one == 0 || one == set) return;
        several = set != 0;
        if (!several) set = one;
        const auto list = endpoint_sets.list(one);
        joined.insert(joined.end(), list.begin(), list.end());
      });
      if (set == 0) {
        if (const auto it = addresses.live().find(address); it != addresses.live().end()) {
          identities.release(it->second);
          addresses.erase(address);
        }
        continue;
      }
      if (several) {
        // Two pods have the address for a moment: whoever may reach or be reached as either.
        std::sort(joined.begin(), joined.end());
        joined.erase(std::unique(joined.begin(), joined.end()), joined.end());
        set = endpoint_sets.acquire(joined);
      }
      joined.clear();
      put(addresses, address, identities.acquire(set, cidrs.at(address)));
      if (several) endpoint_sets.release(set);
    }
  }

  desired::PolicyTables tables;
  TrackedMap<desired::InterfaceKey, desired::InterfacePolicy> interfaces{tables.interfaces};
  TrackedSet<desired::SourceKey> sources{tables.sources};
  TrackedMap<net::IpAddr, IdentityId> addresses{tables.addresses};
  TrackedMap<net::IpAddr, IdentityId> ranges{tables.ranges};
  TrackedMap<desired::PortKey, PortClass> ports{tables.ports};
  TrackedMap<desired::PeerKey, RowId> peers{tables.peers};
  TrackedSet<desired::RowKey> row_entries{tables.rows};

  StringTable strings;
  ListTable endpoint_sets;
  EndpointIndex endpoints{strings};
  NamespaceTable namespaces{strings};
  PolicyTable policies;
  PredicateRegistry predicates{strings, endpoints, namespaces, endpoint_sets};
  CidrRegistry cidrs;
  PolicyCompiler compiler{strings, predicates, cidrs};
  IdentityTable identities{endpoint_sets, cidrs.sets()};
  RowTable rows{ports, row_entries};
  GroupTable groups{policies, predicates, identities, rows, peers};
  LocalEndpoints locals{strings, endpoints, namespaces, policies, interfaces, sources};
};

Engine::Engine(std::vector<model::Tier> tiers)
    : state_(std::make_unique<State>(std::move(tiers))) {}
Engine::~Engine() = default;

void Engine::apply(const model::Update& update) { std::visit(*state_, update); }
desired::PolicyDelta Engine::flush() { return state_->flush(); }
const desired::PolicyTables& Engine::tables() const { return state_->tables; }
std::map<std::string, EndpointStatus> Engine::statuses() const { return state_->locals.statuses(); }

Engine::Counts Engine::counts() const {
  return {.pods = state_->endpoints.pod_count(),
          .local_endpoints = state_->tables.interfaces.size() / 2,
          .identities = state_->identities.all().size(),
          .groups = state_->groups.size(),
          .texts = state_->strings.size()};
}

}  // namespace caracal::policy
