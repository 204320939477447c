// The rules of the table, and what they have in common. Private to ruleset.cc; pod_rules.cc and
// host_rules.cc write the two halves, policy_rules.cc the part that judges.
//
// Registers. A pair (kPairFirst, kPairSecond) is the key of `peer`, `allowed` and their like. Maps
// whose value goes into the pair's first half are written to kPadding, as eight bytes; see
// docs/design/nftables.md.
#pragma once

#include <string>
#include <string_view>

#include "dataplane/nft/log_groups.h"
#include "dataplane/nft/rule_builder.h"
#include "dataplane/nft/ruleset.h"

namespace caracal::dataplane::nft {

inline constexpr unsigned kPadding = 0;
inline constexpr unsigned kPairFirst = 1;
inline constexpr unsigned kPairSecond = 2;
inline constexpr unsigned kThird = 3;          // of packed keys and of failsafes
inline constexpr unsigned kName = kPairFirst;  // four registers, overwritten from there on
inline constexpr unsigned kScratch = 8;        // up to four registers

// A connection's state bits as nft_ct gives them (NF_CT_STATE_BIT in the kernel).
inline constexpr uint32_t kInvalid = 1;
inline constexpr uint32_t kEstablishedOrRelated = 2 | 4;
inline constexpr uint32_t kNew = 8;
inline constexpr uint32_t kUntracked = 64;

// What differs between the two families.
struct Layout {
  net::Family family;
  uint8_t nfproto;
  uint32_t source, destination, size;  // of the addresses in the header
  SetId sources, identity, range, failsafe_net;
};
const Layout& layout_of(net::Family family);

// What differs between the places where packets are judged; the rules are written once.
struct Place {
  std::string name;  // of chains
  LogPlace log;
  bool ingress;        // the peer is the source
  uint32_t interface;  // the meta key of the judged end's interface
  SetId group;
  int allow;                // verdict
  std::string allow_chain;  // with NFT_GOTO
  bool goes_on = false;     // undecided is not denied
};
Place place_of(desired::Direction direction);
Place place_of(desired::HostHook hook);
inline std::string denied_chain(const Place& place) { return place.name + "_denied"; }
inline std::string logged_chain(const Place& place) { return place.name + "_logged"; }

class RuleWriter {
 public:
  RuleWriter(const RulesetOptions& options, Ruleset& out) : options_(options), out_(out) {}

  RuleBuilder rule(std::string_view chain) {
    return RuleBuilder(options_.table, std::string(chain));
  }
  void add(RuleBuilder& builder, std::string_view comment = {}) {
    out_.rules.push_back(builder.build(comment));
  }
  bool has(Parts parts) const { return (options_.parts & parts) == parts; }
  const std::string& prefix() const { return options_.interface_prefix; }
  unsigned label() const { return options_.host_label; }

  // Two rules: tells by NFLOG as far as the rate allows, drops and counts.
  void drop(std::string_view chain, const LogMark& mark, std::string_view comment);
  // Tells by NFLOG, comes back.
  void logged(const Place& place);
  // `chain` sends each protocol to its policy chain: policy_chain(to, ...), found in `protocols`.
  void protocols(const std::string& chain, SetId protocols, const std::string& to);
  void constant(Element element) { out_.constants.push_back(element); }

 private:
  const RulesetOptions& options_;
  Ruleset& out_;
};

// The rules that judge one protocol space: for groups without otherwise (lean), for groups with one
// (full), and for groups that are split as well (split).
void write_lean(RuleWriter& writer, const Place& place, const Layout& layout,
                const SpaceSpec& space);
void write_full(RuleWriter& writer, const Place& place, const std::string& prefix, bool split,
                const Layout& layout, const SpaceSpec& space);

void write_pod_rules(const RulesetOptions& options, Ruleset& out);
void write_host_rules(const RulesetOptions& options, Ruleset& out);

// ICMPv6 that a link cannot do without: goes on when it is.
RuleBuilder& neighbour_discovery(RuleBuilder& rule);

}  // namespace caracal::dataplane::nft
