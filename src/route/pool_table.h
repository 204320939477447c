// PoolTable: the IP pools, and which of them an address prefix is of. A value without threads of
// its own.
#pragma once

#include <map>
#include <set>
#include <string>

#include "model/ip_pool.h"

namespace caracal::route {

class PoolTable {
 public:
  // nullptr: not there.
  const model::IpPool* find(const std::string& name) const;
  void put(const model::IpPool& pool);
  void erase(const std::string& name);

  // The pool with the longest prefix that contains `cidr`; of equal ones the lower name. The API
  // refuses pools that overlap, so that more than one is the exception.
  const model::IpPool* of(const net::Cidr& cidr) const;
  const std::map<std::string, model::IpPool>& all() const { return pools_; }

 private:
  std::map<std::string, model::IpPool> pools_;
  std::map<net::Cidr, std::set<std::string>> by_cidr_;
  std::map<int, int, std::greater<>> lengths_;  // prefix length -> how many pools have it
};

}  // namespace caracal::route
