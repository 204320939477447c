// judge.h's takes_away(): compares only what a delta touches, so that the many deltas of a busy
// cluster that only add cost next to nothing.
#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "dataplane/conntrack/judge.h"

namespace caracal::dataplane::conntrack {
namespace {

using desired::Disposition;
using desired::IdentityId;
using desired::PeerKey;
using desired::PolicyDelta;
using desired::PolicyTables;
using desired::RowId;
using desired::RowKey;

// The value of `key` once the delta is applied; nullopt: no entry.
template <typename Key, typename Value>
std::optional<Value> after(const std::map<Key, Value>& before,
                           const desired::MapDelta<Key, Value>& delta, const Key& key) {
  if (const auto it = delta.set.find(key); it != delta.set.end()) return it->second;
  if (delta.erase.contains(key)) return std::nullopt;
  const auto it = before.find(key);
  return it == before.end() ? std::nullopt : std::optional<Value>(it->second);
}

template <typename Key, typename Value>
bool replaces(const std::map<Key, Value>& before, const desired::MapDelta<Key, Value>& delta) {
  const auto held = [&](const Key& key) { return before.contains(key); };
  if (std::any_of(delta.erase.begin(), delta.erase.end(), held)) return true;
  return std::any_of(delta.set.begin(), delta.set.end(), [&](const auto& entry) {
    const auto it = before.find(entry.first);
    return it != before.end() && it->second != entry.second;
  });
}

// An interface that was there and may let through less now.
bool closes_interface(const PolicyTables& before, const PolicyDelta& delta) {
  for (const auto& key : delta.interfaces.erase) {
    if (before.interfaces.contains(key)) return true;
  }
  for (const auto& [key, now] : delta.interfaces.set) {
    const auto was = before.interfaces.find(key);
    if (was == before.interfaces.end() || was->second == now) continue;
    if (was->second.disposition != Disposition::kClosed && now.disposition != Disposition::kOpen)
      return true;
  }
  return false;
}

IdentityId range_identity(const PolicyTables& before, const net::IpAddr& address) {
  auto it = before.ranges.upper_bound(address);
  if (it == before.ranges.begin()) return desired::kUnknownIdentity;
  --it;
  return it->first.family() == address.family() ? it->second : desired::kUnknownIdentity;
}

std::optional<RowId> row_before(const PolicyTables& tables, desired::GroupId group,
                                IdentityId identity) {
  if (const auto it = tables.peers.find({group, identity}); it != tables.peers.end())
    return it->second;
  const auto it = tables.otherwise.find(group);
  return it == tables.otherwise.end() ? std::nullopt : std::optional<RowId>(it->second);
}

// Is all that row `was` allowed also allowed by row `now`, once the delta is applied?
bool includes(const PolicyTables& before, const PolicyDelta& delta, RowId was,
              std::optional<RowId> now) {
  const auto allowed_now = [&](const RowKey& key) {
    if (delta.rows.add.contains(key)) return true;
    return !delta.rows.erase.contains(key) && before.rows.contains(key);
  };
  for (auto it = before.rows.lower_bound({was, 0}); it != before.rows.end() && it->row == was;
       ++it) {
    if (!now || !allowed_now({*now, it->port_class})) return false;
  }
  const auto wide = before.wide_rows.lower_bound({was, desired::PortSpace::kTcp, 0, 0});
  const bool has_wide = wide != before.wide_rows.end() && wide->row == was;
  return !has_wide || now == was;
}

// Addresses that change from one identity to another: is there a group in which the new one may do
// less? Each pair of identities is compared once.
class IdentityChanges {
 public:
  IdentityChanges(const PolicyTables& before, const PolicyDelta& delta)
      : before_(before), delta_(delta) {
    for (const auto& [key, policy] : before.interfaces) {
      if (policy.disposition == Disposition::kPoliced) groups_.insert(policy.group);
    }
    for (const auto& [key, group] : before.own_splits) groups_.insert(group);
    for (const auto& [key, group] : before.port_splits) groups_.insert(group);
  }

  bool lose(const net::IpAddr& address, std::optional<IdentityId> now) {
    const auto exact = before_.addresses.find(address);
    const IdentityId range = range_identity(before_, address);
    const IdentityId was = exact != before_.addresses.end() ? exact->second : range;
    const IdentityId becomes = now.value_or(range);
    const auto [it, fresh] = seen_.try_emplace({was, becomes}, false);
    if (fresh) it->second = compare(was, becomes);
    return it->second;
  }

 private:
  // Where the address is an endpoint's own: does a group send it to another one now?
  bool leads_elsewhere(IdentityId was, IdentityId now) const {
    for (auto it = before_.own_splits.begin(); it != before_.own_splits.end();) {
      const desired::GroupId group = it->first.group;
      const auto target = [&](IdentityId identity) {
        const auto found = before_.own_splits.find({group, identity});
        return found == before_.own_splits.end() ? group : found->second;
      };
      if (target(was) != target(now)) return true;
      it = before_.own_splits.upper_bound({group, ~IdentityId{0}});
    }
    return false;
  }
  bool compare(IdentityId was, IdentityId now) const {
    if (leads_elsewhere(was, now)) return true;
    for (const desired::GroupId group : groups_) {
      const std::optional<RowId> old_row = row_before(before_, group, was);
      if (!old_row) continue;
      std::optional<RowId> new_row = after(before_.peers, delta_.peers, PeerKey{group, now});
      if (!new_row) new_row = after(before_.otherwise, delta_.otherwise, group);
      if (!includes(before_, delta_, *old_row, new_row)) return true;
    }
    return false;
  }

  const PolicyTables& before_;
  const PolicyDelta& delta_;
  std::set<desired::GroupId> groups_;
  std::map<std::pair<IdentityId, IdentityId>, bool> seen_;
};

// An entry of peers that lets through less than what was read before it was there, or changed.
bool closes_peer(const PolicyTables& before, const PolicyDelta& delta) {
  for (const PeerKey& key : delta.peers.erase) {
    if (before.peers.contains(key)) return true;
  }
  for (const auto& [key, row] : delta.peers.set) {
    const auto was = row_before(before, key.group, key.identity);
    if (was && *was != row && !includes(before, delta, *was, row)) return true;
  }
  return false;
}

}  // namespace

bool takes_away(const PolicyTables& before, const PolicyDelta& delta) {
  if (!delta.sources.erase.empty() || closes_interface(before, delta)) return true;
  const auto to_host = delta.settings.set.find(desired::Setting::kToHost);
  if (to_host != delta.settings.set.end() && to_host->second == 0) return true;
  // Without a policed interface nothing below is read.
  if (std::none_of(before.interfaces.begin(), before.interfaces.end(), [](const auto& entry) {
        return entry.second.disposition == Disposition::kPoliced;
      })) {
    return false;
  }
  // What cuts address ranges or ports anew, or splits groups, comes from a change of policy: rare,
  // and not worth a comparison.
  if (replaces(before.ranges, delta.ranges) || !delta.ranges.set.empty()) return true;
  if (!delta.ports.empty() || !delta.own_splits.empty() || !delta.port_splits.empty()) return true;
  if (!delta.wide_rows.erase.empty() || replaces(before.otherwise, delta.otherwise)) return true;
  // A new `otherwise` entry goes with a changed or new group; what was allowed to anyone is told by
  // the erased peers entry.
  if (std::any_of(delta.rows.erase.begin(), delta.rows.erase.end(),
                  [&](const RowKey& key) { return before.rows.contains(key); })) {
    return true;
  }
  if (closes_peer(before, delta)) return true;
  IdentityChanges changes(before, delta);
  for (const auto& [address, identity] : delta.addresses.set) {
    if (changes.lose(address, identity)) return true;
  }
  for (const net::IpAddr& address : delta.addresses.erase) {
    if (changes.lose(address, std::nullopt)) return true;
  }
  return false;
}

}  // namespace caracal::dataplane::conntrack
