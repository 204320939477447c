#include "desired/policy_tables.h"

#include <iterator>

namespace caracal::desired {
namespace {

template <typename Key, typename Value>
MapDelta<Key, Value> difference_of(const std::map<Key, Value>& from,
                                   const std::map<Key, Value>& to) {
  MapDelta<Key, Value> out;
  auto a = from.begin();
  auto b = to.begin();
  while (a != from.end() || b != to.end()) {
    if (b == to.end() || (a != from.end() && a->first < b->first)) {
      out.erase.insert(out.erase.end(), (a++)->first);
    } else if (a == from.end() || b->first < a->first) {
      out.set.insert(out.set.end(), *b++);
    } else {
      if (a->second != b->second) out.set.insert(out.set.end(), *b);
      ++a, ++b;
    }
  }
  return out;
}

template <typename Key>
SetDelta<Key> difference_of(const std::set<Key>& from, const std::set<Key>& to) {
  SetDelta<Key> out;
  auto a = from.begin();
  auto b = to.begin();
  while (a != from.end() || b != to.end()) {
    if (b == to.end() || (a != from.end() && *a < *b)) {
      out.erase.insert(out.erase.end(), *a++);
    } else if (a == from.end() || *b < *a) {
      out.add.insert(out.add.end(), *b++);
    } else {
      ++a, ++b;
    }
  }
  return out;
}

template <typename Key, typename Value>
void apply_to(std::map<Key, Value>& table, const MapDelta<Key, Value>& delta) {
  for (const Key& key : delta.erase) table.erase(key);
  for (const auto& [key, value] : delta.set) table.insert_or_assign(key, value);
}
template <typename Key>
void apply_to(std::set<Key>& table, const SetDelta<Key>& delta) {
  for (const Key& key : delta.erase) table.erase(key);
  for (const Key& key : delta.add) table.insert(key);
}

template <typename Key, typename Value>
void merge_into(MapDelta<Key, Value>& first, const MapDelta<Key, Value>& later) {
  for (const Key& key : later.erase) {
    first.set.erase(key);
    first.erase.insert(key);
  }
  for (const auto& [key, value] : later.set) {
    first.erase.erase(key);
    first.set.insert_or_assign(key, value);
  }
}
template <typename Key>
void merge_into(SetDelta<Key>& first, const SetDelta<Key>& later) {
  for (const Key& key : later.erase) {
    first.add.erase(key);
    first.erase.insert(key);
  }
  for (const Key& key : later.add) {
    first.erase.erase(key);
    first.add.insert(key);
  }
}

template <typename Key, typename Value>
size_t size_of(const MapDelta<Key, Value>& delta) {
  return delta.set.size() + delta.erase.size();
}
template <typename Key>
size_t size_of(const SetDelta<Key>& delta) {
  return delta.add.size() + delta.erase.size();
}

// The value of the interval that holds `key`, or null when the map starts behind it.
template <typename Key, typename Value>
const std::pair<const Key, Value>* interval_of(const std::map<Key, Value>& intervals,
                                               const Key& key) {
  auto it = intervals.upper_bound(key);
  if (it == intervals.begin()) return nullptr;
  return &*std::prev(it);
}

IdentityId identity_of(const PolicyTables& tables, const net::IpAddr& address) {
  if (const auto it = tables.addresses.find(address); it != tables.addresses.end())
    return it->second;
  const auto* range = interval_of(tables.ranges, address);
  return range && range->first.family() == address.family() ? range->second : kUnknownIdentity;
}

bool row_allows(const PolicyTables& tables, PeerKey key, PortClass port_class) {
  const auto row = tables.peers.find(key);
  return row != tables.peers.end() && tables.rows.contains({row->second, port_class});
}

}  // namespace

bool PolicyDelta::empty() const { return size() == 0; }

size_t PolicyDelta::size() const {
  return size_of(interfaces) + size_of(sources) + size_of(addresses) + size_of(ranges) +
         size_of(ports) + size_of(peers) + size_of(rows);
}

void PolicyDelta::merge(const PolicyDelta& later) {
  merge_into(interfaces, later.interfaces);
  merge_into(sources, later.sources);
  merge_into(addresses, later.addresses);
  merge_into(ranges, later.ranges);
  merge_into(ports, later.ports);
  merge_into(peers, later.peers);
  merge_into(rows, later.rows);
}

PolicyDelta difference(const PolicyTables& from, const PolicyTables& to) {
  return {.interfaces = difference_of(from.interfaces, to.interfaces),
          .sources = difference_of(from.sources, to.sources),
          .addresses = difference_of(from.addresses, to.addresses),
          .ranges = difference_of(from.ranges, to.ranges),
          .ports = difference_of(from.ports, to.ports),
          .peers = difference_of(from.peers, to.peers),
          .rows = difference_of(from.rows, to.rows)};
}

void apply(PolicyTables& tables, const PolicyDelta& delta) {
  apply_to(tables.interfaces, delta.interfaces);
  apply_to(tables.sources, delta.sources);
  apply_to(tables.addresses, delta.addresses);
  apply_to(tables.ranges, delta.ranges);
  apply_to(tables.ports, delta.ports);
  apply_to(tables.peers, delta.peers);
  apply_to(tables.rows, delta.rows);
}

bool allows(const PolicyTables& tables, Direction direction, const std::string& interface,
            const net::IpAddr& peer, PortSpace space, uint16_t space_port) {
  const auto policy = tables.interfaces.find({direction, interface});
  if (policy == tables.interfaces.end()) return false;
  switch (policy->second.disposition) {
    case Disposition::kOpen:
      return true;
    case Disposition::kClosed:
      return false;
    case Disposition::kPoliced:
      break;
  }
  const auto* port = interval_of(tables.ports, PortKey{space, space_port});
  if (port == nullptr || port->first.space != space) return false;
  const GroupId group = policy->second.group;
  return row_allows(tables, {group, kAnyone}, port->second) ||
         row_allows(tables, {group, identity_of(tables, peer)}, port->second);
}

}  // namespace caracal::desired
