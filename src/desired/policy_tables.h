// PolicyTables: what the kernel should hold for policy, neutral of the dataplane (seam 2).
//
// Made by policy/, read by dataplane/nft (and later dataplane/bpf). Plain values: tables of exact
// keys. A packet that starts a connection is decided by look-ups alone, whose number does not
// depend on how many policies there are:
//
//   interface --dispatch--> open | closed | policed by group g
//   peer address --addresses (exact), else ranges (intervals, total)--> identity i
//   protocol, destination port --port ranges (intervals, total)--> port class c
//   (g, anyone) --peers--> row r0; (r0, c) in rows? allowed
//   (g, i)      --peers--> row r ; (r , c) in rows? allowed; otherwise dropped
//
// An identity is a set of addresses that no active rule tells apart; a group is a set of local
// endpoints with the same policies in one direction; a row is a set of port classes. All numbers
// are local to the node and never 0 unless said.
//
// Invariants, kept by the maker:
//  * `addresses` holds only addresses that some selector-based predicate matches; every other
//  address gets
//    the identity of its range. Address ranges and port ranges are total: sorted, the first starts
//    at the lowest value of the family, no gaps (each range ends where the next one starts).
//  * Where a row exists for (g, i), it includes all that is allowed for i. If some identity may do
//  less than
//    "anyone" in group g, there is no (g, kAnyone) entry and every identity has its own entry.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "model/object.h"
#include "net/ip_addr.h"

namespace caracal::desired {

using GroupId = uint32_t;     // 1..
using IdentityId = uint32_t;  // 1..; 0 stands for "anyone" in a peers key
using PortClass = uint32_t;   // 1..
using RowId = uint32_t;       // 1..

inline constexpr IdentityId kAnyone = 0;
// The identity of addresses that satisfy no predicate at all.
inline constexpr IdentityId kUnknownIdentity = 1;

// What the dispatch table says of an interface in one direction.
enum class Disposition : uint8_t {
  kOpen,     // no policy isolates it: everything passes
  kClosed,   // cannot be computed or programmed: nothing passes
  kPoliced,  // by its group
};

struct InterfacePolicy {
  Disposition disposition = Disposition::kClosed;
  GroupId group = 0;  // only with kPoliced
  bool operator==(const InterfacePolicy&) const = default;
};

// The protocols whose port ranges are told apart; everything else has one class by protocol number.
enum class PortSpace : uint8_t {
  kTcp,
  kUdp,
  kSctp,
  kOther /* key is the protocol number, 0-255 */
};

// Keys and values of the tables. Direction 0 = ingress (to the pod), 1 = egress (from the pod).
enum class Direction : uint8_t { kIngress = 0, kEgress = 1 };

struct InterfaceKey {
  Direction direction;
  std::string interface;
  auto operator<=>(const InterfaceKey&) const = default;
};
struct SourceKey {
  std::string interface;
  net::IpAddr address;
  auto operator<=>(const SourceKey&) const = default;
};
struct PortKey {
  PortSpace space;
  uint16_t first;
  auto operator<=>(const PortKey&) const = default;
};
struct PeerKey {
  GroupId group;
  IdentityId identity;
  auto operator<=>(const PeerKey&) const = default;
};
struct RowKey {
  RowId row;
  PortClass port_class;
  auto operator<=>(const RowKey&) const = default;
};

struct PolicyTables {
  std::map<InterfaceKey, InterfacePolicy> interfaces;
  std::set<SourceKey> sources;                  // anti-spoofing: what an interface may send from
  std::map<net::IpAddr, IdentityId> addresses;  // exact
  std::map<net::IpAddr, IdentityId>
      ranges;  // first address of each interval -> identity; total in both families
  std::map<PortKey, PortClass> ports;  // first port of each interval -> class; total in all spaces
  std::map<PeerKey, RowId> peers;      // group numbers are unique over both directions
  std::set<RowKey> rows;               // present = allowed
  bool operator==(const PolicyTables&) const = default;
};

// The change from one PolicyTables to another: set (insert or replace) and erase, table by table.
// Applying it is one kernel transaction. Erase and set never name the same key.
template <typename Key, typename Value>
struct MapDelta {
  std::map<Key, Value> set;
  std::set<Key> erase;
  bool empty() const { return set.empty() && erase.empty(); }
  bool operator==(const MapDelta&) const = default;
};
template <typename Key>
struct SetDelta {
  std::set<Key> add;
  std::set<Key> erase;
  bool empty() const { return add.empty() && erase.empty(); }
  bool operator==(const SetDelta&) const = default;
};

struct PolicyDelta {
  MapDelta<InterfaceKey, InterfacePolicy> interfaces;
  SetDelta<SourceKey> sources;
  MapDelta<net::IpAddr, IdentityId> addresses;
  MapDelta<net::IpAddr, IdentityId> ranges;
  MapDelta<PortKey, PortClass> ports;
  MapDelta<PeerKey, RowId> peers;
  SetDelta<RowKey> rows;

  bool empty() const;
  size_t size() const;  // number of entries set, added or erased
  // Folds `later` in, so that applying the result equals applying this, then `later`.
  void merge(const PolicyDelta& later);
  bool operator==(const PolicyDelta&) const = default;
};

PolicyDelta difference(const PolicyTables& from, const PolicyTables& to);
void apply(PolicyTables& tables, const PolicyDelta& delta);

// The verdict the tables give: the packet path above in user space, for tests and for explain's
// cross-check. `space_port` is the destination port, or the protocol number for PortSpace::kOther.
bool allows(const PolicyTables& tables, Direction direction, const std::string& interface,
            const net::IpAddr& peer, PortSpace space, uint16_t space_port);

}  // namespace caracal::desired
