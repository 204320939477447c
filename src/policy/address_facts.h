// AddressFacts: which predicates hold for an address, by the tables of the flush that is under way.
// For the local end's own addresses, which rules may ask about.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "policy/identity_table.h"
#include "policy/policy_compiler.h"

namespace caracal::policy {

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
  std::vector<Term> terms_of(IdentityId identity) const {
    std::vector<Term> out;
    for (const PredicateId id : identities_.endpoint_predicates(identity)) {
      if (!predicates_.is_resolved(id)) out.push_back(term_of(id));
    }
    for (const CidrId id : identities_.cidr_predicates(identity)) out.push_back(term_of_cidr(id));
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  const Table& addresses_;
  const Table& ranges_;
  const IdentityTable& identities_;
  const PredicateRegistry& predicates_;
};

}  // namespace caracal::policy
