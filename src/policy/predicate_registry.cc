#include "policy/predicate_registry.h"

#include <algorithm>

namespace caracal::policy {

PredicateId PredicateRegistry::new_id() {
  if (free_.empty()) {
    predicates_.emplace_back();
    return static_cast<PredicateId>(predicates_.size() - 1);
  }
  const PredicateId id = free_.back();
  free_.pop_back();
  return id;
}

PredicateRegistry::PredicateRegistry(StringTable& strings, EndpointIndex& endpoints,
                                     const NamespaceTable& namespaces, const AccountTable& accounts,
                                     ListTable& sets)
    : strings_(strings),
      selectors_(strings),
      endpoints_(endpoints),
      namespaces_(namespaces),
      accounts_(accounts),
      sets_(sets),
      namespace_key_(strings.acquire(kNamespaceKey)),
      namespace_name_key_(strings.acquire(kNamespaceNameKey)) {}

PredicateRegistry::~PredicateRegistry() {
  strings_.release(namespace_key_);
  strings_.release(namespace_name_key_);
}

PredicateId PredicateRegistry::acquire_peer(const model::EndpointPeer& peer) {
  return acquire({.pods = peer.pods,
                  .namespaces = peer.namespaces,
                  .in_namespace = peer.in_namespace,
                  .inherited = peer.inherited,
                  .port = {}});
}
PredicateId PredicateRegistry::acquire_family(const model::EndpointPeer& peer,
                                              const PortName& port) {
  return acquire({.pods = peer.pods,
                  .namespaces = peer.namespaces,
                  .in_namespace = peer.in_namespace,
                  .inherited = peer.inherited,
                  .port = port});
}
PredicateId PredicateRegistry::acquire_service(const model::ServicePeer& peer) {
  const auto name = selector::Selector::requirement(
      selector::Op::kIn, std::string(EndpointIndex::kServiceKey), {peer.service.name});
  return acquire({.pods = name,
                  .namespaces = {},
                  .in_namespace = peer.service.ns,
                  .service = true,
                  .port = {}});
}
PredicateId PredicateRegistry::acquire_service_family(const model::ServicePeer& peer) {
  const auto name = selector::Selector::requirement(
      selector::Op::kIn, std::string(EndpointIndex::kServiceKey), {peer.service.name});
  return acquire({.pods = name,
                  .namespaces = {},
                  .in_namespace = peer.service.ns,
                  .service = true,
                  .any_port = true,
                  .port = {}});
}

uint64_t PredicateRegistry::Predicate::hash() const {
  uint64_t out = 0x9e3779b97f4a7c15ull;
  for (const uint64_t word :
       {uint64_t{pods} << 32 | namespaces, uint64_t{in_namespace} << 32 | port.name,
        uint64_t{port.protocol.number} << 3 | (inherited ? 4u : 0u) | (service ? 2u : 0u) |
            (any_port ? 1u : 0u)}) {
    out = (out ^ word) * 0xff51afd7ed558ccdull;
    out ^= out >> 32;
  }
  return out;
}

bool PredicateRegistry::Predicate::asks_the_same(const Predicate& other) const {
  return pods == other.pods && namespaces == other.namespaces &&
         in_namespace == other.in_namespace && inherited == other.inherited &&
         service == other.service && any_port == other.any_port && port == other.port;
}

PredicateId PredicateRegistry::acquire(const Question& q) {
  Predicate now;
  now.pods = selectors_.acquire(q.pods, q.inherited);
  now.namespaces = selectors_.acquire(q.namespaces, false);
  if (q.in_namespace) now.in_namespace = strings_.acquire(*q.in_namespace);
  now.inherited = q.inherited;
  now.service = q.service;
  now.any_port = q.any_port;
  now.port = q.port;
  if (now.port.name != 0) strings_.retain(now.port.name);
  const uint64_t hash = now.hash();
  const PredicateId known =
      by_content_.find(hash, [&](PredicateId id) { return predicates_[id].asks_the_same(now); });
  if (known != 0) {
    release_parts(now);
    ++predicates_[known].users;
    return known;
  }
  now.alive = true;
  now.users = 1;
  const PredicateId id = new_id();
  predicates_[id] = std::move(now);
  by_content_.insert(hash, id);
  new_.push_back(id);
  return id;
}

void PredicateRegistry::release_parts(const Predicate& p) {
  selectors_.release(p.pods);
  selectors_.release(p.namespaces);
  if (p.in_namespace != 0) strings_.release(p.in_namespace);
  if (p.family == 0 && p.port.name != 0) strings_.release(p.port.name);
}

void PredicateRegistry::release(PredicateId id) {
  if (--predicates_[id].users == 0) unused_.push_back(id);
}

void PredicateRegistry::mark_dirty(ClassId cls) {
  if (is_dirty(cls)) return;
  if (is_dirty_.size() <= cls) is_dirty_.resize(cls + 1);
  is_dirty_[cls] = true;
  dirty_classes_.push_back(cls);
}

void PredicateRegistry::namespace_changed(StringId ns) {
  loose_cache_.erase(ns);
  endpoints_.for_each_in(ns, [&](ClassId id) { mark_dirty(id); });
}

void PredicateRegistry::account_changed(StringId ns, StringId name) {
  if (uses_accounts_ == 0) return;
  endpoints_.for_each_in(ns, [&](ClassId id) {
    if (endpoints_.at(id).account == name) mark_dirty(id);
  });
}

EndpointLabels PredicateRegistry::seen(const EndpointClass& c) const {
  EndpointLabels out;
  out.own = endpoints_.labels(c);
  out.is_pod = c.kind == HolderKind::kPod;
  out.ns = c.ns;
  if (c.ns != 0) out.ns_labels = namespaces_.labels(c.ns);
  out.account = c.account;
  if (c.account != 0) out.account_labels = accounts_.labels(c.ns, c.account);
  return out;
}

bool PredicateRegistry::is_loose(const Predicate& p) const {
  const CompiledSelector& pods = pods_of(p);
  return p.in_namespace == 0 && p.port.name == 0 && pods.required_labels().empty() &&
         pods.required_key() == 0;
}

std::vector<PredicateRegistry::Bucket> PredicateRegistry::buckets_of(const Predicate& p) const {
  if (p.port.name != 0) {
    return {{p.in_namespace, EndpointIndex::port_label(p.port.protocol, p.port.name)}};
  }
  std::vector<Bucket> out;
  const CompiledSelector& pods = pods_of(p);
  for (const Label& label : pods.required_labels()) out.push_back({p.in_namespace, label});
  if (out.empty()) out.push_back({p.in_namespace, {pods.required_key(), 0}});
  return out;
}

// Keeps account of what installed predicates see beyond an endpoint's own labels.
void PredicateRegistry::count_uses(const Predicate& p, bool add) {
  if (!p.inherited) return;
  const CompiledSelector& pods = pods_of(p);
  inherited_ += add ? 1 : size_t(-1);
  if (pods.uses_accounts()) uses_accounts_ += add ? 1 : size_t(-1);
  if (pods.required_origin() != CompiledSelector::Origin::kNamespaceLabel) return;
  InheritedKey& key = inherited_keys_[pods.required_inner()];
  key.full = pods.required_labels().front().key;
  key.users += add ? 1 : uint32_t(-1);
  if (key.users == 0) inherited_keys_.erase(pods.required_inner());
}

void PredicateRegistry::count_bucket(const Bucket& bucket, bool add) {
  KeyUses& uses = bucket_keys_[bucket.label.key];
  KeyUses::Count& count = bucket.label.value == 0 ? uses.alone : uses.with_value;
  (bucket.ns == 0 ? count.anywhere : count.in_namespace) += add ? 1 : uint32_t(-1);
  if (uses.empty()) bucket_keys_.erase(bucket.label.key);
}

void PredicateRegistry::install(PredicateId id) {
  Predicate& p = predicates_[id];
  p.installed = true;
  count_uses(p, true);
  if (is_loose(p)) {
    loose_.push_back(id);
    loose_cache_.clear();
    return;
  }
  for (const Bucket& bucket : buckets_of(p)) {
    NumberList& list = buckets_[bucket];
    if (list.empty()) count_bucket(bucket, true);
    list.push_back(id);
  }
}

void PredicateRegistry::uninstall(PredicateId id) {
  Predicate& p = predicates_[id];
  p.installed = false;
  count_uses(p, false);
  if (is_loose(p)) {
    std::erase(loose_, id);
    loose_cache_.clear();
    return;
  }
  for (const Bucket& bucket : buckets_of(p)) {
    const auto it = buckets_.find(bucket);
    it->second.swap_remove(id);
    if (!it->second.empty()) continue;
    count_bucket(bucket, false);
    buckets_.erase(it);
  }
}

template <typename Visit>
void PredicateRegistry::for_each_candidate(const Predicate& p, const Visit& visit) {
  using Origin = CompiledSelector::Origin;
  // The shortest of the lists that hold every match.
  enum class Way { kAll, kPort, kNamespace, kLabels, kNamespaceLabels };
  Way best = Way::kAll;
  size_t best_size = ~size_t{0};
  const auto offer = [&](Way way, size_t size) {
    if (size >= best_size) return;
    best = way;
    best_size = size;
  };
  const CompiledSelector& pods = pods_of(p);
  const CompiledSelector& namespaces = selectors_.at(p.namespaces);
  const auto& required = pods.required_labels();
  const Origin origin = pods.required_origin();
  if (p.port.name != 0) {
    offer(Way::kPort, endpoints_.count_with_port(p.port.protocol, p.port.name));
  }
  if (p.in_namespace != 0) offer(Way::kNamespace, endpoints_.count_in(p.in_namespace));
  if (!required.empty() && origin != Origin::kNamespaceLabel) {
    size_t size = 0;
    for (const Label& label : required) {
      size += endpoints_.count_with_label(label);
      if (origin != Origin::kOwn) size += endpoints_.count_in(label.value);
    }
    offer(Way::kLabels, size);
  }
  if (best == Way::kAll &&
      (origin == Origin::kNamespaceLabel || !namespaces.matches_everything())) {
    best = Way::kNamespaceLabels;
  }
  switch (best) {
    case Way::kPort:
      endpoints_.for_each_with_port(p.port.protocol, p.port.name, visit);
      return;
    case Way::kNamespace:
      endpoints_.for_each_in(p.in_namespace, visit);
      return;
    case Way::kLabels:
      for (const Label& label : required) {
        endpoints_.for_each_with_label(label, visit);
        if (origin != Origin::kOwn) endpoints_.for_each_in(label.value, visit);
      }
      return;
    case Way::kNamespaceLabels:
      namespaces_.for_each([&](StringId ns, const LabelSpan& labels) {
        if (!namespaces.matches_everything() && !namespaces.matches(labels)) return;
        if (origin == Origin::kNamespaceLabel) {
          const StringId value = labels.find(pods.required_inner());
          const Label wanted{required.front().key, value};
          if (std::find(required.begin(), required.end(), wanted) == required.end()) return;
        }
        endpoints_.for_each_in(ns, visit);
      });
      if (origin == Origin::kNamespaceLabel) {
        for (const Label& label : required) endpoints_.for_each_with_label(label, visit);
      }
      return;
    case Way::kAll:
      endpoints_.for_each_class(visit);
      return;
  }
}

bool PredicateRegistry::matches(const Predicate& p, const EndpointClass& c) const {
  if (p.in_namespace != 0 && p.in_namespace != c.ns) return false;
  const bool kind = p.service     ? c.kind == HolderKind::kService
                    : p.inherited ? c.kind != HolderKind::kService
                                  : c.kind == HolderKind::kPod;
  if (!kind) return false;
  if (p.inherited) {
    if (!pods_of(p).matches(seen(c))) return false;
  } else if (!pods_of(p).matches(endpoints_.labels(c))) {
    return false;
  }
  return namespaces_.matches(selectors_.at(p.namespaces), c.ns);
}

const std::vector<PredicateId>& PredicateRegistry::loose_for(StringId ns) {
  if (loose_.empty()) return loose_;
  const auto [it, added] = loose_cache_.try_emplace(ns);
  if (added) {
    for (const PredicateId id : loose_) {
      if (namespaces_.matches(selectors_.at(predicates_[id].namespaces), ns))
        it->second.push_back(id);
    }
  }
  return it->second;
}

void PredicateRegistry::contribute(PredicateId id, const EndpointClass& c,
                                   std::vector<uint32_t>& out) {
  if (!predicates_[id].is_family()) {
    out.push_back(id);
    return;
  }
  const PortName wanted = predicates_[id].port;
  const bool any = predicates_[id].any_port;
  for (const ClassPort& port : endpoints_.ports(c)) {
    if (!any && (port.name != wanted.name || port.protocol != wanted.protocol)) continue;
    const net::PortRange range =
        any && port.port == 0 ? net::PortRange{} : net::PortRange{port.port, port.port};
    const auto& known = predicates_[id].resolved;
    const auto it = std::find_if(known.begin(), known.end(), [&](PredicateId r) {
      return predicates_[r].range == range && predicates_[r].port.protocol == port.protocol;
    });
    if (it != known.end()) {
      out.push_back(*it);
      continue;
    }
    const PredicateId resolved = new_id();
    predicates_[resolved].family = id;
    predicates_[resolved].range = range;
    predicates_[resolved].port.protocol = port.protocol;
    predicates_[id].resolved.push_back(resolved);
    changed_families_.push_back(id);
    unused_resolved_.push_back(resolved);  // until a class takes it
    out.push_back(resolved);
  }
}

void PredicateRegistry::evaluate(const EndpointClass& c, std::vector<uint32_t>& out) {
  const auto look = [&](const Bucket& bucket) {
    const auto it = buckets_.find(bucket);
    if (it == buckets_.end()) return;
    for (const PredicateId id : it->second) {
      if (matches(predicates_[id], c)) contribute(id, c, out);
    }
  };
  const auto look_both = [&](const Label& label, const KeyUses::Count& count) {
    if (count.anywhere > 0) look({0, label});
    if (count.in_namespace > 0 && c.ns != 0) look({c.ns, label});
  };
  const auto look_up = [&](const Label& label) {
    const auto uses = bucket_keys_.find(label.key);
    if (uses == bucket_keys_.end()) return;
    look_both(label, uses->second.with_value);
    look_both({label.key, 0}, uses->second.alone);
  };
  if (!buckets_.empty()) {
    look_up({});  // whatever the labels are
    const LabelSpan own = endpoints_.labels(c);
    for (size_t i = 0; i < own.size(); ++i) look_up(own[i]);
    if (c.ports != 0) {
      for (const ClassPort& port : endpoints_.ports(c)) {
        look_up(EndpointIndex::port_label(port.protocol, port.name));
      }
    }
    if (inherited_ > 0 && c.ns != 0) {
      look_up({namespace_key_, c.ns});
      look_up({namespace_name_key_, c.ns});
      if (const auto ns = namespaces_.labels(c.ns); ns && !inherited_keys_.empty()) {
        for (size_t i = 0; i < ns->size(); ++i) {
          const auto it = inherited_keys_.find((*ns)[i].key);
          if (it != inherited_keys_.end()) look_up({it->second.full, (*ns)[i].value});
        }
      }
    }
  }
  for (const PredicateId id : loose_for(c.ns)) {
    if (matches(predicates_[id], c)) contribute(id, c, out);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
}

void PredicateRegistry::use_resolved(ListId list, bool take) {
  for (const PredicateId id : sets_.list(list)) {
    if (!is_resolved(id)) continue;
    if (take) {
      ++predicates_[id].users;
    } else if (--predicates_[id].users == 0) {
      unused_resolved_.push_back(id);
    }
  }
}

void PredicateRegistry::assign(ClassId cls, const std::vector<uint32_t>& list) {
  EndpointClass& c = endpoints_.at(cls);
  const ListId now = sets_.acquire(list);
  if (now == c.predicates) {
    sets_.release(now);
    return;
  }
  use_resolved(now, true);
  use_resolved(c.predicates, false);
  sets_.release(c.predicates);
  c.predicates = now;
  if (c.kind == HolderKind::kSet) {
    changed_sets_.push_back(cls);
  } else {
    endpoints_.for_each_address(cls, [&](const net::IpAddr& a) { endpoints_.mark_dirty(a); });
  }
}

void PredicateRegistry::update() {
  for (const ListId list : endpoints_.take_dropped_predicates()) {
    use_resolved(list, false);
    sets_.release(list);
  }
  for (const ClassId id : endpoints_.take_new_classes()) mark_dirty(id);

  std::vector<ClassChange> changes;
  std::vector<PredicateId> gone;
  const auto note = [&](PredicateId id, bool added) {
    for_each_candidate(predicates_[id], [&](ClassId cls) {
      if (is_dirty(cls) || !matches(predicates_[id], endpoints_.at(cls))) return;
      changes.push_back({cls, id, added});
    });
  };
  for (const PredicateId id : std::exchange(unused_, {})) {
    Predicate& p = predicates_[id];
    if (p.users > 0 || !p.alive) continue;  // used again meanwhile, or met twice
    if (p.installed) {
      uninstall(id);
      note(id, false);
    }
    by_content_.erase(p.hash(), id);
    p.alive = false;
    gone.push_back(id);
  }
  for (const PredicateId id : std::exchange(new_, {})) {
    if (!predicates_[id].alive || predicates_[id].installed) continue;
    install(id);
    note(id, true);
  }

  std::vector<uint32_t> list;
  for (const ClassId cls : dirty_classes_) {
    is_dirty_[cls] = false;
    if (!endpoints_.alive(cls)) continue;
    list.clear();
    evaluate(endpoints_.at(cls), list);
    assign(cls, list);
  }
  dirty_classes_.clear();

  std::stable_sort(changes.begin(), changes.end(),
                   [](const ClassChange& a, const ClassChange& b) { return a.cls < b.cls; });
  for (size_t i = 0; i < changes.size();) {
    const ClassId cls = changes[i].cls;
    const auto held = sets_.list(endpoints_.at(cls).predicates);
    list.assign(held.begin(), held.end());
    for (; i < changes.size() && changes[i].cls == cls; ++i) {
      const PredicateId id = changes[i].predicate;
      if (changes[i].added) {
        contribute(id, endpoints_.at(cls), list);
      } else {
        std::erase_if(list, [&](PredicateId p) { return p == id || predicates_[p].family == id; });
      }
    }
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    assign(cls, list);
  }

  for (const PredicateId id : std::exchange(unused_resolved_, {})) {
    Predicate& p = predicates_[id];
    if (p.users > 0 || p.family == 0) continue;
    predicates_[p.family].resolved.swap_remove(id);
    changed_families_.push_back(p.family);
    p.users = ~0u;  // met twice in the list: not retired twice
    retired_.push_back(id);
  }
  for (const PredicateId id : gone) retired_.push_back(id);
}

void PredicateRegistry::free_retired() {
  for (const PredicateId id : retired_) {
    Predicate& p = predicates_[id];
    release_parts(p);
    p = {};
    free_.push_back(id);
  }
  retired_.clear();
}

}  // namespace caracal::policy
