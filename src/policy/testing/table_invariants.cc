#include "policy/testing/table_invariants.h"

#include <fmt/format.h>

#include <set>

namespace caracal::policy_testing {
namespace {

using desired::GroupId;
using desired::PolicyTables;
using desired::PortSpace;
using desired::RowId;

std::string broken_intervals(const PolicyTables& t) {
  for (const net::Family family : net::kFamilies) {
    if (!t.ranges.contains(net::IpAddr::first(family))) return "ranges are not total";
  }
  for (const PortSpace space : desired::kPortSpaces) {
    if (!t.ports.contains({space, 0})) return "ports are not total";
  }
  for (const auto& [key, group] : t.port_splits) {
    for (const PortSpace space : {PortSpace::kTcp, PortSpace::kUdp, PortSpace::kSctp}) {
      if (!t.port_splits.contains({key.group, space, 0})) return "port splits are not total";
    }
  }
  const desired::WideRowKey* last = nullptr;
  for (const desired::WideRowKey& key : t.wide_rows) {
    if (key.first > key.last) return "an empty interval of a wide row";
    const bool together = last != nullptr && last->row == key.row && last->space == key.space;
    if (together && key.first <= last->last + 1) return "intervals of a wide row touch";
    last = &key;
  }
  return "";
}

std::set<GroupId> groups_of(const PolicyTables& t) {
  std::set<GroupId> out;
  for (const auto& [key, policy] : t.interfaces)
    if (policy.disposition == desired::Disposition::kPoliced) out.insert(policy.group);
  for (const auto& [key, policy] : t.hosts)
    if (policy.disposition == desired::Disposition::kPoliced) out.insert(policy.group);
  for (const auto& [key, group] : t.own_splits) out.insert(group);
  for (const auto& [key, group] : t.port_splits) out.insert(group);
  return out;
}

std::string broken_splits(const PolicyTables& t, const std::set<GroupId>& groups) {
  std::set<GroupId> own;
  std::set<GroupId> port;
  for (const auto& [key, group] : t.own_splits) own.insert(key.group);
  for (const auto& [key, group] : t.port_splits) port.insert(key.group);
  std::set<desired::IdentityId> identities;
  for (const auto* table : {&t.addresses, &t.ranges})
    for (const auto& [address, identity] : *table) identities.insert(identity);
  for (const auto& [key, group] : t.own_splits) {
    if (!identities.contains(key.identity)) return "an own split of an identity that nothing has";
    if (!groups.contains(key.group)) return "an own split of a group that nothing has";
    if (own.contains(group)) return "an own split leads to a group with own splits";
  }
  for (const auto& [key, group] : t.port_splits) {
    if (!groups.contains(key.group)) return "a port split of a group that nothing has";
    // A group may lead to itself where its source ports make no difference.
    if (group != key.group && port.contains(group))
      return "a port split leads to a group with port splits";
  }
  return "";
}

std::string broken_rows(const PolicyTables& t, const std::set<GroupId>& groups) {
  std::set<RowId> known;
  for (const auto& row : t.rows) known.insert(row.row);
  for (const auto& row : t.wide_rows) known.insert(row.row);
  for (const auto& row : t.logged) known.insert(row.row);
  for (const auto& row : t.refused) known.insert(row.row);
  std::set<RowId> used;
  for (const auto& [key, row] : t.peers) {
    if (!groups.contains(key.group)) return "a peers entry of a group that nothing has";
    if (row == 0) continue;
    if (!known.contains(row)) return "a peers entry with a row that is not there";
    used.insert(row);
  }
  for (const auto& [group, row] : t.otherwise) {
    if (!groups.contains(group)) return "an otherwise entry of a group that nothing has";
    if (t.peers.contains({group, desired::kAnyone}))
      return "a group with an entry for anyone and an otherwise entry";
    if (row == 0) continue;
    if (!known.contains(row)) return "an otherwise entry with a row that is not there";
    used.insert(row);
  }
  if (used != known) return "a row that no group has";
  return "";
}

}  // namespace

std::string broken_invariant(const PolicyTables& t) {
  for (const auto* addresses : {&t.addresses, &t.ranges}) {
    for (const auto& [key, identity] : *addresses)
      if (identity == 0) return "identity 0 for " + key.to_string();
  }
  if (auto broken = broken_intervals(t); !broken.empty()) return broken;
  const std::set<GroupId> groups = groups_of(t);
  if (auto broken = broken_splits(t, groups); !broken.empty()) return broken;
  return broken_rows(t, groups);
}

std::string size_text(const PolicyTables& t) {
  std::set<desired::PortClass> classes;
  for (const auto& [key, id] : t.ports) classes.insert(id);
  std::set<desired::IdentityId> identities;
  for (const auto& [key, id] : t.ranges) identities.insert(id);
  for (const auto& [key, id] : t.addresses) identities.insert(id);
  return fmt::format(
      "interfaces {} sources {} addresses {} ranges {} ports {} peers {} rows {} otherwise {} "
      "wide rows {} logged {} refused {} own splits {} port splits {} hosts {} failsafes {} "
      "settings {} groups {} classes {} identities {}",
      t.interfaces.size(), t.sources.size(), t.addresses.size(), t.ranges.size(), t.ports.size(),
      t.peers.size(), t.rows.size(), t.otherwise.size(), t.wide_rows.size(), t.logged.size(),
      t.refused.size(), t.own_splits.size(), t.port_splits.size(), t.hosts.size(),
      t.failsafes.size(), t.settings.size(), groups_of(t).size(), classes.size(),
      identities.size());
}

}  // namespace caracal::policy_testing
