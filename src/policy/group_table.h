// GroupTable: policy groups: local endpoints with the same policies in one direction share one
// group, and the group's verdict row for each identity.
//
// A group with rules about source ports has parts: groups of their own, one for each set of source
// port intervals that the rules treat alike; what is in the group itself then holds for protocols
// without ports.
//
// Fed by the engine: which groups endpoints need, which policies changed, which identities were
// born or are gone. Writes the tables `peers`, `otherwise` and `port_splits`; rows go to the
// RowTable.
#pragma once

#include <map>
#include <memory>
#include <queue>
#include <set>
#include <unordered_map>
#include <vector>

#include "policy/group_program.h"
#include "policy/row_table.h"

namespace caracal::policy {

using desired::GroupId;

class GroupTable {
 public:
  struct Tables {
    TrackedMap<desired::PeerKey, RowId>& peers;
    TrackedMap<GroupId, RowId>& otherwise;
    TrackedMap<desired::PortSplitKey, GroupId>& port_splits;
  };
  // All outlive this.
  GroupTable(const PolicyTable& policies, const PredicateRegistry& predicates,
             const IdentityTable& identities, RowTable& rows, const Tables& tables)
      : policies_(policies),
        predicates_(predicates),
        identities_(identities),
        rows_(rows),
        tables_(tables) {}

  // The group of endpoints of this form.
  GroupId acquire(const GroupForm& form);
  void release(GroupId id);

  // Groups with one of these policies (sorted) are computed anew by the next update().
  void policies_changed(const std::vector<PolicyIndex>& recompiled);
  // The ends of tiers may be others: every group is computed anew.
  void tiers_changed();
  // Takes out what groups say of identities that are about to be freed.
  void forget(const std::vector<IdentityId>& gone);
  // Computes new and changed groups wholly, the others for the identities born. `families`: those
  // whose resolved predicates changed. REQUIRES: every policy in use is compiled.
  void update(const std::vector<IdentityId>& born, const std::vector<PredicateId>& families);
  size_t size() const { return groups_.size() - 1 - free_.size(); }

 private:
  // A part of a group, and the source ports that lead to it.
  struct Part {
    std::vector<uint32_t> signature;
    GroupId group = 0;
  };
  struct PortSplits {
    std::vector<Part> parts;
    std::vector<std::pair<desired::PortSplitKey, GroupId>> splits;  // as written
  };
  struct Group {
    ListId key = 0;      // 0: a part
    GroupId parent = 0;  // of a part
    SourcePort source;   // of a part
    GroupForm form;
    uint32_t users = 0;
    bool dirty = false;
    GroupProgram program;
    RowId base = 0;  // the row without any predicate, while `otherwise` or (group, kAnyone) hold it
    bool base_is_otherwise = false;
    std::unique_ptr<PortSplits> by_port;  // where source ports split it
  };
  struct SpecHash {
    size_t operator()(const GroupProgram::Spec& spec) const;
  };
  static constexpr RowId kNoEntry = ~RowId{0};

  GroupId new_group();
  Group& at(GroupId id) { return *groups_[id]; }
  const Group& at(GroupId id) const { return *groups_[id]; }
  bool exists(GroupId id) const { return id < groups_.size() && groups_[id] != nullptr; }
  void mark_dirty(GroupId id);
  void index(GroupId id, bool add);
  // Calls `visit(group)` for the groups that may tell the identity from one without predicates.
  template <typename Visit>
  void for_each_concerned(IdentityId identity, const Visit& visit) const;
  RowId row_for(const Group& group, std::span<const PredicateId> predicates,
                std::span<const CidrId> cidrs);
  void rebuild(GroupId id);
  void rebuild_parts(GroupId id);
  void set_base(GroupId id, RowId row, bool is_otherwise);
  void set_identity(GroupId id, IdentityId identity);
  void set_entry(GroupId id, IdentityId identity, RowId row);  // kNoEntry: none
  // The group's entries in `peers` other than the one for anyone; from `first` to its `end`.
  auto entries(GroupId id) const {
    struct Range {
      std::map<desired::PeerKey, RowId>::const_iterator first, last;
      auto begin() const { return first; }
      auto end() const { return last; }
    };
    const auto& live = tables_.peers.live();
    return Range{live.lower_bound({id, desired::kAnyone + 1}), live.lower_bound({id + 1, 0})};
  }
  void drop(GroupId id);
  void drop_unused();

  const PolicyTable& policies_;
  const PredicateRegistry& predicates_;
  const IdentityTable& identities_;
  RowTable& rows_;
  Tables tables_;
  ListTable keys_;
  ListTable port_sets_;
  std::vector<std::unique_ptr<Group>> groups_ = std::vector<std::unique_ptr<Group>>(1);
  std::priority_queue<GroupId, std::vector<GroupId>, std::greater<>> free_;
  std::vector<GroupId> by_key_;  // by list of keys_
  std::queue<GroupId> dirty_;
  std::vector<GroupId> unused_;
  std::vector<NumberList> by_term_;   // of GroupId, by term
  std::set<GroupId> by_source_name_;  // groups whose source ports depend on names
  // Within one update: specs already worked out (rows held), and port sets held for them.
  std::unordered_map<GroupProgram::Spec, RowId, SpecHash> known_specs_;
  std::vector<ListId> temporary_;
};

}  // namespace caracal::policy
