// IdentityTable: identities, each the set of predicates that its addresses satisfy.
//
// An identity is a pair of lists: endpoint predicates (through the pods that hold the address) and
// CIDR predicates (through the address itself). Identities are counted by the addresses and ranges
// that have them. Fed by the engine; read by the group table, which must see those born and gone
// between two flushes. Numbers are the IdentityIds of the tables; 1 is the identity without
// predicates, always there.
#pragma once

#include <utility>
#include <vector>

#include "desired/policy_tables.h"
#include "policy/cidr_registry.h"
#include "policy/list_table.h"
#include "policy/predicate_registry.h"

namespace caracal::policy {

using desired::IdentityId;

class IdentityTable {
 public:
  // Both outlive this: where the lists of an identity live.
  IdentityTable(ListTable& endpoint_sets, ListTable& cidr_sets);

  IdentityId acquire(ListId endpoint_set, ListId cidr_set);
  void release(IdentityId id);

  std::span<const PredicateId> endpoint_predicates(IdentityId id) const {
    return endpoint_sets_.list(identities_[id].endpoint_set);
  }
  std::span<const CidrId> cidr_predicates(IdentityId id) const {
    return cidr_sets_.list(identities_[id].cidr_set);
  }
  // Which identities have the predicate.
  std::span<const IdentityId> with_endpoint_predicate(PredicateId id) const;
  std::span<const IdentityId> with_cidr_predicate(CidrId id) const;
  std::vector<IdentityId> all() const;
  bool in_use(IdentityId id) const { return identities_[id].users > 0; }

  // New since the last call and in use.
  std::vector<IdentityId> take_born();
  // No longer in use. They keep their contents until free() is called with the same list.
  std::vector<IdentityId> take_gone();
  void free(const std::vector<IdentityId>& gone);

 private:
  struct Identity {
    ListId endpoint_set = 0;
    ListId cidr_set = 0;
    uint32_t users = 0;
  };
  static uint64_t hash_of(ListId endpoint_set, ListId cidr_set) {
    return (uint64_t{endpoint_set} << 32 | cidr_set) * 0xff51afd7ed558ccdull;
  }
  using Lists = std::vector<NumberList>;
  static void put(Lists& lists, std::span<const uint32_t> predicates, IdentityId id);
  static void take(Lists& lists, std::span<const uint32_t> predicates, IdentityId id);

  ListTable& endpoint_sets_;
  ListTable& cidr_sets_;
  std::vector<Identity> identities_;
  FlatIndex by_content_;
  std::priority_queue<IdentityId, std::vector<IdentityId>, std::greater<>> free_;
  Lists by_endpoint_predicate_;
  Lists by_cidr_predicate_;
  std::vector<IdentityId> born_;
  std::vector<IdentityId> unused_;
};

}  // namespace caracal::policy
