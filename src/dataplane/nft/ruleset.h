// Ruleset: the constant text of the table: sets, chains and rules. Only elements ever change.
//
// rules.h writes the rules, this file the rest. The number of look-ups a packet pays is fixed
// there. docs/design/nftables.md draws the way of a
// packet and says why the rules use registers as they do. Pure: makes libnftnl objects, talks to
// nobody.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/nft/chains.h"
#include "dataplane/nft/element.h"

struct nftnl_chain;
struct nftnl_rule;
struct nftnl_set;
struct nftnl_table;

namespace caracal::dataplane::nft {

// Grows when sets, chains or rules change their meaning; stands in the table's comment.
inline constexpr int kFormatVersion = 3;

struct NftnlDelete {
  void operator()(nftnl_table* p) const;
  void operator()(nftnl_chain* p) const;
  void operator()(nftnl_set* p) const;
  void operator()(nftnl_rule* p) const;
};
template <typename T>
using NftnlPtr = std::unique_ptr<T, NftnlDelete>;

struct Ruleset {
  NftnlPtr<nftnl_table> table;
  std::vector<NftnlPtr<nftnl_set>> sets;      // in SetId's order, whatever the parts
  std::vector<NftnlPtr<nftnl_chain>> chains;  // in chain_specs()' order
  std::vector<NftnlPtr<nftnl_rule>> rules;    // chain after chain, in their order
  std::vector<Element> constants;             // of the sets that never change
};
struct RulesetOptions {
  std::string table;
  std::string interface_prefix;
  uint8_t host_label = 0;  // connection label bit, used by kPartHosts only
  Parts parts = 0;
};
// More parts have all chains and constants of fewer.
Ruleset make_ruleset(const RulesetOptions& options);

// What matters of an object as text, the same for one we made and for one the kernel listed; equal
// texts mean equal behaviour.
std::string signature(const nftnl_table* table);
std::string signature(const nftnl_set* set);
std::string signature(const nftnl_chain* chain);
std::string signature(const nftnl_rule* rule);
// All of them: table, sets and chains sorted, rules chain by chain in order.
std::vector<std::string> signatures(const Ruleset& ruleset);

}  // namespace caracal::dataplane::nft
