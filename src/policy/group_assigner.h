// GroupAssigner: puts endpoints of this node into groups, by their policies and by what those ask
// of the endpoint itself: its named ports and its own address.
//
// Where rules tell an endpoint's own addresses apart, all but one lead to another group. Shared by
// LocalEndpoints and HostEndpoints; writes the table `own_splits`.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "policy/address_facts.h"
#include "policy/group_table.h"
#include "policy/tracked_table.h"

namespace caracal::policy {

// The group of an endpoint in one direction, and those of its other addresses.
struct Assignment {
  GroupId group = 0;
  std::vector<std::pair<net::IpAddr, GroupId>> splits;
};

// The local end as rules may ask for it.
struct OwnEnd {
  ClassId cls = 0;
  std::vector<net::IpAddr> addresses;
  // Packets of other addresses come here too; rules that ask for the own address then do not match
  // them, except those that deny.
  bool others = false;
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
  bool asks_self(const std::vector<PolicyIndex>& policies, model::Direction direction) const;
  // Single addresses that rules ask for as the own one.
  std::vector<net::IpAddr> asked_addresses(const std::vector<PolicyIndex>& policies,
                                           model::Direction direction) const;
  // Puts it where `form` (direction, undecided and policies; enforced ones only) says.
  void assign(Assignment& assignment, GroupForm form, const OwnEnd& own);
  void release(Assignment& assignment);

  const AddressFacts& facts() const { return facts_; }

 private:
  std::vector<ClassPort> own_ports(const GroupForm& form, ClassId cls) const;
  std::vector<uint32_t> excluded(const GroupForm& form, const std::vector<Term>* terms) const;

  const EndpointIndex& endpoints_;
  const PolicyTable& policies_;
  const AddressFacts& facts_;
  GroupTable& groups_;
  TrackedMap<desired::OwnSplitKey, GroupId>& own_splits_;
  std::map<desired::OwnSplitKey, uint32_t> split_users_;
};

}  // namespace caracal::policy
