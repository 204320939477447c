#include "desired/policy_tables.h"

#include <iterator>

namespace caracal::desired {
namespace {

// "*" leaves it out: what the host says to itself is nobody's policy.
constexpr const char* kLoopback = "lo";

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

// What the port's class is for the packet, or 0 when the tables do not say.
PortClass class_of(const PolicyTables& tables, const PacketKey& packet) {
  const auto* port = interval_of(tables.ports, PortKey{packet.space, packet.port});
  return port != nullptr && port->first.space == packet.space ? port->second : 0;
}

bool wide_row_allows(const PolicyTables& tables, RowId row, const PacketKey& packet) {
  auto it = tables.wide_rows.upper_bound({row, packet.space, packet.port, 0xffff});
  if (it == tables.wide_rows.begin()) return false;
  --it;
  return it->row == row && it->space == packet.space && it->first <= packet.port &&
         packet.port <= it->last;
}

GroupId split(const PolicyTables& tables, GroupId group, const PacketKey& packet) {
  if (packet.own) {
    const auto it = tables.own_splits.find({group, identity_of(tables, *packet.own)});
    if (it != tables.own_splits.end()) group = it->second;
  }
  if (packet.source_port) {
    const PortSplitKey key{group, packet.space, *packet.source_port};
    const auto* part = interval_of(tables.port_splits, key);
    if (part != nullptr && part->first.group == group && part->first.space == packet.space)
      group = part->second;
  }
  return group;
}

Decision decide_group(const PolicyTables& tables, GroupId group, const PacketKey& packet,
                      bool goes_on) {
  const TableVerdict miss = goes_on ? TableVerdict::kUndecided : TableVerdict::kDenied;
  const PortClass port_class = class_of(tables, packet);
  group = split(tables, group, packet);
  const auto in_row = [&](RowId row) -> Decision {
    Decision out{miss, tables.logged.contains({row, port_class})};
    if (tables.rows.contains({row, port_class}) || wide_row_allows(tables, row, packet)) {
      out.verdict = TableVerdict::kAllowed;
    } else if (tables.refused.contains({row, port_class})) {
      out.verdict = TableVerdict::kDenied;
    }
    return out;
  };
  if (const auto it = tables.peers.find({group, kAnyone}); it != tables.peers.end()) {
    if (const Decision d = in_row(it->second); d.verdict == TableVerdict::kAllowed) return d;
  }
  if (const auto it = tables.peers.find({group, identity_of(tables, packet.peer)});
      it != tables.peers.end()) {
    return in_row(it->second);
  }
  if (const auto it = tables.otherwise.find(group); it != tables.otherwise.end())
    return in_row(it->second);
  return {miss, false};
}

Decision decide_policy(const PolicyTables& tables, const InterfacePolicy& policy,
                       const PacketKey& packet, bool goes_on) {
  switch (policy.disposition) {
    case Disposition::kOpen:
      return {TableVerdict::kAllowed, false};
    case Disposition::kClosed:
      return {TableVerdict::kDenied, false};
    case Disposition::kPoliced:
      break;
  }
  return decide_group(tables, policy.group, packet, goes_on);
}

bool is_failsafe(const PolicyTables& tables, Direction direction, PortSpace space, uint16_t port,
                 const net::IpAddr& peer) {
  for (auto at = tables.failsafes.lower_bound({direction, space, port, net::Cidr()});
       at != tables.failsafes.end() && at->direction == direction && at->space == space &&
       at->port == port;
       ++at)
    if (at->net.contains(peer)) return true;
  return false;
}

constexpr bool is_egress(HostHook hook) {
  return hook == HostHook::kForwardEgress || hook == HostHook::kEgress ||
         hook == HostHook::kUntrackedEgress;
}
constexpr bool is_untracked(HostHook hook) {
  return hook == HostHook::kUntrackedIngress || hook == HostHook::kUntrackedEgress;
}
constexpr bool is_forward(HostHook hook) {
  return hook == HostHook::kForwardIngress || hook == HostHook::kForwardEgress;
}

// Answers are recognised by their source port where nothing tracks connections.
bool is_failsafe(const PolicyTables& tables, HostHook hook, const PacketKey& packet) {
  if (is_forward(hook)) return false;
  const Direction own = is_egress(hook) ? Direction::kEgress : Direction::kIngress;
  const Direction other = is_egress(hook) ? Direction::kIngress : Direction::kEgress;
  return is_failsafe(tables, own, packet.space, packet.port, packet.peer) ||
         (is_untracked(hook) && packet.source_port &&
          is_failsafe(tables, other, packet.space, *packet.source_port, packet.peer));
}

}  // namespace

bool PolicyDelta::empty() const { return size() == 0; }

size_t PolicyDelta::size() const {
  return size_of(interfaces) + size_of(sources) + size_of(addresses) + size_of(ranges) +
         size_of(ports) + size_of(peers) + size_of(rows) + size_of(otherwise) + size_of(wide_rows) +
         size_of(logged) + size_of(refused) + size_of(own_splits) + size_of(port_splits) +
         size_of(hosts) + size_of(failsafes) + size_of(settings);
}

void PolicyDelta::merge(const PolicyDelta& later) {
  merge_into(interfaces, later.interfaces);
  merge_into(sources, later.sources);
  merge_into(addresses, later.addresses);
  merge_into(ranges, later.ranges);
  merge_into(ports, later.ports);
  merge_into(peers, later.peers);
  merge_into(rows, later.rows);
  merge_into(otherwise, later.otherwise);
  merge_into(wide_rows, later.wide_rows);
  merge_into(logged, later.logged);
  merge_into(refused, later.refused);
  merge_into(own_splits, later.own_splits);
  merge_into(port_splits, later.port_splits);
  merge_into(hosts, later.hosts);
  merge_into(failsafes, later.failsafes);
  merge_into(settings, later.settings);
}

PolicyDelta difference(const PolicyTables& from, const PolicyTables& to) {
  return {.interfaces = difference_of(from.interfaces, to.interfaces),
          .sources = difference_of(from.sources, to.sources),
          .addresses = difference_of(from.addresses, to.addresses),
          .ranges = difference_of(from.ranges, to.ranges),
          .ports = difference_of(from.ports, to.ports),
          .peers = difference_of(from.peers, to.peers),
          .rows = difference_of(from.rows, to.rows),
          .otherwise = difference_of(from.otherwise, to.otherwise),
          .wide_rows = difference_of(from.wide_rows, to.wide_rows),
          .logged = difference_of(from.logged, to.logged),
          .refused = difference_of(from.refused, to.refused),
          .own_splits = difference_of(from.own_splits, to.own_splits),
          .port_splits = difference_of(from.port_splits, to.port_splits),
          .hosts = difference_of(from.hosts, to.hosts),
          .failsafes = difference_of(from.failsafes, to.failsafes),
          .settings = difference_of(from.settings, to.settings)};
}

void apply(PolicyTables& tables, const PolicyDelta& delta) {
  apply_to(tables.interfaces, delta.interfaces);
  apply_to(tables.sources, delta.sources);
  apply_to(tables.addresses, delta.addresses);
  apply_to(tables.ranges, delta.ranges);
  apply_to(tables.ports, delta.ports);
  apply_to(tables.peers, delta.peers);
  apply_to(tables.rows, delta.rows);
  apply_to(tables.otherwise, delta.otherwise);
  apply_to(tables.wide_rows, delta.wide_rows);
  apply_to(tables.logged, delta.logged);
  apply_to(tables.refused, delta.refused);
  apply_to(tables.own_splits, delta.own_splits);
  apply_to(tables.port_splits, delta.port_splits);
  apply_to(tables.hosts, delta.hosts);
  apply_to(tables.failsafes, delta.failsafes);
  apply_to(tables.settings, delta.settings);
}

Decision decide(const PolicyTables& tables, Direction direction, const std::string& interface,
                const PacketKey& packet) {
  const auto policy = tables.interfaces.find({direction, interface});
  if (policy == tables.interfaces.end()) return {};
  return decide_policy(tables, policy->second, packet, false);
}

Decision decide(const PolicyTables& tables, HostHook hook, const std::string& interface,
                const PacketKey& packet) {
  auto policy = tables.hosts.find({hook, interface});
  if (policy == tables.hosts.end() && interface != kLoopback)
    policy = tables.hosts.find({hook, "*"});
  if (policy == tables.hosts.end()) return {TableVerdict::kUndecided, false};
  if (is_failsafe(tables, hook, packet)) return {TableVerdict::kAllowed, false};
  const bool goes_on = is_untracked(hook) || hook == HostHook::kPreDnat;
  return decide_policy(tables, policy->second, packet, goes_on);
}

bool allows(const PolicyTables& tables, Direction direction, const std::string& interface,
            const net::IpAddr& peer, PortSpace space, uint16_t space_port) {
  const PacketKey packet{peer, std::nullopt, space, space_port, std::nullopt};
  return decide(tables, direction, interface, packet).verdict == TableVerdict::kAllowed;
}

}  // namespace caracal::desired
