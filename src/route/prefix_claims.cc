#include "route/prefix_claims.h"

#include <algorithm>

namespace caracal::route {

void PrefixClaims::add(const net::Cidr& prefix, Claim claim) {
  Claims& claims = prefixes_[prefix];
  std::set<net::Cidr>& prefixes = by_node_[claim.node];
  prefixes.insert(prefixes.end(), prefix);
  claims.insert(std::upper_bound(claims.begin(), claims.end(), claim), std::move(claim));
}

void PrefixClaims::remove(const net::Cidr& prefix, const Claim& claim) {
  const auto found = prefixes_.find(prefix);
  if (found == prefixes_.end()) return;
  Claims& claims = found->second;
  const auto at = std::find(claims.begin(), claims.end(), claim);
  if (at == claims.end()) return;
  const bool last_of_node = std::count_if(claims.begin(), claims.end(), [&](const Claim& other) {
                              return other.node == claim.node;
                            }) == 1;
  claims.erase(at);
  if (claims.empty()) prefixes_.erase(found);
  if (!last_of_node) return;
  const auto node = by_node_.find(claim.node);
  node->second.erase(prefix);
  if (node->second.empty()) by_node_.erase(node);
}

const PrefixClaims::Claim* PrefixClaims::holder(const net::Cidr& prefix) const {
  const auto found = prefixes_.find(prefix);
  return found == prefixes_.end() ? nullptr : &found->second.front();
}

const std::set<net::Cidr>& PrefixClaims::of(const std::string& node) const {
  static const std::set<net::Cidr> kNone;
  const auto found = by_node_.find(node);
  return found == by_node_.end() ? kNone : found->second;
}

void PrefixClaims::inside(const net::Cidr& cidr, std::set<net::Cidr>& out) const {
  // Sorted by first address, then by length: the prefixes inside follow one another.
  for (auto it = prefixes_.lower_bound(cidr); it != prefixes_.end() && cidr.contains(it->first);
       ++it) {
    out.insert(out.end(), it->first);
  }
}

}  // namespace caracal::route
