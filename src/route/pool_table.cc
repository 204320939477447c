#include "route/pool_table.h"

namespace caracal::route {

const model::IpPool* PoolTable::find(const std::string& name) const {
  const auto found = pools_.find(name);
  return found == pools_.end() ? nullptr : &found->second;
}

void PoolTable::put(const model::IpPool& pool) {
  erase(pool.name);
  pools_.insert_or_assign(pool.name, pool);
  by_cidr_[pool.cidr].insert(pool.name);
  ++lengths_[pool.cidr.bits()];
}

void PoolTable::erase(const std::string& name) {
  const auto found = pools_.find(name);
  if (found == pools_.end()) return;
  const net::Cidr& cidr = found->second.cidr;
  const auto names = by_cidr_.find(cidr);
  names->second.erase(name);
  if (names->second.empty()) by_cidr_.erase(names);
  if (const auto length = lengths_.find(cidr.bits()); --length->second == 0) lengths_.erase(length);
  pools_.erase(found);
}

const model::IpPool* PoolTable::of(const net::Cidr& cidr) const {
  for (auto it = lengths_.lower_bound(cidr.bits()); it != lengths_.end(); ++it) {
    const auto found = by_cidr_.find(net::Cidr(cidr.address(), it->first));
    if (found != by_cidr_.end()) return &pools_.at(*found->second.begin());
  }
  return nullptr;
}

}  // namespace caracal::route
