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

PredicateId PredicateRegistry::acquire_peer(const model::EndpointPeer& peer) {
  return acquire(peer, {});
}
PredicateId PredicateRegistry::acquire_family(const model::EndpointPeer& peer,
                                              const PortName& port) {
  return acquire(peer, port);
}

PredicateId PredicateRegistry::acquire(const model::EndpointPeer& peer, const PortName& port) {
  std::string key;
  if (peer.in_namespace) key += *peer.in_namespace;
  key += peer.in_namespace ? '+' : '-';
  key += peer.pods.canonical();
  key += '\n';
  key += peer.namespaces.canonical();
  if (port.name != 0) key += '\n' + port.protocol.to_string() + '/' + strings_.text(port.name);
  if (const auto it = by_key_.find(key); it != by_key_.end()) {
    ++predicates_[it->second].users;
    return it->second;
  }
  const PredicateId id = new_id();
  Predicate& p = predicates_[id];
  p.key = key;
  p.pods = CompiledSelector(peer.pods, strings_);
  p.namespaces = CompiledSelector(peer.namespaces, strings_);
  if (peer.in_namespace) p.in_namespace = strings_.acquire(*peer.in_namespace);
  p.port = port;
  if (port.name != 0) strings_.retain(port.name);
  p.users = 1;
  by_key_.emplace(std::move(key), id);
  new_.push_back(id);
  return id;
}

void PredicateRegistry::release(PredicateId id) {
  if (--predicates_[id].users == 0) unused_.push_back(id);
}

void PredicateRegistry::namespace_changed(StringId ns) {
  loose_cache_.erase(ns);
  for (const ClassId id : endpoints_.postings().items(EndpointIndex::ns_label(ns))) {
    dirty_classes_.insert(id);
  }
}

bool PredicateRegistry::is_loose(const Predicate& p) const {
  return p.in_namespace == 0 && p.port.name == 0 && p.pods.required_labels().empty();
}

std::vector<PredicateRegistry::Bucket> PredicateRegistry::buckets_of(const Predicate& p) const {
  if (p.port.name != 0) {
    return {{p.in_namespace, endpoints_.port_label(p.port.protocol, p.port.name)}};
  }
  std::vector<Bucket> out;
  for (const Label& label : p.pods.required_labels()) out.push_back({p.in_namespace, label});
  if (out.empty()) out.push_back({p.in_namespace, {}});
  return out;
}

void PredicateRegistry::install(PredicateId id) {
  Predicate& p = predicates_[id];
  p.installed = true;
  if (is_loose(p)) {
    loose_.push_back(id);
    loose_cache_.clear();
    return;
  }
  for (const Bucket& bucket : buckets_of(p)) buckets_[bucket].push_back(id);
}

void PredicateRegistry::uninstall(PredicateId id) {
  Predicate& p = predicates_[id];
  p.installed = false;
  if (is_loose(p)) {
    std::erase(loose_, id);
    loose_cache_.clear();
    return;
  }
  for (const Bucket& bucket : buckets_of(p)) {
    const auto it = buckets_.find(bucket);
    std::erase(it->second, id);
    if (it->second.empty()) buckets_.erase(it);
  }
}

template <typename Visit>
void PredicateRegistry::for_each_candidate(const Predicate& p, const Visit& visit) {
  const Postings& postings = endpoints_.postings();
  // The shortest of the lists that hold every match.
  std::vector<Label> best;
  size_t best_size = 0;
  bool found = false;
  const auto offer = [&](std::vector<Label> labels) {
    size_t size = 0;
    for (const Label& label : labels) size += postings.items(label).size();
    if (found && size >= best_size) return;
    found = true;
    best = std::move(labels);
    best_size = size;
  };
  if (p.port.name != 0) offer({endpoints_.port_label(p.port.protocol, p.port.name)});
  if (p.in_namespace != 0) offer({EndpointIndex::ns_label(p.in_namespace)});
  if (!p.pods.required_labels().empty()) offer(p.pods.required_labels());
  if (!found && !p.namespaces.matches_everything()) {
    for (const auto& [ns, labels] : namespaces_.all()) {
      if (p.namespaces.matches(labels)) best.push_back(EndpointIndex::ns_label(ns));
    }
    found = true;
  }
  if (found) {
    for (const Label& label : best) {
      for (const ClassId id : postings.items(label)) visit(id);
    }
    return;
  }
  for (ClassId id = 1; id < endpoints_.class_limit(); ++id) {
    if (!endpoints_.at(id).pods.empty()) visit(id);
  }
}

bool PredicateRegistry::matches(const Predicate& p, const EndpointClass& c) const {
  return (p.in_namespace == 0 || p.in_namespace == c.ns) && p.pods.matches(c.labels) &&
         namespaces_.matches(p.namespaces, c.ns);
}

const std::vector<PredicateId>& PredicateRegistry::loose_for(StringId ns) {
  const auto [it, added] = loose_cache_.try_emplace(ns);
  if (added) {
    for (const PredicateId id : loose_) {
      if (namespaces_.matches(predicates_[id].namespaces, ns)) it->second.push_back(id);
    }
  }
  return it->second;
}

void PredicateRegistry::contribute(PredicateId id, const EndpointClass& c,
                                   std::vector<uint32_t>& out) {
  if (predicates_[id].port.name == 0) {
    out.push_back(id);
    return;
  }
  const PortName wanted = predicates_[id].port;
  for (const ClassPort& port : c.ports) {
    if (port.name != wanted.name || port.protocol != wanted.protocol) continue;
    const auto& known = predicates_[id].resolved;
    const auto it = std::find_if(known.begin(), known.end(),
                                 [&](PredicateId r) { return predicates_[r].number == port.port; });
    if (it != known.end()) {
      out.push_back(*it);
      continue;
    }
    const PredicateId resolved = new_id();
    predicates_[resolved].family = id;
    predicates_[resolved].number = port.port;
    predicates_[resolved].port.protocol = port.protocol;
    predicates_[id].resolved.push_back(resolved);
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
  const auto look_both = [&](const Label& label) {
    look({0, label});
    look({c.ns, label});
  };
  if (!buckets_.empty()) {
    look({c.ns, {}});
    for (const Label& label : c.labels) look_both(label);
    for (const ClassPort& port : c.ports)
      look_both(endpoints_.port_label(port.protocol, port.name));
  }
  for (const PredicateId id : loose_for(c.ns)) {
    if (predicates_[id].pods.matches(c.labels)) contribute(id, c, out);
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
  endpoints_.for_each_address(cls, [&](const net::IpAddr& a) { endpoints_.mark_dirty(a); });
}

void PredicateRegistry::update() {
  for (const ListId list : endpoints_.take_dropped_predicates()) {
    use_resolved(list, false);
    sets_.release(list);
  }
  for (const ClassId id : endpoints_.take_new_classes()) dirty_classes_.insert(id);

  std::vector<ClassChange> changes;
  std::vector<PredicateId> gone;
  const auto note = [&](PredicateId id, bool added) {
    for_each_candidate(predicates_[id], [&](ClassId cls) {
      if (dirty_classes_.contains(cls) || !matches(predicates_[id], endpoints_.at(cls))) return;
      changes.push_back({cls, id, added});
    });
  };
  for (const PredicateId id : std::exchange(unused_, {})) {
    Predicate& p = predicates_[id];
    if (p.users > 0 || p.key.empty()) continue;  // used again meanwhile, or met twice
    if (p.installed) {
      uninstall(id);
      note(id, false);
    }
    by_key_.erase(p.key);
    p.key.clear();
    gone.push_back(id);
  }
  for (const PredicateId id : std::exchange(new_, {})) {
    if (predicates_[id].key.empty() || predicates_[id].installed) continue;
    install(id);
    note(id, true);
  }

  std::vector<uint32_t> list;
  for (const ClassId cls : dirty_classes_) {
    if (endpoints_.at(cls).pods.empty()) continue;
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
    std::erase(predicates_[p.family].resolved, id);
    p.users = ~0u;  // met twice in the list: not retired twice
    retired_.push_back(id);
  }
  for (const PredicateId id : gone) retired_.push_back(id);
}

void PredicateRegistry::free_retired() {
  for (const PredicateId id : retired_) {
    Predicate& p = predicates_[id];
    p.pods.release(strings_);
    p.namespaces.release(strings_);
    if (p.in_namespace != 0) strings_.release(p.in_namespace);
    if (p.family == 0 && p.port.name != 0) strings_.release(p.port.name);
    p = {};
    free_.push_back(id);
  }
  retired_.clear();
}

}  // namespace caracal::policy
