// PrefixClaims: which node holds which prefix of pod addresses, where more than one may say so.
//
// A prefix is claimed by the block that it is, or by an address of another node's block that is in
// use elsewhere (borrowed). A borrowed address goes before a block of the same single address; of
// equals the lower node name holds it, the same on all nodes. A value without threads of its own.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/cidr.h"

namespace caracal::route {

class PrefixClaims {
 public:
  struct Claim {
    bool borrowed = false;
    std::string node;
    net::Cidr source;  // the block that says so
    // The best first.
    friend bool operator<(const Claim& a, const Claim& b) {
      if (a.borrowed != b.borrowed) return a.borrowed;
      if (a.node != b.node) return a.node < b.node;
      return a.source < b.source;
    }
    bool operator==(const Claim&) const = default;
  };
  using Claims = std::vector<Claim>;  // sorted, never empty

  void add(const net::Cidr& prefix, Claim claim);
  void remove(const net::Cidr& prefix, const Claim& claim);

  // nullptr: nobody's.
  const Claim* holder(const net::Cidr& prefix) const;
  const std::map<net::Cidr, Claims>& all() const { return prefixes_; }
  // In which the node has a claim, also one that does not hold.
  const std::set<net::Cidr>& of(const std::string& node) const;
  // Adds those inside of `cidr` to `out`.
  void inside(const net::Cidr& cidr, std::set<net::Cidr>& out) const;

 private:
  std::map<net::Cidr, Claims> prefixes_;
  std::unordered_map<std::string, std::set<net::Cidr>> by_node_;
};

}  // namespace caracal::route
