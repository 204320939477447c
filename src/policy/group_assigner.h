// GroupAssigner: puts endpoints of this node into groups, by their policies and by what those ask
// of the endpoint itself: its named ports and its own address.
//
// Where rules tell own addresses apart, all but those of one kind lead to another group, by the
// identity of the own address. A pod's are those of its interface; a host's may be any address
// there is, so every identity that such a rule can tell from an address without predicates has an
// entry. Shared by LocalEndpoints and HostEndpoints; writes the table `own_splits`.
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "policy/address_facts.h"
#include "policy/group_table.h"
#include "policy/tracked_table.h"

namespace caracal::policy {

// The group of an endpoint in one direction, and those of other own addresses than the first.
struct Assignment {
  GroupId group = 0;
  std::unique_ptr<std::map<IdentityId, GroupId>> splits;  // null: none, as for most

  void split(IdentityId identity, GroupId target) {
    if (!splits) splits = std::make_unique<std::map<IdentityId, GroupId>>();
    splits->emplace(identity, target);
  }
};

// What the rules of a host's form ask of the own address, and what holds for one without
// predicates.
struct HostAssignment {
  Assignment assignment;
  GroupForm form;  // of the group itself
  std::vector<Term> terms;
  std::vector<PredicateId> families;
};

class GroupAssigner {
 public:
  // All outlive this.
  GroupAssigner(const EndpointIndex& endpoints, const PolicyTable& policies,
                const AddressFacts& facts, GroupTable& groups,
                TrackedMap<desired::OwnSplitKey, GroupId>& own_splits)
      : endpoints_(endpoints),
        policies_(policies),
        facts_(facts),
        groups_(groups),
        own_splits_(own_splits) {}

  // Does a policy of the list ask for the own address?
  bool asks_self(const NumberList& policies, model::Direction direction) const;
  // Puts a pod where `form` (direction, undecided and policies; enforced ones only) says.
  void assign(Assignment& assignment, GroupForm form, ClassId cls,
              const std::vector<net::IpAddr>& own_addresses);
  void release(Assignment& assignment);

  // Likewise a host endpoint. REQUIRES: its policies are compiled for hosts.
  HostAssignment assign_host(GroupForm form);
  // Follows identities that came into use, and that went out of it.
  void follow(HostAssignment& host, const std::vector<IdentityId>& born,
              const std::vector<IdentityId>& gone);

  const AddressFacts& facts() const { return facts_; }
  // What of a class rules about the own end may ask for.
  std::span<const PredicateId> predicates_of(ClassId cls) const {
    return cls == 0 ? std::span<const PredicateId>()
                    : facts_.predicates().held_by(endpoints_.at(cls));
  }

 private:
  std::vector<ClassPort> own_ports(const GroupForm& form, ClassId cls) const;
  template <typename Visit>
  void for_each_rule(const GroupForm& form, const Visit& visit) const;
  void ask(HostAssignment& host) const;
  // What of the form depends on the own address: `excluded`, and `named_ports` of a host or
  // `unnamed` of a pod (of class `cls`).
  void set_own(GroupForm& form, const OwnFacts& own, ClassId cls) const;
  bool names_endpoint(const RareConditions& rare, const OwnFacts& own, ClassId cls) const;
  std::vector<OwnPort> named_ports(const GroupForm& form, const OwnFacts& own) const;
  void add_split(HostAssignment& host, IdentityId identity);
  void take(GroupId group, IdentityId identity, GroupId target);
  void give(GroupId group, IdentityId identity, GroupId target);

  const EndpointIndex& endpoints_;
  const PolicyTable& policies_;
  const AddressFacts& facts_;
  GroupTable& groups_;
  TrackedMap<desired::OwnSplitKey, GroupId>& own_splits_;
  std::map<desired::OwnSplitKey, uint32_t> split_users_;
};

}  // namespace caracal::policy
