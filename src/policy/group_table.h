// GroupTable: policy groups: local endpoints with the same policies in one direction share one
// group, and the group's verdict row for each identity.
//
// Fed by the engine: which groups endpoints need, which policies changed, which identities were
// born or are gone. Writes the table `peers`; rows go to the RowTable.
#pragma once

#include <map>
#include <unordered_map>
#include <vector>

#include "policy/group_program.h"
#include "policy/row_table.h"

namespace caracal::policy {

using desired::GroupId;

class GroupTable {
 public:
  // All outlive this.
  GroupTable(const PolicyTable& policies, const PredicateRegistry& predicates,
             const IdentityTable& identities, RowTable& rows,
             TrackedMap<desired::PeerKey, RowId>& peers)
      : policies_(policies),
        predicates_(predicates),
        identities_(identities),
        rows_(rows),
        peers_(peers) {}

  // The group of endpoints with these policies, of which `own_ports` (sorted) have the names that
  // their ingress rules use. REQUIRES: policies not empty, in order of evaluation.
  GroupId acquire(model::Direction direction, std::span<const PolicyIndex> policies,
                  std::span<const ClassPort> own_ports);
  void release(GroupId id);

  // Groups with a policy that changed are computed anew by the next update().
  void policies_changed();
  // Takes out what groups say of identities that are about to be freed.
  void forget(const std::vector<IdentityId>& gone);
  // Computes new and changed groups wholly, the others for the identities born. REQUIRES: every
  // policy in use is compiled.
  void update(const std::vector<IdentityId>& born);
  size_t size() const { return groups_.size(); }

 private:
  struct Group {
    ListId key = 0;
    model::Direction direction = model::Direction::kIngress;
    std::vector<PolicyIndex> policies;
    std::vector<ClassPort> own_ports;
    uint32_t users = 0;
    bool dirty = false;
    GroupProgram program;
    RowId anyone = 0;  // the row without any predicate
    std::unordered_map<IdentityId, RowId> entries;
  };
  struct SpecHash {
    size_t operator()(const GroupProgram::Spec& spec) const;
  };

  void index(GroupId id, bool add);
  // Calls `visit(group)` for the groups that may tell the identity from one without predicates.
  template <typename Visit>
  void for_each_concerned(IdentityId identity, const Visit& visit) const;
  RowId row_for(const Group& group, std::span<const PredicateId> predicates,
                std::span<const CidrId> cidrs);
  void rebuild(GroupId id);
  void set_entry(GroupId id, IdentityId identity, RowId row);  // takes over the caller's hold
  void drop_unused();

  const PolicyTable& policies_;
  const PredicateRegistry& predicates_;
  const IdentityTable& identities_;
  RowTable& rows_;
  TrackedMap<desired::PeerKey, RowId>& peers_;
  ListTable keys_;
  ListTable port_sets_;
  std::map<GroupId, Group> groups_;
  std::unordered_map<ListId, GroupId> by_key_;
  std::vector<GroupId> dirty_;
  std::vector<GroupId> unused_;
  std::unordered_map<PredicateId, std::vector<GroupId>> by_predicate_;
  std::unordered_map<CidrId, std::vector<GroupId>> by_cidr_;
  std::vector<GroupId> not_monotone_;
  // Within one update: specs already worked out (rows held), and port sets held for them.
  std::unordered_map<GroupProgram::Spec, RowId, SpecHash> known_specs_;
  std::vector<ListId> temporary_;
};

}  // namespace caracal::policy
