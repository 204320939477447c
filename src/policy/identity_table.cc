#include "policy/identity_table.h"

#include <algorithm>

#include "base/check.h"

namespace caracal::policy {
namespace {

void sort_unique(std::vector<IdentityId>& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

}  // namespace

IdentityTable::IdentityTable(ListTable& endpoint_sets, ListTable& cidr_sets)
    : endpoint_sets_(endpoint_sets), cidr_sets_(cidr_sets), identities_(1) {
  CARACAL_CHECK(acquire(0, 0) == desired::kUnknownIdentity);
}

void IdentityTable::put(Lists& lists, std::span<const uint32_t> predicates, IdentityId id) {
  for (const uint32_t p : predicates) {
    if (lists.size() <= p) lists.resize(p + 1);
    lists[p].push_back(id);
  }
}
void IdentityTable::take(Lists& lists, std::span<const uint32_t> predicates, IdentityId id) {
  for (const uint32_t p : predicates) {
    lists[p].swap_remove(id);
  }
}

IdentityId IdentityTable::acquire(ListId endpoint_set, ListId cidr_set) {
  const uint64_t hash = hash_of(endpoint_set, cidr_set);
  const IdentityId known = by_content_.find(hash, [&](IdentityId id) {
    return identities_[id].endpoint_set == endpoint_set && identities_[id].cidr_set == cidr_set;
  });
  if (known != 0) {
    ++identities_[known].users;
    return known;
  }
  IdentityId id = 0;
  if (free_.empty()) {
    id = static_cast<IdentityId>(identities_.size());
    identities_.emplace_back();
  } else {
    id = free_.top();
    free_.pop();
  }
  by_content_.insert(hash, id);
  endpoint_sets_.retain(endpoint_set);
  cidr_sets_.retain(cidr_set);
  identities_[id] = {endpoint_set, cidr_set, 1};
  put(by_endpoint_predicate_, endpoint_predicates(id), id);
  put(by_cidr_predicate_, cidr_predicates(id), id);
  born_.push_back(id);
  return id;
}

void IdentityTable::release(IdentityId id) {
  if (--identities_[id].users == 0) unused_.push_back(id);
}

std::span<const IdentityId> IdentityTable::with_endpoint_predicate(PredicateId id) const {
  if (id >= by_endpoint_predicate_.size()) return {};
  return by_endpoint_predicate_[id];
}
std::span<const IdentityId> IdentityTable::with_cidr_predicate(CidrId id) const {
  if (id >= by_cidr_predicate_.size()) return {};
  return by_cidr_predicate_[id];
}

std::vector<IdentityId> IdentityTable::all() const {
  std::vector<IdentityId> out;
  for (IdentityId id = 1; id < identities_.size(); ++id) {
    if (identities_[id].users > 0) out.push_back(id);
  }
  return out;
}

std::vector<IdentityId> IdentityTable::take_born() {
  std::vector<IdentityId> out = std::exchange(born_, {});
  sort_unique(out);
  std::erase_if(out, [&](IdentityId id) { return identities_[id].users == 0; });
  return out;
}

std::vector<IdentityId> IdentityTable::take_gone() {
  std::vector<IdentityId> out = std::exchange(unused_, {});
  sort_unique(out);
  std::erase_if(out, [&](IdentityId id) { return identities_[id].users > 0; });
  return out;
}

void IdentityTable::free(const std::vector<IdentityId>& gone) {
  for (const IdentityId id : gone) {
    const Identity identity = identities_[id];
    take(by_endpoint_predicate_, endpoint_predicates(id), id);
    take(by_cidr_predicate_, cidr_predicates(id), id);
    by_content_.erase(hash_of(identity.endpoint_set, identity.cidr_set), id);
    endpoint_sets_.release(identity.endpoint_set);
    cidr_sets_.release(identity.cidr_set);
    identities_[id] = {};
    free_.push(id);
  }
}

}  // namespace caracal::policy
