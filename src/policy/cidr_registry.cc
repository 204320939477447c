#include "policy/cidr_registry.h"

#include <algorithm>

namespace caracal::policy {

std::vector<CidrRegistry::Range> ranges_of(const model::CidrPeer& peer) {
  std::vector<CidrRegistry::Range> out;
  std::vector<net::Cidr> except;
  for (const net::Cidr& cidr : peer.except) {
    if (cidr.contains(peer.net)) return out;  // everything is excepted
    if (peer.net.contains(cidr)) except.push_back(cidr);
  }
  // By first address, wider ones first: prefixes nest or are disjoint.
  std::sort(except.begin(), except.end());
  net::IpAddr next = peer.net.first();
  bool done = false;
  for (const net::Cidr& cidr : except) {
    if (done || cidr.first() < next) continue;  // inside the one before
    if (next < cidr.first()) out.push_back({next, cidr.first().previous()});
    done = cidr.last() == peer.net.last();
    next = cidr.last().next();
  }
  if (!done) out.push_back({next, peer.net.last()});
  return out;
}

CidrRegistry::CidrRegistry()
    : cut_(sets_,
           {net::IpAddr::first(net::Family::kIPv4), net::IpAddr::first(net::Family::kIPv6)}) {}

std::optional<net::IpAddr> CidrRegistry::end_of(const net::IpAddr& last) {
  if (last != net::IpAddr::last(last.family())) return last.next();
  if (last.is_v4()) return net::IpAddr::first(net::Family::kIPv6);
  return std::nullopt;
}

CidrId CidrRegistry::acquire(const model::CidrPeer& peer) {
  std::vector<net::Cidr> except = peer.except;
  std::sort(except.begin(), except.end());
  except.erase(std::unique(except.begin(), except.end()), except.end());
  std::string key = peer.net.to_string();
  for (const net::Cidr& cidr : except) key += " -" + cidr.to_string();
  if (const auto it = by_key_.find(key); it != by_key_.end()) {
    ++predicates_[it->second].users;
    return it->second;
  }
  CidrId id = 0;
  if (free_.empty()) {
    id = static_cast<CidrId>(predicates_.size());
    predicates_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  predicates_[id] = {key, ranges_of(peer), 1};
  by_key_.emplace(std::move(key), id);
  for (const Range& range : predicates_[id].ranges) {
    cut_.add(range.first, end_of(range.last), member_of(id));
    changed_.push_back(range);
  }
  return id;
}

void CidrRegistry::release(CidrId id) {
  Predicate& p = predicates_[id];
  if (--p.users > 0) return;
  for (const Range& range : p.ranges) {
    cut_.remove(range.first, end_of(range.last), member_of(id));
    changed_.push_back(range);
  }
  by_key_.erase(p.key);
  retired_.push_back(id);
}

void CidrRegistry::add_range(const net::Cidr& range, uint32_t set) {
  cut_.add(range.first(), end_of(range.last()), member_of_set(set));
  mark_changed(range);
}
void CidrRegistry::remove_range(const net::Cidr& range, uint32_t set) {
  cut_.remove(range.first(), end_of(range.last()), member_of_set(set));
  mark_changed(range);
}

void CidrRegistry::free_retired() {
  for (const CidrId id : retired_) {
    predicates_[id] = {};
    free_.push_back(id);
  }
  retired_.clear();
}

}  // namespace caracal::policy
