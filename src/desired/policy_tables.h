// PolicyTables: what the kernel should hold for policy, neutral of the dataplane (seam 2).
//
// Made by policy/, read by dataplane/nft (and later dataplane/bpf). Plain values: tables of exact
// keys. A packet that starts a connection is decided by look-ups alone, whose number does not
// depend on how many policies there are:
//
//   interface --dispatch--> open | closed | policed by group g
//   own address --addresses, else ranges--> identity o
//   (g, o) --own_splits--> another group g, where g has such an entry
//   (g, protocol, source port) --port_splits (intervals)--> another group g, where g has such
//   entries
//   peer address --addresses (exact), else ranges (intervals, total)--> identity i
//   protocol, destination port --port ranges (intervals, total)--> port class c
//   (g, anyone) --peers--> row r0; r0 allows (c, port)? allowed
//   (g, i)      --peers--> row r ; r  allows (c, port)? allowed; does not: denied
//   (g)     --otherwise--> row r ; r  allows (c, port)? allowed; does not, or no row: denied
//
// A row allows a class that `rows` names with it, or a port that lies in one of its intervals in
// `wide_rows` (rows that would need too many classes are kept there instead, and make no classes).
// `logged` is read the same way before the verdict: a packet of a row and class there is written
// down, then decided. `refused` tells "denied" from "no rule decided", for hooks where the latter
// goes on (kPreDnat, kUntracked*); elsewhere it is empty.
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
//    less than most in group g, or something is logged or refused there, the group has no
//    (g, kAnyone) entry but one in `otherwise`, which holds for identities without an entry.
//  * Row 0 in `peers` says that nothing is allowed for an identity that `otherwise` would let in.
//  * Splits lead to groups that have no splits of the same kind; own_splits come first.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "model/object.h"
#include "net/cidr.h"
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
  kIcmp,    // the "port" of ICMP is type * 256 + code
  kIcmpV6,  // likewise
  kOther    // the "port" is the protocol number, 0-255, never one of the above
};
inline constexpr std::array kPortSpaces = {PortSpace::kTcp,  PortSpace::kUdp,    PortSpace::kSctp,
                                           PortSpace::kIcmp, PortSpace::kIcmpV6, PortSpace::kOther};

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

// Where host endpoints are judged, in the order a packet meets them. Ingress hooks look at the
// interface a packet came in by, egress hooks at the one it leaves by.
enum class HostHook : uint8_t {
  kUntrackedIngress,  // raw prerouting; allowed: notrack, and accepted by all later hooks
  kPreDnat,           // mangle prerouting; allowed: accepted by all later hooks
  kIngress,           // input
  kForwardIngress,    // forward; interfaces without entry are open
  kForwardEgress,     // forward
  kEgress,            // output, after the host's own destination NAT
  kUntrackedEgress,   // raw output
};
struct HostKey {
  HostHook hook;
  // "*": every interface that is no pod's, not the loopback, and has no entry of its own. The
  // loopback cannot have one.
  std::string interface;
  auto operator<=>(const HostKey&) const = default;
};
// A port that host endpoint policy never closes (calico.md 4.8): destination port, peer in `net`.
// Entries of one port whose nets lie within each other say no more than the widest.
struct FailsafeKey {
  Direction direction;
  PortSpace space;  // not kIcmp, kIcmpV6
  uint16_t port;
  net::Cidr net;
  auto operator<=>(const FailsafeKey&) const = default;
};
// Settings of the tables as a whole, by number.
enum class Setting : uint8_t {
  kToHost,  // pods towards their own node, behind egress policy: 0 drop, 1 go on (default), 2
            // accept
};
struct OwnSplitKey {
  GroupId group;
  IdentityId identity;  // of the local end's address
  auto operator<=>(const OwnSplitKey&) const = default;
};
struct PortSplitKey {
  GroupId group;
  PortSpace space;  // kTcp, kUdp or kSctp
  uint16_t first;   // source ports from here to the next entry of the same group and space
  auto operator<=>(const PortSplitKey&) const = default;
};
struct WideRowKey {
  RowId row;
  PortSpace space;
  uint16_t first;
  uint16_t last;  // intervals of a row and space are disjoint and do not touch
  auto operator<=>(const WideRowKey&) const = default;
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
  std::map<GroupId, RowId> otherwise;
  std::set<WideRowKey> wide_rows;  // present = allowed
  std::set<RowKey> logged;
  std::set<RowKey> refused;
  std::map<OwnSplitKey, GroupId> own_splits;
  std::map<PortSplitKey, GroupId> port_splits;  // of a group with any: total in the three spaces
  std::map<HostKey, InterfacePolicy> hosts;
  std::set<FailsafeKey> failsafes;
  std::map<Setting, uint32_t> settings;
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
  MapDelta<GroupId, RowId> otherwise;
  SetDelta<WideRowKey> wide_rows;
  SetDelta<RowKey> logged;
  SetDelta<RowKey> refused;
  MapDelta<OwnSplitKey, GroupId> own_splits;
  MapDelta<PortSplitKey, GroupId> port_splits;
  MapDelta<HostKey, InterfacePolicy> hosts;
  SetDelta<FailsafeKey> failsafes;
  MapDelta<Setting, uint32_t> settings;

  bool empty() const;
  size_t size() const;  // number of entries set, added or erased
  // Folds `later` in, so that applying the result equals applying this, then `later`.
  void merge(const PolicyDelta& later);
  bool operator==(const PolicyDelta&) const = default;
};

PolicyDelta difference(const PolicyTables& from, const PolicyTables& to);
void apply(PolicyTables& tables, const PolicyDelta& delta);

// One first packet as the tables see it.
struct PacketKey {
  net::IpAddr peer;
  std::optional<net::IpAddr> own;  // the local end; needed where own_splits may speak
  PortSpace space = PortSpace::kTcp;
  uint16_t port = 0;                    // destination port, or what PortSpace says
  std::optional<uint16_t> source_port;  // needed where port_splits may speak
};
enum class TableVerdict : uint8_t { kAllowed, kDenied, kUndecided };
struct Decision {
  TableVerdict verdict = TableVerdict::kDenied;
  bool logged = false;
};
// The verdict the tables give: the packet path above in user space, for tests, for explain's
// cross-check and for connections that are already there.
// kUndecided only of a host hook: no entry for the interface, or no rule decided in a hook that
// goes on then. Failsafes are looked at for host hooks other than the forward ones; the untracked
// ones know answers of failsafes by their source port, too.
Decision decide(const PolicyTables& tables, Direction direction, const std::string& interface,
                const PacketKey& packet);
Decision decide(const PolicyTables& tables, HostHook hook, const std::string& interface,
                const PacketKey& packet);
// decide() of a pod interface, shortened.
bool allows(const PolicyTables& tables, Direction direction, const std::string& interface,
            const net::IpAddr& peer, PortSpace space, uint16_t space_port);

}  // namespace caracal::desired
