// Element: one entry of a set or map of our nftables table, as plain bytes; and what the sets are.
//
// The link between desired::PolicyTables (neutral) and the kernel's sets: encode() and decode() are
// each other's inverse. Pure.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "desired/policy_tables.h"

namespace caracal::dataplane::nft {

enum class SetId : uint8_t {
  kDispatchIngress,
  kDispatchEgress,
  kGroupIngress,
  kGroupEgress,
  kSource4,
  kSource6,
  kIdentity4,
  kIdentity6,
  kRange4,
  kRange6,
  kClassTcp,
  kClassUdp,
  kClassSctp,
  kClassOther,
  kAnyone,
  kPeer,
  kAllowed,
  kProtocolIngress,
  kProtocolEgress,
  kNeighbour,  // constant elements
};
inline constexpr size_t kSetCount = 20;

// What stands behind the key.
enum class ValueKind : uint8_t {
  kNone,     // a set
  kNumber,   // 4 bytes, host order
  kPadded,   // 8 bytes: zero, then the number; why: docs/design/nftables.md, "Registers"
  kVerdict,  // return, drop, or goto a chain
};

struct SetSpec {
  SetId id;
  const char* name;
  uint32_t key_type;  // nft's datatype number, so that `nft list` prints the key as what it is
  uint8_t key_size;   // bytes, each part padded to 4
  ValueKind value;
  bool interval;  // keys are ranges, in an ordered tree
  const char* comment;
};
const std::array<SetSpec, kSetCount>& set_specs();
inline const SetSpec& spec_of(SetId id) { return set_specs()[static_cast<size_t>(id)]; }

// Verdict values: a chain's index (ruleset.h) plus kGotoChain, or one of these.
inline constexpr uint32_t kReturn = 0;
inline constexpr uint32_t kDrop = 1;
inline constexpr uint32_t kGotoChain = 2;

struct Element {
  SetId set = SetId::kAllowed;
  std::array<uint8_t, 32> key{};  // the first key_size bytes, the rest zero
  bool end = false;               // of interval sets: the first key behind an interval
  uint32_t value = 0;             // zero for ends and sets
  auto operator<=>(const Element&) const = default;
};

// As `nft` prints it: "10.0.0.1 : 0x00000005".
std::string to_string(const Element& element);

// One entry of a table as elements (two for a policed interface; range and port entries are not
// here: an interval needs its neighbour).
void encode(const desired::InterfaceKey& key, const desired::InterfacePolicy& policy,
            std::vector<Element>& out);
Element encode(const desired::SourceKey& key);
Element encode_address(const net::IpAddr& address, desired::IdentityId identity);
Element encode(const desired::PeerKey& key, desired::RowId row);
Element encode(const desired::RowKey& key);

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
// Errors: kConflict when the elements are not what encode() can make.
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

}  // namespace caracal::dataplane::nft
