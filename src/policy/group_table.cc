#include "policy/group_table.h"

#include <algorithm>

namespace caracal::policy {

size_t GroupTable::SpecHash::operator()(const GroupProgram::Spec& spec) const {
  uint64_t hash = spec.size();
  for (const uint32_t word : spec) {
    hash = (hash ^ word) * 0xff51afd7ed558ccdull;
    hash ^= hash >> 32;
  }
  return static_cast<size_t>(hash);
}

GroupId GroupTable::acquire(model::Direction direction, std::span<const PolicyIndex> policies,
                            std::span<const ClassPort> own_ports) {
  std::vector<uint32_t> key;
  key.push_back(static_cast<uint32_t>(direction));
  key.push_back(static_cast<uint32_t>(policies.size()));
  key.insert(key.end(), policies.begin(), policies.end());
  for (const ClassPort& port : own_ports) {
    key.insert(key.end(), {port.name, port.port, port.protocol.number});
  }
  const ListId list = keys_.acquire(key);
  const auto it = by_key_.find(list);
  if (it != by_key_.end()) {
    keys_.release(list);  // held once, by the group
    ++groups_[it->second].users;
    return it->second;
  }
  GroupId id = 1;
  for (const auto& [used, group] : groups_) {
    if (used != id) break;
    ++id;
  }
  Group& group = groups_[id];
  group.key = list;
  group.direction = direction;
  group.policies.assign(policies.begin(), policies.end());
  group.own_ports.assign(own_ports.begin(), own_ports.end());
  group.users = 1;
  group.dirty = true;
  by_key_.emplace(list, id);
  dirty_.push_back(id);
  return id;
}

void GroupTable::release(GroupId id) {
  if (--groups_[id].users == 0) unused_.push_back(id);
}

void GroupTable::policies_changed() {
  for (auto& [id, group] : groups_) {
    if (group.dirty) continue;
    group.dirty = std::any_of(group.policies.begin(), group.policies.end(),
                              [&](PolicyIndex p) { return policies_.at(p).changed; });
    if (group.dirty) dirty_.push_back(id);
  }
}

void GroupTable::index(GroupId id, bool add) {
  const GroupProgram& program = groups_[id].program;
  const auto change = [&](auto& map, uint32_t key) {
    if (add) {
      map[key].push_back(id);
      return;
    }
    const auto it = map.find(key);
    if (it == map.end()) return;
    std::erase(it->second, id);
    if (it->second.empty()) map.erase(it);
  };
  for (const PredicateId p : program.predicates()) change(by_predicate_, p);
  for (const CidrId c : program.cidrs()) change(by_cidr_, c);
  if (program.monotone()) return;
  if (add) {
    not_monotone_.push_back(id);
  } else {
    std::erase(not_monotone_, id);
  }
}

template <typename Visit>
void GroupTable::for_each_concerned(IdentityId identity, const Visit& visit) const {
  std::vector<GroupId> out = not_monotone_;
  const auto append = [&](const auto& map, uint32_t key) {
    if (const auto it = map.find(key); it != map.end()) {
      out.insert(out.end(), it->second.begin(), it->second.end());
    }
  };
  for (const PredicateId p : identities_.endpoint_predicates(identity)) {
    append(by_predicate_, predicates_.is_resolved(p) ? predicates_.family_of(p) : p);
  }
  for (const CidrId c : identities_.cidr_predicates(identity)) append(by_cidr_, c);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  for (const GroupId id : out) visit(id);
}

RowId GroupTable::row_for(const Group& group, std::span<const PredicateId> predicates,
                          std::span<const CidrId> cidrs) {
  GroupProgram::Spec spec =
      group.program.match(predicates, cidrs, predicates_, port_sets_, temporary_);
  const auto [it, added] = known_specs_.try_emplace(std::move(spec));
  if (added) it->second = rows_.acquire(GroupProgram::allowed(it->first, port_sets_));
  return it->second;
}

void GroupTable::set_entry(GroupId id, IdentityId identity, RowId row) {
  Group& group = groups_[id];
  const auto it = group.entries.find(identity);
  const RowId before = it == group.entries.end() ? 0 : it->second;
  if (before == row) return;
  rows_.retain(row);
  rows_.release(before);
  if (row == 0) {
    group.entries.erase(it);
    peers_.erase({id, identity});
  } else {
    group.entries.insert_or_assign(identity, row);
    peers_.set({id, identity}, row);
  }
}

void GroupTable::forget(const std::vector<IdentityId>& gone) {
  for (const IdentityId identity : gone) {
    for_each_concerned(identity, [&](GroupId id) { set_entry(id, identity, 0); });
  }
}

void GroupTable::rebuild(GroupId id) {
  Group& group = groups_[id];
  index(id, false);
  GroupProgram old = std::exchange(
      group.program,
      GroupProgram(policies_, group.policies, group.direction, group.own_ports, port_sets_));
  const std::vector<ListId> held = old.take_held();
  temporary_.insert(temporary_.end(), held.begin(), held.end());
  index(id, true);

  const GroupProgram& program = group.program;
  group.anyone = row_for(group, {}, {});
  std::vector<IdentityId> identities;
  if (program.monotone()) {
    const auto append = [&](std::span<const IdentityId> list) {
      identities.insert(identities.end(), list.begin(), list.end());
    };
    for (const PredicateId p : program.predicates()) {
      append(identities_.with_endpoint_predicate(p));
      for (const PredicateId r : predicates_.resolved_of(p)) {
        append(identities_.with_endpoint_predicate(r));
      }
    }
    for (const CidrId c : program.cidrs()) append(identities_.with_cidr_predicate(c));
    std::sort(identities.begin(), identities.end());
    identities.erase(std::unique(identities.begin(), identities.end()), identities.end());
  } else {
    identities = identities_.all();
  }

  std::vector<IdentityId> stale;
  for (const auto& [identity, row] : group.entries) {
    if (!std::binary_search(identities.begin(), identities.end(), identity))
      stale.push_back(identity);
  }
  for (const IdentityId identity : stale) set_entry(id, identity, 0);
  set_entry(id, desired::kAnyone, program.monotone() ? group.anyone : 0);
  for (const IdentityId identity : identities) {
    const RowId row = row_for(group, identities_.endpoint_predicates(identity),
                              identities_.cidr_predicates(identity));
    set_entry(id, identity, program.monotone() && row == group.anyone ? 0 : row);
  }
}

void GroupTable::drop_unused() {
  for (const GroupId id : std::exchange(unused_, {})) {
    const auto it = groups_.find(id);
    if (it == groups_.end() || it->second.users > 0) continue;
    Group& group = it->second;
    index(id, false);
    for (const ListId held : group.program.take_held()) port_sets_.release(held);
    for (const auto& [identity, row] : group.entries) {
      rows_.release(row);
      peers_.erase({id, identity});
    }
    by_key_.erase(group.key);
    keys_.release(group.key);
    groups_.erase(it);
  }
}

void GroupTable::update(const std::vector<IdentityId>& born) {
  drop_unused();
  for (const IdentityId identity : born) {
    for_each_concerned(identity, [&](GroupId id) {
      const Group& group = groups_[id];
      if (group.dirty) return;
      const RowId row = row_for(group, identities_.endpoint_predicates(identity),
                                identities_.cidr_predicates(identity));
      set_entry(id, identity, group.program.monotone() && row == group.anyone ? 0 : row);
    });
  }
  for (const GroupId id : std::exchange(dirty_, {})) {
    const auto it = groups_.find(id);
    if (it == groups_.end() || !it->second.dirty) continue;
    it->second.dirty = false;
    rebuild(id);
  }
  for (const auto& [spec, row] : known_specs_) rows_.release(row);
  known_specs_.clear();
  for (const ListId id : temporary_) port_sets_.release(id);
  temporary_.clear();
}

}  // namespace caracal::policy
