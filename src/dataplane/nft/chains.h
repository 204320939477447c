// ChainSpec: the chains of our nftables table, and which parts of the ruleset they belong to.
//
// The ruleset is a constant text in parts. What plain Kubernetes policy needs is always there; the
// other parts come and go with the entries of the tables that only they can read, so that nobody
// pays for what is not used: a hook without host endpoints is not even entered.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "desired/policy_tables.h"

namespace caracal::dataplane::nft {

using Parts = uint32_t;
inline constexpr Parts kPartWide = 1;      // wide_rows
inline constexpr Parts kPartFull = 2;      // otherwise
inline constexpr Parts kPartSplit = 4;     // own_splits, port_splits
inline constexpr Parts kPartHosts = 8;     // hosts
inline constexpr Parts kPartLogging = 16;  // logged
inline constexpr Parts kAllParts = 31;

// What the tables cannot do without.
Parts parts_needed(const desired::PolicyTables& tables);
// "wide rows, host endpoints"; for people.
std::string describe_parts(Parts parts);

struct ChainSpec {
  std::string name;
  Parts parts = 0;  // there when all of these are; 0: always
  int hook = -1;    // NF_INET_*; -1: reached from other chains only
  int priority = 0;
};
// What differs between the protocols in names; the spaces of a family, kOther last.
struct SpaceSpec {
  desired::PortSpace space;
  const char* name;
  uint8_t protocol;  // 0: all others
};
const std::vector<SpaceSpec>& spaces_of(net::Family family);
const char* name_of(desired::Direction direction);  // "ingress"
// The chain that judges one family and space: "ingress_full_ipv4_tcp".
std::string policy_chain(std::string_view prefix, net::Family family, const SpaceSpec& space);

// In the order of their indexes (Element's verdict values).
const std::vector<ChainSpec>& chain_specs();
uint32_t chain_index(std::string_view name);  // REQUIRES: there is one
inline bool belongs(const ChainSpec& chain, Parts parts) {
  return (chain.parts & parts) == chain.parts;
}

}  // namespace caracal::dataplane::nft
