#include "policy/engine.h"

#include <algorithm>

#include "policy/host_endpoints.h"
#include "policy/local_endpoints.h"
#include "policy/network_set_table.h"

namespace caracal::policy {

class Engine::State {
 public:
  explicit State(EngineOptions options)
      : hosts(std::move(options.node), endpoints, namespaces, strings, policies, selector, assigner,
              {host_entries, failsafes, settings}) {
    for (const auto& [first, members] : cidrs.intervals())
      ranges.set(first, identities.acquire(0, 0));
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
    hosts.namespace_changed(u.key);
  }
  void operator()(const model::ServiceAccountUpdate& u) {
    const auto account = accounts.set(u.key, u.value ? &*u.value : nullptr);
    if (account.ns == 0) return;
    predicates.account_changed(account.ns, account.name);
    locals.namespace_changed(u.key.ns);
  }
  void operator()(const model::NodeUpdate&) {}  // nodes are plain addresses to policy
  void operator()(const model::TierUpdate& u) {
    if (!policies.set_tier(u)) return;
    tiers_changed = true;
    locals.order_changed();
    hosts.order_changed();
  }
  void operator()(const model::NetworkSetUpdate& u) { sets.set(u); }
  void operator()(const model::EndpointSliceUpdate& u) {
    services.set(u.key, u.value ? &*u.value : nullptr);
  }
  void operator()(const model::HostEndpointUpdate& u) { hosts.set(u); }
  void operator()(const model::HostInterfaceUpdate& u) { hosts.set(u); }
  void operator()(const model::PolicySettingsUpdate& u) { hosts.set(u); }
  void operator()(const model::PolicyUpdate& u) { policies.set(u); }
  void operator()(const model::LocalEndpointUpdate& u) { locals.set(u); }

  desired::PolicyDelta flush() {
    locals.select();
    hosts.select();
    groups.policies_changed(compile(selector.take_touched()));
    if (std::exchange(tiers_changed, false)) groups.tiers_changed();
    predicates.update();
    sets.update(predicates.take_changed_sets());
    update_ranges();
    update_addresses();
    // From here to the end of the flush nobody acquires identities.
    const std::vector<IdentityId> born = identities.take_born();
    const std::vector<IdentityId> gone = identities.take_gone();
    locals.assign();
    hosts.assign(born, gone);
    groups.forget(gone);
    identities.free(gone);
    groups.update(born, predicates.take_changed_families());
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
            .rows = row_entries.take(),
            .otherwise = otherwise.take(),
            .wide_rows = wide_rows.take(),
            .logged = logged.take(),
            .refused = refused.take(),
            .own_splits = own_splits.take(),
            .port_splits = port_splits.take(),
            .hosts = host_entries.take(),
            .failsafes = failsafes.take(),
            .settings = settings.take()};
  }

  // Makes compiled forms agree with policies: those that changed, and those that got their first or
  // lost their last endpoint, or host endpoint. Returns those whose form is another now, sorted.
  std::vector<PolicyIndex> compile(std::vector<PolicyIndex> touched) {
    touched.insert(touched.end(), policies.changed().begin(), policies.changed().end());
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    // What is released last may be in use again by then.
    std::vector<std::unique_ptr<CompiledPolicy>> old;
    std::erase_if(touched, [&](PolicyIndex index) {
      PolicyRecord& record = policies.at(index);
      const bool wanted = record.users > 0 && !record.staged;
      const bool for_hosts = record.host_users > 0;
      const bool right_form = record.compiled && (record.compiled->for_hosts == for_hosts ||
                                                  !record.compiled->has_names);
      if (wanted && right_form && !record.changed) return true;
      if (record.compiled) old.push_back(std::move(record.compiled));
      if (!wanted) return false;
      record.compiled = std::make_unique<CompiledPolicy>(compiler.compile(
          record.rules.rules(), record.applies_ingress, record.applies_egress, for_hosts));
      return false;
    });
    for (const auto& policy : old) compiler.release(*policy);
    return touched;
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

  // What the members of an interval make of its addresses: predicates by way of the network sets
  // among them, and CIDR predicates. Held until forget_lists().
  struct RangeLists {
    ListId endpoint_set = 0;
    ListId cidr_set = 0;
  };
  const RangeLists& lists_of(ListId members) {
    const auto [it, added] = range_lists.try_emplace(members);
    if (!added) return it->second;
    std::vector<uint32_t> held, inside;
    for (const uint32_t member : cidrs.sets().list(members)) {
      const uint32_t number = CidrRegistry::number_of(member);
      if (CidrRegistry::is_set(member)) {
        append(endpoints.at(sets.class_of(number)).predicates, held);
      } else {
        inside.push_back(number);
      }
    }
    sort_unique(held);
    it->second = {endpoint_sets.acquire(held), cidr_lists.acquire(inside)};
    return it->second;
  }
  void forget_lists() {
    for (const auto& [members, lists] : range_lists) {
      endpoint_sets.release(lists.endpoint_set);
      cidr_lists.release(lists.cidr_set);
    }
    range_lists.clear();
  }
  void append(ListId endpoint_set, std::vector<uint32_t>& to) const {
    const auto list = endpoint_sets.list(endpoint_set);
    to.insert(to.end(), list.begin(), list.end());
  }
  static void sort_unique(std::vector<uint32_t>& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
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
      const RangeLists& lists = lists_of(it->second);
      put(ranges, it->first, identities.acquire(lists.endpoint_set, lists.cidr_set));
    }
    for (auto it = addresses.live().lower_bound(range.first);
         it != addresses.live().end() && !(range.last < it->first); ++it) {
      endpoints.mark_dirty(it->first);
    }
  }

  // Sets an entry to an identity just acquired, and releases what it had.
  void put(TrackedMap<net::IpAddr, IdentityId>& table, const net::IpAddr& key,
           IdentityId identity) {
    const auto it = table.find(key);
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
      // Where several hold the address, it is what any of them is: two pods for a moment, a pod in
      // a network set.
      ListId set = 0;
      bool several = false;
      joined.clear();
      const auto add = [&](ListId one) {
        if (one == 0 || one == set) return;
        several = several || set != 0;
        if (set == 0) set = one;
        append(one, joined);
      };
      const auto add_class = [&](ClassId cls) { add(endpoints.at(cls).predicates); };
      endpoints.for_each_holder(address, add_class);
      sets.for_each_holder(address, add_class);
      if (set == 0) {
        if (const auto it = addresses.live().find(address); it != addresses.live().end()) {
          identities.release(it->second);
          addresses.erase(address);
        }
        continue;
      }
      const RangeLists& range = lists_of(cidrs.at(address));
      add(range.endpoint_set);
      if (several) {
        sort_unique(joined);
        set = endpoint_sets.acquire(joined);
      }
      put(addresses, address, identities.acquire(set, range.cidr_set));
      if (several) endpoint_sets.release(set);
    }
    forget_lists();
  }

  desired::PolicyTables tables;
  TrackedMap<desired::InterfaceKey, desired::InterfacePolicy> interfaces{tables.interfaces};
  TrackedSet<desired::SourceKey> sources{tables.sources};
  TrackedMap<net::IpAddr, IdentityId> addresses{tables.addresses};
  TrackedMap<net::IpAddr, IdentityId> ranges{tables.ranges};
  TrackedMap<desired::PortKey, PortClass> ports{tables.ports};
  TrackedMap<desired::PeerKey, RowId> peers{tables.peers};
  TrackedSet<desired::RowKey> row_entries{tables.rows};
  TrackedMap<GroupId, RowId> otherwise{tables.otherwise};
  TrackedSet<desired::WideRowKey> wide_rows{tables.wide_rows};
  TrackedSet<desired::RowKey> logged{tables.logged};
  TrackedSet<desired::RowKey> refused{tables.refused};
  TrackedMap<desired::OwnSplitKey, GroupId> own_splits{tables.own_splits};
  TrackedMap<desired::PortSplitKey, GroupId> port_splits{tables.port_splits};
  TrackedMap<desired::HostKey, desired::InterfacePolicy> host_entries{tables.hosts};
  TrackedSet<desired::FailsafeKey> failsafes{tables.failsafes};
  TrackedMap<desired::Setting, uint32_t> settings{tables.settings};

  StringTable strings;
  LabelLists labels{strings};
  ListTable endpoint_sets, cidr_lists;
  EndpointIndex endpoints{strings, labels};
  NamespaceTable namespaces{strings, labels};
  AccountTable accounts{strings, labels};
  ServiceTable services{endpoints};
  PolicyTable policies{strings};
  PredicateRegistry predicates{strings, endpoints, namespaces, accounts, endpoint_sets};
  CidrRegistry cidrs;
  NetworkSetTable sets{endpoints, cidrs};
  std::unordered_map<ListId, RangeLists> range_lists;  // during a flush
  PolicyCompiler compiler{strings, predicates, cidrs, services};
  IdentityTable identities{endpoint_sets, cidr_lists};
  RowTable rows{{ports, row_entries, logged, refused, wide_rows}};
  GroupTable groups{policies, predicates, identities, rows, {peers, otherwise, port_splits}};
  AddressFacts facts{tables.addresses, tables.ranges, identities, predicates};
  PolicySelector selector{endpoints, namespaces, predicates, policies};
  GroupAssigner assigner{endpoints, policies, facts, groups, own_splits};
  LocalEndpoints locals{endpoints, namespaces, policies, selector, assigner, {interfaces, sources}};
  HostEndpoints hosts;
  bool tiers_changed = false;
};

Engine::Engine(EngineOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Engine::~Engine() = default;

void Engine::apply(const model::Update& update) { std::visit(*state_, update); }
desired::PolicyDelta Engine::flush() { return state_->flush(); }
const desired::PolicyTables& Engine::tables() const { return state_->tables; }
std::map<std::string, EndpointStatus> Engine::statuses() const { return state_->locals.statuses(); }
std::map<std::string, HostEndpointStatus> Engine::host_statuses() const {
  return state_->hosts.statuses();
}

Engine::Counts Engine::counts() const {
  return {.pods = state_->endpoints.pod_count(),
          .local_endpoints = state_->locals.size(),
          .identities = state_->identities.all().size(),
          .groups = state_->groups.size(),
          .texts = state_->strings.size()};
}

}  // namespace caracal::policy
