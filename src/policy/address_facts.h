// AddressFacts: which predicates hold for an address, by the tables of the flush that is under way.
// For the local end's own addresses, which rules may ask about.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "policy/identity_table.h"
#include "policy/policy_compiler.h"

namespace caracal::policy {

// The predicates of an identity, as rules about the own end ask for them.
struct OwnFacts {
  std::vector<Term> terms;  // sorted; without resolved ones
  std::vector<PredicateId> resolved;

  bool has(Term term) const { return std::binary_search(terms.begin(), terms.end(), term); }
  bool has_any(std::span<const Term> list) const {
    return std::any_of(list.begin(), list.end(), [&](Term term) { return has(term); });
  }
};

class AddressFacts {
 public:
  using Table = std::map<net::IpAddr, IdentityId>;
  // All outlive this.
  AddressFacts(const Table& addresses, const Table& ranges, const IdentityTable& identities,
               const PredicateRegistry& predicates)
      : addresses_(addresses), ranges_(ranges), identities_(identities), predicates_(predicates) {}

  IdentityId identity_of(const net::IpAddr& address) const {
    if (const auto it = addresses_.find(address); it != addresses_.end()) return it->second;
    return std::prev(ranges_.upper_bound(address))->second;
  }
  OwnFacts facts_of(IdentityId identity) const {
    OwnFacts out;
    for (const PredicateId id : identities_.endpoint_predicates(identity)) {
      if (predicates_.is_resolved(id)) {
        out.resolved.push_back(id);
      } else {
        out.terms.push_back(term_of(id));
      }
    }
    for (const CidrId id : identities_.cidr_predicates(identity))
      out.terms.push_back(term_of_cidr(id));
    std::sort(out.terms.begin(), out.terms.end());
    return out;
  }
  // The identities in use that have one of the predicates, or one resolved from one of `families`.
  // Sorted.
  std::vector<IdentityId> identities_with(const std::vector<Term>& terms,
                                          const std::vector<PredicateId>& families) const {
    std::vector<IdentityId> out;
    const auto append = [&](std::span<const IdentityId> list) {
      for (const IdentityId id : list) {
        if (identities_.in_use(id)) out.push_back(id);
      }
    };
    for (const Term term : terms) {
      if (is_cidr(term)) {
        append(identities_.with_cidr_predicate(number_of(term)));
      } else {
        append(identities_.with_endpoint_predicate(number_of(term)));
      }
    }
    for (const PredicateId family : families) {
      for (const PredicateId id : predicates_.resolved_of(family))
        append(identities_.with_endpoint_predicate(id));
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }
  const PredicateRegistry& predicates() const { return predicates_; }

 private:
  const Table& addresses_;
  const Table& ranges_;
  const IdentityTable& identities_;
  const PredicateRegistry& predicates_;
};

}  // namespace caracal::policy
