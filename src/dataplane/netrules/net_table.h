// The text of the table `inet caracal_network`: sets, chains and rules. Depends on which parts the
// rules need, never on the addresses: those are members of the sets. Pure: makes libnftnl objects;
// private to this folder.
//
//   chain postrouting  nat, srcnat     from nat_sources, not to no_nat: masquerade, or one address
//   chain input        filter, -1      VXLAN (port, VNI) and IPIP not from nodes: drop
//   chain prerouting   raw             VXLAN from nodes: not tracked
//   chain output       raw             VXLAN to nodes: not tracked
//
// Every packet of the node meets the last three, those within a tunnel twice, so VXLAN's rules
// stand in chains of their own (vxlan_guard, vxlan_in, vxlan_out): what is none is through after
// one look at its protocol.
//
// Policy judges packets to other places in forward, before postrouting: it sees the pod's address.
#pragma once

#include <string>
#include <vector>

#include "dataplane/netrules/members.h"
#include "dataplane/nft/ruleset.h"
#include "desired/network.h"

namespace caracal::dataplane::netrules {

// nft::Ruleset with our own sets, and which they are.
struct NetTable {
  nft::Ruleset ruleset;
  std::vector<NetSet> sets;  // in the order of ruleset.sets
  bool empty() const { return ruleset.chains.empty(); }
};
NetTable make_net_table(const std::string& table, const desired::NetworkRules& rules);

// kInvalid with field, value and what is valid.
Status validate(const desired::NetworkRules& rules);

}  // namespace caracal::dataplane::netrules
