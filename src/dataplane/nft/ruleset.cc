#include "dataplane/nft/ruleset.h"

#include <fmt/format.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "dataplane/nft/rule_builder.h"
#include "net/protocol.h"

namespace caracal::dataplane::nft {
namespace {

using desired::Direction;
using net::Family;

constexpr std::array kDirections = {Direction::kIngress, Direction::kEgress};
// A connection's state bits as nft_ct gives them (NF_CT_STATE_BIT in the kernel).
constexpr uint32_t kInvalid = 1;
constexpr uint32_t kEstablishedOrRelated =
    1U << (IP_CT_ESTABLISHED + 1) | 1U << (IP_CT_RELATED + 1);
// RFC 4861: router and neighbour solicitation and advertisement, redirect left out (133-136). RFC
// 2710 and 3810: listener query, report, done, version 2 report.
constexpr std::array<uint8_t, 8> kNeighbourTypes = {130, 131, 132, 133, 134, 135, 136, 143};

// What differs between the two directions; the rules are written once.
struct Side {
  Direction direction;
  const char* name;    // of chains
  uint32_t interface;  // the pod's, from where the pod stands: meta key
  int allow;           // verdict
  SetId dispatch, group, protocols;
};
Side side_of(Direction direction) {
  if (direction == Direction::kIngress)
    return {direction,
            "ingress",
            NFT_META_OIFNAME,
            NF_ACCEPT,
            SetId::kDispatchIngress,
            SetId::kGroupIngress,
            SetId::kProtocolIngress};
  // After egress comes ingress, of a pod on the same node: go on.
  return {direction,
          "egress",
          NFT_META_IIFNAME,
          NFT_RETURN,
          SetId::kDispatchEgress,
          SetId::kGroupEgress,
          SetId::kProtocolEgress};
}

// What differs between the two families.
struct Layout {
  Family family;
  const char* name;
  uint8_t nfproto;
  uint32_t source, destination, size;  // of the addresses in the header
  SetId sources, identity, range;
};
constexpr std::array<Layout, 2> kLayouts = {{
    {Family::kIPv4, "ipv4", NFPROTO_IPV4, 12, 16, 4, SetId::kSource4, SetId::kIdentity4,
     SetId::kRange4},
    {Family::kIPv6, "ipv6", NFPROTO_IPV6, 8, 24, 16, SetId::kSource6, SetId::kIdentity6,
     SetId::kRange6},
}};

// The four spaces of desired::PortSpace; number 0 stands for every protocol without ports.
struct Space {
  const char* name;
  uint8_t protocol;
  SetId classes;
};
constexpr std::array<Space, 4> kSpaces = {{
    {"tcp", net::kTcp.number, SetId::kClassTcp},
    {"udp", net::kUdp.number, SetId::kClassUdp},
    {"sctp", net::kSctp.number, SetId::kClassSctp},
    {"other", 0, SetId::kClassOther},
}};

std::string space_chain(const Side& side, const Layout& layout, const Space& space) {
  return fmt::format("{}_{}_{}", side.name, layout.name, space.name);
}

uint32_t chain_index(std::string_view name) {
  const auto& chains = chain_specs();
  for (uint32_t i = 0; i < chains.size(); ++i)
    if (chains[i].name == name) return i;
  CARACAL_CHECK(!"no such chain");
  return 0;
}

// Registers. A pair (kPairFirst, kPairSecond) is the key of `peer` and `allowed`. Maps whose value
// goes into the pair's first half are written to kPadding, as eight bytes; see
// docs/design/nftables.md.
constexpr unsigned kPadding = 0;
constexpr unsigned kPairFirst = 1;
constexpr unsigned kPairSecond = 2;
constexpr unsigned kName = kPairFirst;  // four registers, overwritten from there on
constexpr unsigned kScratch = 8;        // up to four registers

class Writer {
 public:
  Writer(const std::string& table, const std::string& prefix, Ruleset& out)
      : table_(table), prefix_(prefix), out_(out) {}

  void base_chains();
  void workload_source();
  void workload_to_host();
  void dispatch(const Side& side);
  void policy(const Side& side);
  void space(const Side& side, const Layout& layout, const Space& space);
  void denied(const Side& side);

 private:
  RuleBuilder rule(std::string_view chain) { return RuleBuilder(table_, std::string(chain)); }
  void add(RuleBuilder& builder, std::string_view comment = {}) {
    out_.rules.push_back(builder.build(comment));
  }
  // (interface -> group) into the pair's first half.
  RuleBuilder& group(RuleBuilder& r, const Side& side) {
    return r.meta(side.interface, kName).map(side.group, kName, kPadding);
  }
  // The pair (row, port class) is allowed.
  RuleBuilder& allowed(RuleBuilder& r, const Side& side, const Space& space) {
    if (space.protocol != 0)
      r.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2,
                kScratch);  // destination port, RFC 9293, 768, 9260
    else
      r.meta(NFT_META_L4PROTO, kScratch);
    return r.map(space.classes, kScratch, kPairSecond)
        .in_set(SetId::kAllowed, kPairFirst)
        .verdict(side.allow);
  }
  RuleBuilder& peer_address(RuleBuilder& r, const Side& side, const Layout& layout) {
    const uint32_t offset =
        side.direction == Direction::kIngress ? layout.source : layout.destination;
    return r.payload(NFT_PAYLOAD_NETWORK_HEADER, offset, layout.size, kScratch);
  }

  const std::string& table_;
  const std::string& prefix_;
  Ruleset& out_;
};

void Writer::base_chains() {
  add(rule("prerouting").name_begins(NFT_META_IIFNAME, prefix_).go_to("workload_source"));
  add(rule("input").name_begins(NFT_META_IIFNAME, prefix_).go_to("workload_to_host"));
  add(rule("forward").connection_state(kEstablishedOrRelated).verdict(NF_ACCEPT));
  add(rule("forward").name_begins(NFT_META_IIFNAME, prefix_).jump("egress"),
      "from a pod: its egress policy; comes back when allowed");
  add(rule("forward").name_begins(NFT_META_OIFNAME, prefix_).go_to("ingress"),
      "to a pod: its ingress policy");
}

void Writer::workload_source() {
  constexpr const char* kChain = "workload_source";
  for (const Layout& layout : kLayouts)
    add(rule(kChain)
            .family(layout.family)
            .meta(NFT_META_IIFNAME, 0)
            .payload(NFT_PAYLOAD_NETWORK_HEADER, layout.source, layout.size, 4)
            .in_set(layout.sources, 0)
            .verdict(NF_ACCEPT),
        "a pod sends from its own addresses only");
  // fe80::/10 and ::, which never leave the link.
  std::array<uint8_t, 16> mask{};
  std::array<uint8_t, 16> value{};
  mask[0] = 0xff, mask[1] = 0xc0;
  value[0] = 0xfe, value[1] = 0x80;
  add(rule(kChain)
          .family(Family::kIPv6)
          .payload(NFT_PAYLOAD_NETWORK_HEADER, 8, 16, 4)
          .masked_equals(4, mask, value)
          .protocol(net::kIcmpV6.number)
          .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, 0)
          .in_set(SetId::kNeighbour, 0)
          .verdict(NF_ACCEPT),
      "neighbour discovery");
  value.fill(0);
  add(rule(kChain)
          .family(Family::kIPv6)
          .payload(NFT_PAYLOAD_NETWORK_HEADER, 8, 16, 4)
          .equals(4, value.data(), value.size())
          .protocol(net::kIcmpV6.number)
          .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, 0)
          .in_set(SetId::kNeighbour, 0)
          .verdict(NF_ACCEPT),
      "duplicate address detection, multicast listeners");
  add(rule(kChain).counter().verdict(NF_DROP), "spoofed source, or an unknown interface");
}

void Writer::workload_to_host() {
  constexpr const char* kChain = "workload_to_host";
  add(rule(kChain).connection_state(kEstablishedOrRelated).verdict(NF_ACCEPT));
  add(rule(kChain)
          .protocol(net::kIcmpV6.number)
          .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, 0)
          .in_set(SetId::kNeighbour, 0)
          .verdict(NF_ACCEPT));
  add(rule(kChain).jump("egress"), "pod to its node: the pod's egress policy");
}

void Writer::dispatch(const Side& side) {
  add(rule(side.name).connection_state(kInvalid).counter().verdict(NF_DROP),
      "belongs to no connection and cannot start one");
  add(rule(side.name).meta(side.interface, kName).verdict_map(side.dispatch, kName));
  add(rule(side.name).counter().verdict(NF_DROP), "unknown pod interface");
}

void Writer::policy(const Side& side) {
  const std::string chain = fmt::format("{}_policy", side.name);
  add(rule(chain)
          .meta(NFT_META_NFPROTO, 0)
          .meta(NFT_META_L4PROTO, 1)
          .verdict_map(side.protocols, 0));
  for (const Layout& layout : kLayouts)
    add(rule(chain).family(layout.family).go_to(space_chain(side, layout, kSpaces.back())));
  add(rule(chain).counter().verdict(NF_DROP), "neither IPv4 nor IPv6");
  for (const Layout& layout : kLayouts) {
    for (const Space& space : kSpaces) {
      if (space.protocol == 0) continue;
      Element element;
      element.set = side.protocols;
      element.key[0] = layout.nfproto;
      element.key[4] = space.protocol;
      element.value = kGotoChain + chain_index(space_chain(side, layout, space));
      out_.constants.push_back(element);
    }
  }
}

void Writer::space(const Side& side, const Layout& layout, const Space& space) {
  const std::string chain = space_chain(side, layout, space);
  const std::string denied = fmt::format("{}_denied", side.name);
  const std::string group_map = spec_of(side.group).name;
  const std::string classes = spec_of(space.classes).name;
  const std::string allow = side.allow == NF_ACCEPT ? "accept" : "go on";

  RuleBuilder anyone = rule(chain);
  group(anyone, side).map(SetId::kAnyone, kPairFirst, kPadding);
  add(allowed(anyone, side, space),
      fmt::format("{} -> group; group @anyone -> row; row . {} @allowed: {}", group_map, classes,
                  allow));

  RuleBuilder exact = rule(chain);
  peer_address(group(exact, side), side, layout)
      .map(layout.identity, kScratch, kPairSecond)
      .map(SetId::kPeer, kPairFirst, kPadding);
  add(allowed(exact, side, space),
      fmt::format("{} . {} -> group . identity; @peer -> row; row . {} @allowed: {}", group_map,
                  spec_of(layout.identity).name, classes, allow));

  RuleBuilder known = rule(chain);
  known.family(layout.family);
  add(peer_address(known, side, layout)
          .map(layout.identity, kScratch, kPairSecond)
          .nonzero(kPairSecond)
          .go_to(denied),
      "a known address: nothing else can allow it");

  RuleBuilder range = rule(chain);
  peer_address(group(range, side), side, layout)
      .map(layout.range, kScratch, kPairSecond)
      .map(SetId::kPeer, kPairFirst, kPadding);
  add(allowed(range, side, space),
      fmt::format("{} . {} -> group . identity; @peer -> row; row . {} @allowed: {}", group_map,
                  spec_of(layout.range).name, classes, allow));

  add(rule(chain).go_to(denied));
}

void Writer::denied(const Side& side) {
  const std::string chain = fmt::format("{}_denied", side.name);
  // The source was checked on the way in, so an address that belongs to the outgoing interface too
  // means a pod that reaches itself through a service.
  for (const Layout& layout : kLayouts)
    add(rule(chain)
            .name_begins(NFT_META_IIFNAME, prefix_)
            .family(layout.family)
            .meta(NFT_META_OIFNAME, 0)
            .payload(NFT_PAYLOAD_NETWORK_HEADER, layout.source, layout.size, 4)
            .in_set(layout.sources, 0)
            .verdict(NF_ACCEPT),
        "a pod may always reach itself");
  add(rule(chain).counter().verdict(NF_DROP), "not allowed by policy");
}

NftnlPtr<nftnl_table> make_table(const std::string& name) {
  NftnlPtr<nftnl_table> table(nftnl_table_alloc());
  CARACAL_CHECK(table != nullptr);
  nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, name.c_str());
  nftnl_table_set_u32(table.get(), NFTNL_TABLE_FAMILY, NFPROTO_INET);
  nftnl_table_set_u32(table.get(), NFTNL_TABLE_FLAGS, 0);
  const std::string userdata = comment_userdata(
      NFTNL_UDATA_TABLE_COMMENT,
      fmt::format("pod network policy, written by caracal-agent, format {}; do not edit",
                  kFormatVersion));
  nftnl_table_set_data(table.get(), NFTNL_TABLE_USERDATA, userdata.data(),
                       static_cast<uint32_t>(userdata.size()));
  return table;
}

NftnlPtr<nftnl_set> make_set(const std::string& table, const SetSpec& spec) {
  NftnlPtr<nftnl_set> set(nftnl_set_alloc());
  CARACAL_CHECK(set != nullptr);
  uint32_t flags = spec.interval ? uint32_t{NFT_SET_INTERVAL} : 0;
  if (spec.value != ValueKind::kNone) flags |= NFT_SET_MAP;
  nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, table.c_str());
  nftnl_set_set_str(set.get(), NFTNL_SET_NAME, spec.name);
  nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
  nftnl_set_set_u32(set.get(), NFTNL_SET_ID, static_cast<uint32_t>(spec.id) + 1);
  nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, flags);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, spec.key_type);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, spec.key_size);
  constexpr uint32_t kTypeMark = 19;
  if (spec.value == ValueKind::kVerdict) {
    nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
    nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_LEN, 16);
  } else if (spec.value != ValueKind::kNone) {
    const bool padded = spec.value == ValueKind::kPadded;
    nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_TYPE,
                      padded ? kTypeMark << 6 | kTypeMark : kTypeMark);
    nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_LEN, padded ? 8 : 4);
  }
  // What nft leaves there for itself, and needs to print the elements: byte orders (1 host, 2
  // network; none for concatenations and verdicts) and a comment.
  std::string userdata;
  const auto put_order = [&](uint8_t type, uint32_t order) {
    userdata.push_back(static_cast<char>(type));
    userdata.push_back(static_cast<char>(sizeof order));
    userdata.append(reinterpret_cast<const char*>(&order), sizeof order);
  };
  constexpr uint32_t kTypeIfname = 41;
  constexpr uint32_t kLastSimpleType = 63;
  if (spec.key_type == kTypeMark || spec.key_type == kTypeIfname)
    put_order(NFTNL_UDATA_SET_KEYBYTEORDER, 1);
  else if (spec.key_type <= kLastSimpleType)
    put_order(NFTNL_UDATA_SET_KEYBYTEORDER, 2);
  if (spec.value == ValueKind::kNumber) put_order(NFTNL_UDATA_SET_DATABYTEORDER, 1);
  userdata += comment_userdata(NFTNL_UDATA_SET_COMMENT, spec.comment);
  nftnl_set_set_data(set.get(), NFTNL_SET_USERDATA, userdata.data(),
                     static_cast<uint32_t>(userdata.size()));
  return set;
}

NftnlPtr<nftnl_chain> make_chain(const std::string& table, const ChainSpec& spec) {
  NftnlPtr<nftnl_chain> chain(nftnl_chain_alloc());
  CARACAL_CHECK(chain != nullptr);
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, table.c_str());
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, spec.name.c_str());
  nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_FAMILY, NFPROTO_INET);
  if (spec.hook >= 0) {
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TYPE, "filter");
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_HOOKNUM, static_cast<uint32_t>(spec.hook));
    nftnl_chain_set_s32(chain.get(), NFTNL_CHAIN_PRIO, spec.priority);
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
  }
  return chain;
}

}  // namespace

void NftnlDelete::operator()(nftnl_table* p) const { nftnl_table_free(p); }
void NftnlDelete::operator()(nftnl_chain* p) const { nftnl_chain_free(p); }
void NftnlDelete::operator()(nftnl_set* p) const { nftnl_set_free(p); }
void NftnlDelete::operator()(nftnl_rule* p) const { nftnl_rule_free(p); }

const std::vector<ChainSpec>& chain_specs() {
  static const std::vector<ChainSpec> specs = [] {
    constexpr int kRaw = -300;  // before connection tracking
    constexpr int kFilter = 0;
    std::vector<ChainSpec> out = {
        {"prerouting", NF_INET_PRE_ROUTING, kRaw},
        {"input", NF_INET_LOCAL_IN, kFilter},
        {"forward", NF_INET_FORWARD, kFilter},
        {"workload_source"},
        {"workload_to_host"},
    };
    for (const Direction direction : kDirections) {
      const Side side = side_of(direction);
      out.push_back({side.name});
      out.push_back({fmt::format("{}_policy", side.name)});
      for (const Layout& layout : kLayouts)
        for (const Space& space : kSpaces) out.push_back({space_chain(side, layout, space)});
      out.push_back({fmt::format("{}_denied", side.name)});
    }
    return out;
  }();
  return specs;
}

uint32_t policy_chain(Direction direction) {
  static const std::array<uint32_t, 2> indexes = {chain_index("ingress_policy"),
                                                  chain_index("egress_policy")};
  return indexes[static_cast<size_t>(direction)];
}

Ruleset make_ruleset(const std::string& table, const std::string& interface_prefix) {
  Ruleset out;
  out.table = make_table(table);
  for (const SetSpec& spec : set_specs()) out.sets.push_back(make_set(table, spec));
  for (const ChainSpec& spec : chain_specs()) out.chains.push_back(make_chain(table, spec));
  Writer writer(table, interface_prefix, out);
  writer.base_chains();
  writer.workload_source();
  writer.workload_to_host();
  for (const Direction direction : kDirections) {
    const Side side = side_of(direction);
    writer.dispatch(side);
    writer.policy(side);
    for (const Layout& layout : kLayouts)
      for (const Space& space : kSpaces) writer.space(side, layout, space);
    writer.denied(side);
  }
  for (const uint8_t type : kNeighbourTypes) {
    Element element;
    element.set = SetId::kNeighbour;
    element.key[0] = type;
    out.constants.push_back(element);
  }
  return out;
}

std::string signature(const nftnl_table* table) {
  uint32_t size = 0;
  const auto* userdata =
      static_cast<const char*>(nftnl_table_get_data(table, NFTNL_TABLE_USERDATA, &size));
  return fmt::format("table flags {} comment {}", nftnl_table_get_u32(table, NFTNL_TABLE_FLAGS),
                     userdata != nullptr ? std::string(userdata, size) : std::string());
}

std::string signature(const nftnl_set* set) {
  const uint32_t flags = nftnl_set_get_u32(set, NFTNL_SET_FLAGS);
  std::string out = fmt::format("set {} flags {} key {} {}", nftnl_set_get_str(set, NFTNL_SET_NAME),
                                flags, nftnl_set_get_u32(set, NFTNL_SET_KEY_TYPE),
                                nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN));
  if ((flags & NFT_SET_MAP) != 0) {
    const uint32_t type = nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE);
    out += fmt::format(" value {}", type);
    if (type != NFT_DATA_VERDICT)
      out += fmt::format(" {}", nftnl_set_get_u32(set, NFTNL_SET_DATA_LEN));
  }
  return out;
}

std::string signature(const nftnl_chain* chain) {
  std::string out = fmt::format("chain {}", nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME));
  if (nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM))
    out += fmt::format(" {} hook {} priority {} policy {}",
                       nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE),
                       nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM),
                       nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO),
                       nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY));
  return out;
}

std::string signature(const nftnl_rule* rule) {
  std::string out = fmt::format("rule of {}:", nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN));
  const auto add = [](nftnl_expr* expr, void* data) {
    auto& text = *static_cast<std::string*>(data);
    const std::string_view name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);
    char buffer[512];
    if (name == "counter")  // its text holds what it counted
      text += " [counter]";
    else if (nftnl_expr_snprintf(buffer, sizeof buffer, expr, NFTNL_OUTPUT_DEFAULT, 0) > 0)
      text += fmt::format(" [{} {}]", name, buffer);
    return 0;
  };
  nftnl_expr_foreach(const_cast<nftnl_rule*>(rule), add, &out);
  uint32_t size = 0;
  const auto* userdata =
      static_cast<const char*>(nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &size));
  if (userdata != nullptr) out.append(" ").append(userdata, size);
  return out;
}

std::vector<std::string> signatures(const Ruleset& ruleset) {
  std::vector<std::string> out;
  for (const auto& set : ruleset.sets) out.push_back(signature(set.get()));
  for (const auto& chain : ruleset.chains) out.push_back(signature(chain.get()));
  std::sort(out.begin(), out.end());
  out.insert(out.begin(), signature(ruleset.table.get()));
  std::vector<std::string> rules;
  for (const auto& rule : ruleset.rules) rules.push_back(signature(rule.get()));
  std::stable_sort(rules.begin(), rules.end(), [](const std::string& a, const std::string& b) {
    return a.substr(0, a.find(':')) < b.substr(0, b.find(':'));
  });
  out.insert(out.end(), rules.begin(), rules.end());
  return out;
}

}  // namespace caracal::dataplane::nft
