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

GroupId GroupTable::new_group() {
  if (free_.empty()) {
    groups_.push_back(std::make_unique<Group>());
    return static_cast<GroupId>(groups_.size() - 1);
  }
  const GroupId id = free_.top();
  free_.pop();
  groups_[id] = std::make_unique<Group>();
  return id;
}

void GroupTable::mark_dirty(GroupId id) {
  if (!std::exchange(at(id).dirty, true)) dirty_.push(id);
}

GroupId GroupTable::acquire(const GroupForm& form) {
  std::vector<uint32_t> key;
  // Most have policies and nothing else.
  key.push_back(static_cast<uint32_t>(form.direction) | static_cast<uint32_t>(form.undecided) << 1 |
                (form.splits ? 8u : 0u) | (form.by_address ? 16u : 0u) |
                static_cast<uint32_t>(form.policies.size()) << 5);
  key.insert(key.end(), form.policies.begin(), form.policies.end());
  if (!(form.excluded.empty() && form.unnamed.empty() && form.own_ports.empty() &&
        form.named_ports.empty())) {
    for (const NumberList* list : {&form.excluded, &form.unnamed})
      key.push_back(static_cast<uint32_t>(list->size()));
  }
  key.insert(key.end(), form.excluded.begin(), form.excluded.end());
  key.insert(key.end(), form.unnamed.begin(), form.unnamed.end());
  for (const ClassPort& port : form.own_ports) {
    key.insert(key.end(), {port.name, port.port, port.protocol.number});
  }
  for (const OwnPort& port : form.named_ports) {
    key.insert(key.end(), {port.rule, port.negative ? 1u : 0u, port.port, port.protocol.number});
  }
  const ListId list = keys_.acquire(key);
  if (by_key_.size() <= list) by_key_.resize(list + 1);
  if (const GroupId known = by_key_[list]; known != 0) {
    keys_.release(list);  // held once, by the group
    ++at(known).users;
    return known;
  }
  const GroupId id = new_group();
  Group& group = at(id);
  group.key = list;
  group.form = form;
  group.users = 1;
  by_key_[list] = id;
  mark_dirty(id);
  return id;
}

void GroupTable::release(GroupId id) {
  if (--at(id).users == 0) unused_.push_back(id);
}

void GroupTable::policies_changed(const std::vector<PolicyIndex>& recompiled) {
  if (recompiled.empty()) return;
  for (GroupId id = 1; id < groups_.size(); ++id) {
    // Parts follow their group.
    if (!exists(id) || at(id).dirty || at(id).parent != 0) continue;
    const NumberList& policies = at(id).form.policies;
    const bool changed = std::any_of(policies.begin(), policies.end(), [&](PolicyIndex p) {
      return std::binary_search(recompiled.begin(), recompiled.end(), p);
    });
    if (changed) mark_dirty(id);
  }
}

void GroupTable::tiers_changed() {
  for (GroupId id = 1; id < groups_.size(); ++id) {
    if (exists(id) && at(id).parent == 0) mark_dirty(id);
  }
}

void GroupTable::index(GroupId id, bool add) {
  at(id).program.for_each_term([&](Term term) {
    if (!add) {
      by_term_[term].swap_remove(id);
      return;
    }
    if (by_term_.size() <= term) by_term_.resize(term + 1);
    by_term_[term].push_back(id);
  });
}

template <typename Visit>
void GroupTable::for_each_concerned(IdentityId identity, const Visit& visit) const {
  std::vector<GroupId> out;
  const auto append = [&](Term term) {
    if (term < by_term_.size()) out.insert(out.end(), by_term_[term].begin(), by_term_[term].end());
  };
  for (const PredicateId p : identities_.endpoint_predicates(identity)) {
    append(term_of(predicates_.is_resolved(p) ? predicates_.family_of(p) : p));
  }
  for (const CidrId c : identities_.cidr_predicates(identity)) append(term_of_cidr(c));
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  for (const GroupId id : out) visit(id);
}

RowId GroupTable::row_for(const Group& group, std::span<const PredicateId> predicates,
                          std::span<const CidrId> cidrs) {
  GroupProgram::Spec spec =
      group.program.match(predicates, cidrs, predicates_, port_sets_, temporary_);
  const auto [it, added] = known_specs_.try_emplace(std::move(spec));
  if (added) it->second = rows_.acquire(GroupProgram::content(it->first, port_sets_));
  return it->second;
}

void GroupTable::set_base(GroupId id, RowId row, bool is_otherwise) {
  Group& group = at(id);
  if (group.base == row && group.base_is_otherwise == is_otherwise) return;
  rows_.retain(row);
  rows_.release(group.base);
  group.base = row;
  group.base_is_otherwise = is_otherwise;
  const desired::PeerKey anyone{id, desired::kAnyone};
  if (row != 0 && is_otherwise) {
    tables_.otherwise.set(id, row);
  } else {
    tables_.otherwise.erase(id);
  }
  if (row != 0 && !is_otherwise) {
    tables_.peers.set(anyone, row);
  } else {
    tables_.peers.erase(anyone);
  }
}

void GroupTable::set_entry(GroupId id, IdentityId identity, RowId row) {
  const auto it = tables_.peers.find({id, identity});
  const RowId before = it == tables_.peers.live().end() ? kNoEntry : it->second;
  if (before == row) return;
  if (row != kNoEntry) rows_.retain(row);
  if (before != kNoEntry) rows_.release(before);
  if (row == kNoEntry) {
    tables_.peers.erase({id, identity});
  } else {
    tables_.peers.set({id, identity}, row);
  }
}

void GroupTable::set_identity(GroupId id, IdentityId identity) {
  const Group& group = at(id);
  const RowId row = row_for(group, identities_.endpoint_predicates(identity),
                            identities_.cidr_predicates(identity));
  // Where nothing more is allowed than for anyone, the base says it already.
  set_entry(id, identity, row == group.base ? kNoEntry : row);
}

void GroupTable::forget(const std::vector<IdentityId>& gone) {
  for (const IdentityId identity : gone) {
    for_each_concerned(identity, [&](GroupId id) { set_entry(id, identity, kNoEntry); });
  }
}

void GroupTable::rebuild(GroupId id) {
  Group& group = at(id);
  index(id, false);
  std::optional<SourcePort> source;
  if (group.parent != 0) source = group.source;
  GroupProgram old =
      std::exchange(group.program, GroupProgram(policies_, group.form, source, port_sets_));
  const NumberList held = old.take_held();
  temporary_.insert(temporary_.end(), held.begin(), held.end());
  index(id, true);

  const GroupProgram& program = group.program;
  set_base(id, row_for(group, {}, {}), !program.monotone());
  std::vector<IdentityId> identities;
  const auto append = [&](std::span<const IdentityId> list) {
    identities.insert(identities.end(), list.begin(), list.end());
  };
  program.for_each_term([&](Term term) {
    if (is_cidr(term)) {
      append(identities_.with_cidr_predicate(number_of(term)));
      return;
    }
    append(identities_.with_endpoint_predicate(number_of(term)));
    for (const PredicateId r : predicates_.resolved_of(number_of(term))) {
      append(identities_.with_endpoint_predicate(r));
    }
  });
  std::sort(identities.begin(), identities.end());
  identities.erase(std::unique(identities.begin(), identities.end()), identities.end());

  std::vector<IdentityId> stale;
  for (const auto& [key, row] : entries(id)) {
    if (!std::binary_search(identities.begin(), identities.end(), key.identity))
      stale.push_back(key.identity);
  }
  for (const IdentityId identity : stale) set_entry(id, identity, kNoEntry);
  for (const IdentityId identity : identities) set_identity(id, identity);
  if (group.parent == 0) rebuild_parts(id);
}

// Makes a part for each way in which source ports are treated.
void GroupTable::rebuild_parts(GroupId id) {
  Group& group = at(id);  // stays where it is while groups come and go
  std::vector<GroupProgram::SourceInterval> intervals;
  if (group.program.has_sources())
    intervals = GroupProgram::cut_sources(policies_, group.form, predicates_);
  if (group.program.source_families().empty()) {
    by_source_name_.erase(id);
  } else {
    by_source_name_.insert(id);
  }
  if (intervals.empty() && !group.by_port) return;
  if (!group.by_port) group.by_port = std::make_unique<PortSplits>();
  std::vector<Part>& parts = group.by_port->parts;
  std::vector<Part> old = std::exchange(parts, {});
  std::vector<std::pair<desired::PortSplitKey, GroupId>> splits;
  for (const GroupProgram::SourceInterval& interval : intervals) {
    const auto same = [&](const Part& part) { return part.signature == interval.signature; };
    auto part = std::find_if(parts.begin(), parts.end(), same);
    if (part == parts.end()) {
      const auto kept = std::find_if(old.begin(), old.end(), same);
      Part next{interval.signature, 0};
      if (kept != old.end()) {
        next.group = kept->group;
        old.erase(kept);
      } else {
        next.group = new_group();
      }
      Group& made = at(next.group);
      made.parent = id;
      made.source = interval.first;
      made.form = group.form;
      mark_dirty(next.group);
      parts.push_back(std::move(next));
      part = std::prev(parts.end());
    }
    splits.push_back({{id, interval.first.space, interval.first.port}, part->group});
  }
  for (const auto& before : group.by_port->splits) {
    const bool stays = std::any_of(splits.begin(), splits.end(),
                                   [&](const auto& split) { return split.first == before.first; });
    if (!stays) tables_.port_splits.erase(before.first);
  }
  for (const auto& [key, target] : splits) tables_.port_splits.set(key, target);
  group.by_port->splits = std::move(splits);
  if (intervals.empty()) group.by_port.reset();
  for (const Part& part : old) drop(part.group);
}

void GroupTable::drop(GroupId id) {
  Group& group = at(id);
  if (group.by_port) {
    for (const Part& part : group.by_port->parts) drop(part.group);
    for (const auto& [key, target] : group.by_port->splits) tables_.port_splits.erase(key);
  }
  index(id, false);
  by_source_name_.erase(id);
  for (const ListId held : group.program.take_held()) temporary_.push_back(held);
  set_base(id, 0, false);
  std::vector<desired::PeerKey> left;
  for (const auto& [key, row] : entries(id)) {
    rows_.release(row);
    left.push_back(key);
  }
  for (const desired::PeerKey& key : left) tables_.peers.erase(key);
  if (group.key != 0) {
    by_key_[group.key] = 0;
    keys_.release(group.key);
  }
  groups_[id].reset();
  free_.push(id);
}

void GroupTable::drop_unused() {
  for (const GroupId id : std::exchange(unused_, {})) {
    if (exists(id) && at(id).key != 0 && at(id).users == 0) drop(id);
  }
}

void GroupTable::update(const std::vector<IdentityId>& born,
                        const std::vector<PredicateId>& families) {
  drop_unused();
  if (!families.empty()) {
    for (const GroupId id : by_source_name_) {
      const auto& own = at(id).program.source_families();
      const bool concerned = std::any_of(families.begin(), families.end(), [&](PredicateId f) {
        return std::binary_search(own.begin(), own.end(), f);
      });
      if (concerned && at(id).parent == 0) mark_dirty(id);
    }
  }
  for (const IdentityId identity : born) {
    for_each_concerned(identity, [&](GroupId id) {
      const Group& group = at(id);
      // What is computed anew has no valid program now.
      const bool stale = group.dirty || (group.parent != 0 && at(group.parent).dirty);
      if (!stale) set_identity(id, identity);
    });
  }
  for (; !dirty_.empty(); dirty_.pop()) {
    const GroupId id = dirty_.front();
    if (exists(id) && std::exchange(at(id).dirty, false)) rebuild(id);
  }
  for (const auto& [spec, row] : known_specs_) rows_.release(row);
  known_specs_.clear();
  for (const ListId id : temporary_) port_sets_.release(id);
  temporary_.clear();
}

}  // namespace caracal::policy
