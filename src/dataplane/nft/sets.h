// SetSpec: the sets and maps of our nftables table: names, keys, values. Constant.
//
// Two kinds of keys need a word. A *packed* key is four 32-bit words, as registers hold them, in an
// ordered tree of intervals: the tree compares bytes, so an interval of the last word that matters
// (a port, an index) lies within all keys with the same words before it, and the words behind it
// may hold anything. nft cannot print concatenations in ordered trees (it crashes), so packed keys
// are declared, and listed, as IPv6 addresses; docs/design/nftables.md, "Packed keys". A *padded*
// value is eight bytes, zero and the number; see "Registers" there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "desired/policy_tables.h"

namespace caracal::dataplane::nft {

inline constexpr uint8_t kHostHooks = 7;

// In the order they are created in: the kernel finds a set by walking the list, so what changes
// most comes first.
enum class SetId : uint8_t {
  kIdentity4,
  kIdentity6,
  kPeer,
  kAnyone,
  kAllowed,
  kDispatchIngress,
  kDispatchEgress,
  kGroupIngress,
  kGroupEgress,
  kSource4,
  kSource6,
  kRange4,
  kRange6,
  kClassTcp,  // from here in the order of desired::PortSpace
  kClassUdp,
  kClassSctp,
  kClassIcmp,
  kClassIcmpV6,
  kClassOther,
  kOtherwise,
  kWide,
  kLogged,
  kRefused,
  kFullIngress,
  kFullEgress,
  kSplitIngress,
  kSplitEgress,
  kOwnSplit,
  kPortSplit,
  kToHost,
  kFailsafeNet4,
  kFailsafeNet6,
  kFailsafeIngress,
  kFailsafeEgress,
  kHostPolicy,                            // one for each desired::HostHook, in its order
  kHostGroup = kHostPolicy + kHostHooks,  // likewise
  // Constant elements from here on.
  kProtocolIngress = kHostGroup + kHostHooks,
  kProtocolEgress,
  kProtocolFullIngress,
  kProtocolFullEgress,
  kProtocolSplitIngress,
  kProtocolSplitEgress,
  kProtocolHost,  // one for each desired::HostHook
  kNeighbour = kProtocolHost + kHostHooks,
};
inline constexpr size_t kSetCount = static_cast<size_t>(SetId::kNeighbour) + 1;

// The set of a group of sets that belongs to the hook.
constexpr SetId of_hook(SetId first, desired::HostHook hook) {
  return static_cast<SetId>(static_cast<uint8_t>(first) + static_cast<uint8_t>(hook));
}
constexpr bool is_constant(SetId id) { return id >= SetId::kProtocolIngress; }

// What stands behind the key.
enum class ValueKind : uint8_t {
  kNone,     // a set
  kNumber,   // 4 bytes, host order
  kPadded,   // 8 bytes: zero, then the number
  kVerdict,  // see below
};
// Verdict values: a chain's index (chains.h) plus kGotoChain, or one of these. `continue` goes on
// in the same rule, whose next expression then is a goto; so elements that come and go with pods
// name no chain, and the kernel need not check the whole table for loops with each of them.
inline constexpr uint32_t kReturn = 0;
inline constexpr uint32_t kDrop = 1;
inline constexpr uint32_t kContinue = 2;
inline constexpr uint32_t kAccept = 3;
inline constexpr uint32_t kGotoChain = 4;

enum class KeyKind : uint8_t {
  kName,         // interface
  kNameAddress,  // interface . address
  kAddress,
  kPort,    // 16 bits
  kByte,    // protocol or ICMPv6 type
  kNumber,  // 32 bits, host order
  kTwoNumbers,
  kFamily,  // NFPROTO_*
  kFamilyProtocol,
  kNetPort,      // number . protocol . port
  kPackedName,   // packed: interface
  kPackedIndex,  // packed: number . number
  kPackedPort,   // packed: number . port space . port
};

struct SetSpec {
  SetId id;
  std::string name;
  KeyKind key;
  uint32_t key_type;  // nft's datatype number, so that `nft list` prints the key as what it is
  uint8_t key_size;   // bytes, each part padded to 4
  ValueKind value;
  bool interval;  // keys are ranges, in an ordered tree
  std::string comment;
};
// In SetId's order.
const std::vector<SetSpec>& set_specs();
inline const SetSpec& spec_of(SetId id) { return set_specs()[static_cast<size_t>(id)]; }

// "untracked_ingress", "pre_dnat", ...: the hook in names of sets and chains.
const char* name_of(desired::HostHook hook);

}  // namespace caracal::dataplane::nft
