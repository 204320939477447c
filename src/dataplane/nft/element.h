// Element: one entry of a set or map of our nftables table, as plain bytes.
//
// The link between desired::PolicyTables (neutral) and the kernel's sets (sets.h): encode() and
// decode() are each other's inverse. Pure.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/nft/sets.h"
#include "desired/policy_tables.h"

namespace caracal::dataplane::nft {

struct Element {
  SetId set = SetId::kAllowed;
  std::array<uint8_t, 32> key{};  // the first key_size bytes, the rest zero
  bool end = false;               // of interval sets: the first key behind an interval
  uint32_t value = 0;             // zero for ends and sets
  auto operator<=>(const Element&) const = default;
};

// As `nft` prints it: "10.0.0.1 : 0x00000005"; packed keys by their parts.
std::string to_string(const Element& element);

// What kind of rules judge a group (ruleset.h): kSplit when it has splits, kFull when it has an
// otherwise, else kPlain.
enum class GroupKind : uint8_t { kPlain, kFull, kSplit };
GroupKind kind_of(const desired::PolicyTables& tables, desired::GroupId group);

// One entry of a table as elements (range and port entries are not here: an interval needs its
// neighbour).
void encode(const desired::InterfaceKey& key, const desired::InterfacePolicy& policy,
            GroupKind kind, std::vector<Element>& out);
Element encode(const desired::SourceKey& key);
Element encode_address(const net::IpAddr& address, desired::IdentityId identity);
Element encode(const desired::PeerKey& key, desired::RowId row);
Element encode_otherwise(desired::GroupId group, desired::RowId row);
Element encode(SetId set, const desired::RowKey& key);  // kAllowed, kLogged, kRefused
void encode(const desired::WideRowKey& key, std::vector<Element>& out);

// An interval [first, behind), or from `first` to the end of the key space.
template <typename Key>
struct Interval {
  Key first;
  std::optional<Key> behind;
  uint32_t value = 0;
  auto operator<=>(const Interval&) const = default;
};
void encode(const Interval<net::IpAddr>& interval, std::vector<Element>& out);
void encode(const Interval<desired::PortKey>& interval, std::vector<Element>& out);

// All elements of the tables, unordered. The constant ones are not among them (ruleset.h).
std::vector<Element> encode(const desired::PolicyTables& tables);
// Errors: kConflict when the elements are not what encode() can make. A failsafe whose addresses
// another one of the same port covers is not in the kernel, so it does not come back.
Result<desired::PolicyTables> decode(std::span<const Element> elements);

// The interval of `starts` that holds `key`, and the one before; keys of another family or port
// space do not count as neighbours.
bool same_space(const net::IpAddr& a, const net::IpAddr& b);
bool same_space(const desired::PortKey& a, const desired::PortKey& b);

template <typename Key>
Interval<Key> interval_at(const std::map<Key, uint32_t>& starts,
                          typename std::map<Key, uint32_t>::const_iterator at) {
  Interval<Key> interval{.first = at->first, .behind = std::nullopt, .value = at->second};
  if (const auto next = std::next(at); next != starts.end() && same_space(next->first, at->first))
    interval.behind = next->first;
  return interval;
}

// An interval of a set by its elements.
struct ElementPair {
  Element start;
  std::optional<Element> end;
  auto operator<=>(const ElementPair&) const = default;
};
// The elements of one interval set as intervals, in order; nullopt when they are none.
std::optional<std::vector<ElementPair>> pairs_of(std::span<const Element> elements);

}  // namespace caracal::dataplane::nft
