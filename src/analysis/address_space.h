// AddressSpace: all IPv4 and IPv6 addresses, told apart by the address sets that policies use.
//
// Two addresses of one family that the same sets hold are in one class; classes are numbered from
// 0. Fed with sets (CIDRs of rules, network sets, service endpoints) by Reachability, then built
// once, then read-only (from any thread).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "net/cidr.h"
#include "net/ip_addr.h"

namespace caracal::analysis {

using AddressClass = uint32_t;

// Inclusive on both ends; one family.
struct AddressRange {
  net::IpAddr first;
  net::IpAddr last;
  auto operator<=>(const AddressRange&) const = default;
};
AddressRange range_of(const net::Cidr& cidr);
// The addresses of `net` that are in none of `except`.
std::vector<AddressRange> ranges_without(const net::Cidr& net,
                                         const std::vector<net::Cidr>& except);

class AddressSpace {
 public:
  using SetId = uint32_t;
  // Ranges in any order; they may overlap. REQUIRES: before build().
  SetId add(std::vector<AddressRange> ranges);
  void build();

  AddressClass find(const net::IpAddr& address) const;
  // The classes in a set, sorted.
  std::span<const AddressClass> classes(SetId set) const { return classes_of_[set]; }
  size_t class_count() const { return families_.size(); }
  net::Family family(AddressClass address_class) const { return families_[address_class]; }

  // The whole space as adjacent ranges, IPv4 first, by address.
  struct Interval {
    AddressRange range;
    AddressClass address_class = 0;
  };
  std::vector<Interval> intervals() const;
  // Does a set tell IPv6 addresses apart?
  bool splits_ipv6() const { return v6_starts_.size() > 1; }

 private:
  size_t interval_at(const net::IpAddr& address) const;

  std::vector<std::vector<AddressRange>> sets_;
  std::vector<uint32_t> v4_starts_;  // IPv4 apart from IPv6: a small, dense array to search
  std::vector<net::IpAddr> v6_starts_;
  std::vector<AddressClass> interval_classes_;  // v4_starts_, then v6_starts_
  std::vector<net::Family> families_;
  std::vector<std::vector<AddressClass>> classes_of_;
};

}  // namespace caracal::analysis
