// CidrRegistry: the address predicates (CIDR without exceptions) that active policies use and the
// ranges of network sets that active selectors match, and the addresses of both families cut into
// the intervals that they tell apart.
//
// Fed by the policy compiler and the network set table; read by the engine (which identity has an
// interval, an address) and the group table. What comes or goes costs the intervals inside its
// range.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/policy.h"
#include "policy/interval_cut.h"

namespace caracal::policy {

using CidrId = uint32_t;  // 1..

class CidrRegistry {
 public:
  CidrRegistry();

  CidrId acquire(const model::CidrPeer& peer);
  void release(CidrId id);

  // The range of a network set, by the set's number.
  void add_range(const net::Cidr& range, uint32_t set);
  void remove_range(const net::Cidr& range, uint32_t set);
  // What the set stands for changed.
  void mark_changed(const net::Cidr& range) { changed_.push_back({range.first(), range.last()}); }

  // Members of the lists below: predicates and sets.
  static constexpr bool is_set(uint32_t member) { return member % 2 == 1; }
  static constexpr uint32_t number_of(uint32_t member) { return member / 2; }

  // What contains the address, as a list of sets().
  ListId at(const net::IpAddr& address) const { return cut_.at(address); }
  const std::map<net::IpAddr, ListId>& intervals() const { return cut_.intervals(); }
  ListTable& sets() { return sets_; }

  // An inclusive range of addresses of one family whose predicates changed.
  struct Range {
    net::IpAddr first;
    net::IpAddr last;
  };
  std::vector<Range> take_changed() { return std::exchange(changed_, {}); }
  // Frees the numbers of predicates that are gone. Call when nothing refers to them any more.
  void free_retired();

 private:
  struct Predicate {
    std::string key;
    std::vector<Range> ranges;
    uint32_t users = 0;
  };
  static constexpr uint32_t member_of(CidrId id) { return 2 * id; }
  static constexpr uint32_t member_of_set(uint32_t set) { return 2 * set + 1; }
  // The point after a range, as the cut names it.
  static std::optional<net::IpAddr> end_of(const net::IpAddr& last);

  ListTable sets_;
  IntervalCut<net::IpAddr> cut_;
  std::vector<Predicate> predicates_ = std::vector<Predicate>(1);
  std::unordered_map<std::string, CidrId> by_key_;
  std::vector<CidrId> free_;
  std::vector<CidrId> retired_;
  std::vector<Range> changed_;
};

// The addresses of a CIDR without its exceptions: disjoint, in order.
std::vector<CidrRegistry::Range> ranges_of(const model::CidrPeer& peer);

}  // namespace caracal::policy
