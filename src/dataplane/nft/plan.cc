#include "dataplane/nft/plan.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "dataplane/nft/derived.h"

namespace caracal::dataplane::nft {
namespace {

using desired::MapDelta;
using desired::SetDelta;

// The part of a delta that changes something, and its inverse.
template <typename Key, typename Value>
void narrow(const std::map<Key, Value>& table, const MapDelta<Key, Value>& delta,
            MapDelta<Key, Value>& effective, MapDelta<Key, Value>& undo) {
  for (const Key& key : delta.erase) {
    const auto found = table.find(key);
    if (found == table.end()) continue;
    effective.erase.insert(effective.erase.end(), key);
    undo.set.emplace(key, found->second);
  }
  for (const auto& [key, value] : delta.set) {
    const auto found = table.find(key);
    if (found == table.end())
      undo.erase.insert(undo.erase.end(), key);
    else if (found->second != value)
      undo.set.emplace(key, found->second);
    else
      continue;
    effective.set.emplace_hint(effective.set.end(), key, value);
  }
}

template <typename Key>
void narrow(const std::set<Key>& table, const SetDelta<Key>& delta, SetDelta<Key>& effective,
            SetDelta<Key>& undo) {
  for (const Key& key : delta.erase) {
    if (!table.contains(key)) continue;
    effective.erase.insert(effective.erase.end(), key);
    undo.add.insert(undo.add.end(), key);
  }
  for (const Key& key : delta.add) {
    if (table.contains(key)) continue;
    effective.add.insert(effective.add.end(), key);
    undo.erase.insert(undo.erase.end(), key);
  }
}

// Removal of what the table holds under the delta's keys, insertion of what the delta sets.
template <typename Key, typename Value, typename Encode>
void plan_map(const std::map<Key, Value>& before, const MapDelta<Key, Value>& effective,
              Encode&& encode_into, ElementChange& change) {
  std::vector<Element> old_elements;
  std::vector<Element> new_elements;
  for (const Key& key : effective.erase) encode_into(key, before.at(key), change.remove);
  for (const auto& [key, value] : effective.set) {
    old_elements.clear();
    new_elements.clear();
    if (const auto found = before.find(key); found != before.end())
      encode_into(key, found->second, old_elements);
    encode_into(key, value, new_elements);
    // One entry may be several elements, of which only some differ.
    for (const Element& e : old_elements)
      if (std::find(new_elements.begin(), new_elements.end(), e) == new_elements.end())
        change.remove.push_back(e);
    for (const Element& e : new_elements)
      if (std::find(old_elements.begin(), old_elements.end(), e) == old_elements.end())
        change.insert.push_back(e);
  }
}

// The intervals of `starts` that a change at one of `keys` can have touched: the one that holds the
// key, and the one before it, whose end the key may be.
template <typename Key>
std::set<Interval<Key>> touched(const std::map<Key, uint32_t>& starts, const std::set<Key>& keys) {
  std::set<Interval<Key>> out;
  for (const Key& key : keys) {
    auto at = starts.upper_bound(key);
    if (at == starts.begin()) continue;
    --at;
    if (!same_space(at->first, key)) continue;
    out.insert(interval_at(starts, at));
    if (at->first != key || at == starts.begin()) continue;
    --at;
    if (same_space(at->first, key)) out.insert(interval_at(starts, at));
  }
  return out;
}

template <typename Key>
void emit(const std::set<Interval<Key>>& from, const std::set<Interval<Key>>& without,
          std::vector<Element>& out) {
  for (const auto& interval : from)
    if (!without.contains(interval)) encode(interval, out);
}

template <typename Key>
std::set<Key> keys_of(const MapDelta<Key, uint32_t>& delta) {
  std::set<Key> keys = delta.erase;
  for (const auto& [key, value] : delta.set) keys.insert(key);
  return keys;
}

bool by_set(const Element& a, const Element& b) { return a.set < b.set; }

template <typename T, typename SameKey, typename Put>
void merge_compare(const std::vector<T>& present, const std::vector<T>& wanted, SameKey&& key_order,
                   Put&& put, Comparison& out) {
  auto p = present.begin();
  auto w = wanted.begin();
  while (p != present.end() || w != wanted.end()) {
    const int order = p == present.end() ? 1 : w == wanted.end() ? -1 : key_order(*p, *w);
    if (order < 0) {
      ++out.orphan;
      put(*p++, out.change.remove);
    } else if (order > 0) {
      ++out.missing;
      put(*w++, out.change.insert);
    } else {
      if (*p == *w) {
        ++out.right;
      } else {
        ++out.wrong;
        put(*p, out.change.remove);
        put(*w, out.change.insert);
      }
      ++p, ++w;
    }
  }
}

int order_of(const Element& a, const Element& b) {
  const auto order = a.key <=> b.key;
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

void plan_rows(SetId set, const SetDelta<desired::RowKey>& effective, ElementChange& change) {
  for (const auto& key : effective.erase) change.remove.push_back(encode(set, key));
  for (const auto& key : effective.add) change.insert.push_back(encode(set, key));
}

// The interfaces whose elements the delta may change: those it names, and those whose group may
// become of another kind by it.
std::set<desired::InterfaceKey> interfaces_touched(const desired::PolicyTables& tables,
                                                   const desired::PolicyDelta& effective) {
  std::set<desired::InterfaceKey> out = effective.interfaces.erase;
  for (const auto& [key, policy] : effective.interfaces.set) out.insert(key);
  std::set<desired::GroupId> groups = effective.otherwise.erase;
  for (const auto& [group, row] : effective.otherwise.set) groups.insert(group);
  for (const auto& key : effective.own_splits.erase) groups.insert(key.group);
  for (const auto& [key, group] : effective.own_splits.set) groups.insert(key.group);
  for (const auto& key : effective.port_splits.erase) groups.insert(key.group);
  for (const auto& [key, group] : effective.port_splits.set) groups.insert(key.group);
  if (groups.empty()) return out;
  for (const auto& [key, policy] : tables.interfaces)
    if (policy.disposition == desired::Disposition::kPoliced && groups.contains(policy.group))
      out.insert(key);
  return out;
}

std::vector<Element> encode_interfaces(const desired::PolicyTables& tables,
                                       const std::set<desired::InterfaceKey>& keys) {
  std::vector<Element> out;
  for (const auto& key : keys)
    if (const auto found = tables.interfaces.find(key); found != tables.interfaces.end())
      encode(key, found->second, kind_of(tables, found->second.group), out);
  return out;
}

void append_difference(std::vector<Element> before, std::vector<Element> after,
                       ElementChange& change) {
  if (before.empty() && after.empty()) return;
  const Comparison comparison = compare(std::move(before), std::move(after));
  change.remove.insert(change.remove.end(), comparison.change.remove.begin(),
                       comparison.change.remove.end());
  change.insert.insert(change.insert.end(), comparison.change.insert.begin(),
                       comparison.change.insert.end());
}

}  // namespace

Plan plan_and_apply(desired::PolicyTables& tables, const desired::PolicyDelta& delta) {
  Plan plan;
  desired::PolicyDelta effective;
  narrow(tables.interfaces, delta.interfaces, effective.interfaces, plan.undo.interfaces);
  narrow(tables.sources, delta.sources, effective.sources, plan.undo.sources);
  narrow(tables.addresses, delta.addresses, effective.addresses, plan.undo.addresses);
  narrow(tables.ranges, delta.ranges, effective.ranges, plan.undo.ranges);
  narrow(tables.ports, delta.ports, effective.ports, plan.undo.ports);
  narrow(tables.peers, delta.peers, effective.peers, plan.undo.peers);
  narrow(tables.rows, delta.rows, effective.rows, plan.undo.rows);
  narrow(tables.otherwise, delta.otherwise, effective.otherwise, plan.undo.otherwise);
  narrow(tables.wide_rows, delta.wide_rows, effective.wide_rows, plan.undo.wide_rows);
  narrow(tables.logged, delta.logged, effective.logged, plan.undo.logged);
  narrow(tables.refused, delta.refused, effective.refused, plan.undo.refused);
  narrow(tables.own_splits, delta.own_splits, effective.own_splits, plan.undo.own_splits);
  narrow(tables.port_splits, delta.port_splits, effective.port_splits, plan.undo.port_splits);
  narrow(tables.hosts, delta.hosts, effective.hosts, plan.undo.hosts);
  narrow(tables.failsafes, delta.failsafes, effective.failsafes, plan.undo.failsafes);
  narrow(tables.settings, delta.settings, effective.settings, plan.undo.settings);

  ElementChange& change = plan.change;
  for (const auto& key : effective.sources.erase) change.remove.push_back(encode(key));
  for (const auto& key : effective.sources.add) change.insert.push_back(encode(key));
  plan_map(
      tables.addresses, effective.addresses,
      [](const auto& address, auto identity, auto& out) {
        out.push_back(encode_address(address, identity));
      },
      change);
  plan_map(
      tables.peers, effective.peers,
      [](const auto& key, auto row, auto& out) { out.push_back(encode(key, row)); }, change);
  plan_map(
      tables.otherwise, effective.otherwise,
      [](auto group, auto row, auto& out) { out.push_back(encode_otherwise(group, row)); }, change);
  plan_rows(SetId::kAllowed, effective.rows, change);
  plan_rows(SetId::kLogged, effective.logged, change);
  plan_rows(SetId::kRefused, effective.refused, change);
  for (const auto& key : effective.wide_rows.erase) encode(key, change.remove);
  for (const auto& key : effective.wide_rows.add) encode(key, change.insert);

  const auto interfaces = interfaces_touched(tables, effective);
  const std::vector<Element> interfaces_before = encode_interfaces(tables, interfaces);
  const bool derived = touches_derived(effective);
  std::vector<Element> derived_before;
  if (derived) encode_derived(tables, derived_before);
  const auto range_keys = keys_of(effective.ranges);
  const auto port_keys = keys_of(effective.ports);
  const auto ranges_before = touched(tables.ranges, range_keys);
  const auto ports_before = touched(tables.ports, port_keys);
  desired::apply(tables, effective);
  const auto ranges_after = touched(tables.ranges, range_keys);
  const auto ports_after = touched(tables.ports, port_keys);
  emit(ranges_before, ranges_after, change.remove);
  emit(ranges_after, ranges_before, change.insert);
  emit(ports_before, ports_after, change.remove);
  emit(ports_after, ports_before, change.insert);
  append_difference(interfaces_before, encode_interfaces(tables, interfaces), change);
  if (derived) {
    std::vector<Element> derived_after;
    encode_derived(tables, derived_after);
    append_difference(std::move(derived_before), std::move(derived_after), change);
  }

  std::stable_sort(change.remove.begin(), change.remove.end(), by_set);
  std::stable_sort(change.insert.begin(), change.insert.end(), by_set);
  return plan;
}

Comparison compare(std::vector<Element> present, std::vector<Element> wanted) {
  std::sort(present.begin(), present.end());
  std::sort(wanted.begin(), wanted.end());
  Comparison out;
  auto p = present.begin();
  auto w = wanted.begin();
  for (const SetSpec& spec : set_specs()) {
    const auto p_end =
        std::find_if(p, present.end(), [&](const Element& e) { return e.set != spec.id; });
    const auto w_end =
        std::find_if(w, wanted.end(), [&](const Element& e) { return e.set != spec.id; });
    if (!spec.interval) {
      merge_compare(
          std::vector<Element>(p, p_end), std::vector<Element>(w, w_end), order_of,
          [](const Element& e, auto& to) { to.push_back(e); }, out);
    } else {
      const auto put = [](const ElementPair& pair, std::vector<Element>& to) {
        to.push_back(pair.start);
        if (pair.end) to.push_back(*pair.end);
      };
      const auto key_order = [](const ElementPair& a, const ElementPair& b) {
        return order_of(a.start, b.start);
      };
      const auto wanted_pairs = *pairs_of({w, w_end});
      if (const auto present_pairs = pairs_of({p, p_end})) {
        merge_compare(*present_pairs, wanted_pairs, key_order, put, out);
      } else {
        out.flush.push_back(spec.id);
        out.orphan += static_cast<size_t>(p_end - p);
        out.missing += wanted_pairs.size();
        for (const ElementPair& pair : wanted_pairs) put(pair, out.change.insert);
      }
    }
    p = p_end;
    w = w_end;
  }
  return out;
}

}  // namespace caracal::dataplane::nft
