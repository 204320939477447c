#include "dataplane/netrules/net_table.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

#include <array>
#include <tuple>

#include "base/check.h"
#include "dataplane/nft/rule_builder.h"
#include "net/protocol.h"

namespace caracal::dataplane::netrules {
namespace {

using net::Family;
using nft::NftnlPtr;
using nft::RuleBuilder;
using nft::wire_register;

// Grows when the meaning of sets or rules changes; stands in the table's comment.
constexpr int kFormat = 1;
// Priorities of hooks (linux/netfilter_ipv4.h). The guard stands before policy, which may accept.
constexpr int kRaw = -300;
constexpr int kGuard = -1;
constexpr int kSourceNat = 100;
// Registers: addresses take four.
constexpr unsigned kSource = 0;
constexpr unsigned kDestination = 4;
constexpr unsigned kAddress = 8;
constexpr unsigned kFirstPort = 12;
constexpr unsigned kLastPort = 13;
constexpr uint8_t kIpipProtocol = 4;

NetSet of_family(NetSet v4, Family family) {
  return family == Family::kIPv4 ? v4 : static_cast<NetSet>(static_cast<uint8_t>(v4) + 1);
}

// Appends expressions that RuleBuilder has not to a rule of its making.
class Tail {
 public:
  explicit Tail(NftnlPtr<nftnl_rule> rule) : rule_(std::move(rule)) {}

  Tail& lookup(NetSet set, unsigned key, bool found) {
    nftnl_expr* expr = make("lookup");
    nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, spec_of(set).name);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, wire_register(key));
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, found ? 0 : uint32_t{NFT_LOOKUP_F_INV});
    return *this;
  }
  Tail& bytes(const void* data, size_t size, unsigned reg) {
    nftnl_expr* expr = make("immediate");
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, wire_register(reg));
    nftnl_expr_set(expr, NFTNL_EXPR_IMM_DATA, data, static_cast<uint32_t>(size));
    return *this;
  }
  Tail& counter() {
    make("counter");
    return *this;
  }
  Tail& drop() { return verdict(NF_DROP); }
  Tail& accept() { return verdict(NF_ACCEPT); }
  Tail& notrack() {
    make("notrack");
    return *this;
  }
  // Ports at random within the range: two nodes' connections to one place seldom collide, and
  // concurrent ones of this node do not race for the same port.
  Tail& masquerade(bool ports) {
    nftnl_expr* expr = make("masq");
    uint32_t flags = NF_NAT_RANGE_PROTO_RANDOM_FULLY;
    if (ports) {
      flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
      nftnl_expr_set_u32(expr, NFTNL_EXPR_MASQ_REG_PROTO_MIN, wire_register(kFirstPort));
      nftnl_expr_set_u32(expr, NFTNL_EXPR_MASQ_REG_PROTO_MAX, wire_register(kLastPort));
    }
    nftnl_expr_set_u32(expr, NFTNL_EXPR_MASQ_FLAGS, flags);
    return *this;
  }
  Tail& source_nat(Family family, bool ports) {
    nftnl_expr* expr = make("nat");
    uint32_t flags = NF_NAT_RANGE_PROTO_RANDOM_FULLY | NF_NAT_RANGE_MAP_IPS;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FAMILY,
                       family == Family::kIPv4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
    // Both ends of the range, as the kernel lists them.
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, wire_register(kAddress));
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MAX, wire_register(kAddress));
    if (ports) {
      flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
      nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN, wire_register(kFirstPort));
      nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MAX, wire_register(kLastPort));
    }
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FLAGS, flags);
    return *this;
  }
  NftnlPtr<nftnl_rule> take() { return std::move(rule_); }

 private:
  Tail& verdict(uint32_t code) {
    nftnl_expr* expr = make("immediate");
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, code);
    return *this;
  }
  nftnl_expr* make(const char* name) {
    nftnl_expr* expr = nftnl_expr_alloc(name);
    CARACAL_CHECK(expr != nullptr);
    nftnl_rule_add_expr(rule_.get(), expr);
    return expr;
  }
  NftnlPtr<nftnl_rule> rule_;
};

RuleBuilder& load_source(RuleBuilder& rule, Family family) {
  return family == Family::kIPv4 ? rule.payload(NFT_PAYLOAD_NETWORK_HEADER, 12, 4, kSource)
                                 : rule.payload(NFT_PAYLOAD_NETWORK_HEADER, 8, 16, kSource);
}
RuleBuilder& load_destination(RuleBuilder& rule, Family family) {
  return family == Family::kIPv4 ? rule.payload(NFT_PAYLOAD_NETWORK_HEADER, 16, 4, kDestination)
                                 : rule.payload(NFT_PAYLOAD_NETWORK_HEADER, 24, 16, kDestination);
}

class Writer {
 public:
  Writer(const std::string& table, const desired::NetworkRules& rules)
      : table_(table), rules_(rules) {}

  NetTable take() && { return std::move(out_); }

  void table() {
    out_.ruleset.table.reset(nftnl_table_alloc());
    nftnl_table* table = out_.ruleset.table.get();
    CARACAL_CHECK(table != nullptr);
    nftnl_table_set_str(table, NFTNL_TABLE_NAME, table_.c_str());
    nftnl_table_set_u32(table, NFTNL_TABLE_FAMILY, NFPROTO_INET);
    nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS, 0);
    const std::string comment = nft::comment_userdata(
        NFTNL_UDATA_TABLE_COMMENT, fmt::format("Caracal, the pod network, format {}", kFormat));
    nftnl_table_set_data(table, NFTNL_TABLE_USERDATA, comment.data(),
                         static_cast<uint32_t>(comment.size()));
  }

  void nat() {
    std::vector<Family> families;
    for (const Family family : net::kFamilies)
      for (const net::Cidr& cidr : rules_.nat_sources)
        if (cidr.family() == family) {
          families.push_back(family);
          break;
        }
    if (families.empty()) return;
    chain("postrouting", "nat", NF_INET_POST_ROUTING, kSourceNat);
    for (const Family family : families) {
      set(of_family(NetSet::kNatSources4, family));
      set(of_family(NetSet::kNoNat4, family));
      set(of_family(NetSet::kNoNatHosts4, family));
      // Ports mean something with these only.
      if (rules_.nat_first_port != 0)
        for (const net::Protocol protocol : {net::kTcp, net::kUdp})
          nat_rule(family, protocol.number);
      nat_rule(family, std::nullopt);
    }
  }

  void guard() {
    if (rules_.vxlan_port == 0 && !rules_.ipip) return;
    set(NetSet::kNodes4);
    set(NetSet::kNodes6);
    chain("input", "filter", NF_INET_LOCAL_IN, kGuard);
    if (rules_.vxlan_port != 0) {
      chain("vxlan_guard");
      RuleBuilder dispatch(table_, "input");
      out_.ruleset.rules.push_back(vxlan(dispatch).go_to("vxlan_guard").build());
      for (const Family family : net::kFamilies) {
        Tail from_node = known(RuleBuilder(table_, "vxlan_guard"), family, kSource);
        add(from_node.accept());
      }
      add(Tail(RuleBuilder(table_, "vxlan_guard").build("VXLAN comes from nodes only"))
              .counter()
              .drop());
    }
    if (rules_.ipip) {
      RuleBuilder rule(table_, "input");
      rule.protocol(kIpipProtocol).family(Family::kIPv4);
      load_source(rule, Family::kIPv4);
      add(Tail(rule.build("IPIP comes from nodes only"))
              .lookup(NetSet::kNodes4, kSource, false)
              .counter()
              .drop());
    }
  }

  // Every packet of the node comes by here, also those within the tunnel: what is no VXLAN is let
  // go by the first rule, at its protocol.
  void raw() {
    if (rules_.vxlan_port == 0) return;
    chain("prerouting", "filter", NF_INET_PRE_ROUTING, kRaw);
    chain("output", "filter", NF_INET_LOCAL_OUT, kRaw);
    for (const auto& [base, name, address] :
         {std::tuple{"prerouting", "vxlan_in", kSource}, {"output", "vxlan_out", kDestination}}) {
      chain(name);
      RuleBuilder dispatch(table_, base);
      out_.ruleset.rules.push_back(vxlan(dispatch).go_to(name).build());
      for (const Family family : net::kFamilies) {
        Tail node = known(RuleBuilder(table_, name), family, address);
        add(node.notrack().accept());
      }
    }
  }

 private:
  void add(Tail& tail) { out_.ruleset.rules.push_back(tail.take()); }

  // A packet of the family whose source or destination is a node.
  Tail known(RuleBuilder rule, Family family, unsigned address) const {
    rule.family(family);
    if (address == kSource)
      load_source(rule, family);
    else
      load_destination(rule, family);
    Tail out(rule.build());
    out.lookup(of_family(NetSet::kNodes4, family), address, true);
    return out;
  }

  // UDP to our port with our VNI: another program's VXLAN may share the port.
  RuleBuilder& vxlan(RuleBuilder& rule) const {
    constexpr uint32_t kPortOffset = 2;     // RFC 768
    constexpr uint32_t kVniOffset = 8 + 4;  // RFC 7348: behind UDP header and flags
    const uint16_t port = htons(rules_.vxlan_port);
    const std::array<uint8_t, 3> vni = {static_cast<uint8_t>(rules_.vxlan_vni >> 16),
                                        static_cast<uint8_t>(rules_.vxlan_vni >> 8 & 0xff),
                                        static_cast<uint8_t>(rules_.vxlan_vni & 0xff)};
    return rule.protocol(net::kUdp.number)
        .payload(NFT_PAYLOAD_TRANSPORT_HEADER, kPortOffset, sizeof port, 0)
        .equals(0, &port, sizeof port)
        .payload(NFT_PAYLOAD_TRANSPORT_HEADER, kVniOffset, vni.size(), 0)
        .equals(0, vni.data(), vni.size());
  }

  void nat_rule(Family family, std::optional<uint8_t> protocol) {
    RuleBuilder rule(table_, "postrouting");
    rule.family(family);
    if (protocol) rule.protocol(*protocol);
    load_source(rule, family);
    load_destination(rule, family);
    Tail tail(rule.build());
    tail.lookup(of_family(NetSet::kNatSources4, family), kSource, true)
        .lookup(of_family(NetSet::kNoNat4, family), kDestination, false)
        .lookup(of_family(NetSet::kNoNatHosts4, family), kDestination, false)
        .counter();
    if (protocol) {
      const uint16_t first = htons(rules_.nat_first_port);
      const uint16_t last = htons(rules_.nat_last_port);
      tail.bytes(&first, sizeof first, kFirstPort).bytes(&last, sizeof last, kLastPort);
    }
    const auto& address = family == Family::kIPv4 ? rules_.nat_address_v4 : rules_.nat_address_v6;
    if (address)
      tail.bytes(address->data(), address->size(), kAddress)
          .source_nat(family, protocol.has_value());
    else
      tail.masquerade(protocol.has_value());
    add(tail);
  }

  void chain(const char* name, const char* type, int hook, int priority) {
    NftnlPtr<nftnl_chain> chain = new_chain(name);
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TYPE, type);
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_HOOKNUM, static_cast<uint32_t>(hook));
    nftnl_chain_set_s32(chain.get(), NFTNL_CHAIN_PRIO, priority);
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
    out_.ruleset.chains.push_back(std::move(chain));
  }
  // One that others lead to.
  void chain(const char* name) { out_.ruleset.chains.push_back(new_chain(name)); }
  NftnlPtr<nftnl_chain> new_chain(const char* name) const {
    NftnlPtr<nftnl_chain> chain(nftnl_chain_alloc());
    CARACAL_CHECK(chain != nullptr);
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, table_.c_str());
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, name);
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_FAMILY, NFPROTO_INET);
    return chain;
  }

  void set(NetSet id) {
    const NetSetSpec& spec = spec_of(id);
    const bool v4 = spec.family == Family::kIPv4;
    NftnlPtr<nftnl_set> set(nftnl_set_alloc());
    CARACAL_CHECK(set != nullptr);
    // nft's datatype numbers: 7 ipv4_addr, 8 ipv6_addr.
    constexpr uint32_t kTypeIpv4 = 7, kTypeIpv6 = 8;
    nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, table_.c_str());
    nftnl_set_set_str(set.get(), NFTNL_SET_NAME, spec.name);
    nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
    nftnl_set_set_u32(set.get(), NFTNL_SET_ID, static_cast<uint32_t>(id) + 1);
    nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, spec.interval ? uint32_t{NFT_SET_INTERVAL} : 0);
    nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, v4 ? kTypeIpv4 : kTypeIpv6);
    nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, v4 ? 4 : 16);
    // For nft to print it: the keys' byte order (2: network), and a comment.
    std::string userdata;
    const uint32_t order = 2;
    userdata.push_back(static_cast<char>(NFTNL_UDATA_SET_KEYBYTEORDER));
    userdata.push_back(static_cast<char>(sizeof order));
    userdata.append(reinterpret_cast<const char*>(&order), sizeof order);
    userdata += nft::comment_userdata(NFTNL_UDATA_SET_COMMENT, spec.comment);
    nftnl_set_set_data(set.get(), NFTNL_SET_USERDATA, userdata.data(),
                       static_cast<uint32_t>(userdata.size()));
    out_.ruleset.sets.push_back(std::move(set));
    out_.sets.push_back(id);
  }

  const std::string& table_;
  const desired::NetworkRules& rules_;
  NetTable out_;
};

}  // namespace

NetTable make_net_table(const std::string& table, const desired::NetworkRules& rules) {
  Writer writer(table, rules);
  writer.table();
  writer.nat();
  writer.guard();
  writer.raw();
  return std::move(writer).take();
}

Status validate(const desired::NetworkRules& rules) {
  constexpr uint32_t kMaxVni = 0xffffff;
  if ((rules.nat_first_port == 0) != (rules.nat_last_port == 0) ||
      rules.nat_first_port > rules.nat_last_port)
    return fail(Errc::kInvalid,
                fmt::format("NAT port range {}-{}: the first must not be above the last, and both "
                            "are 1 to 65535, or both 0 for no range",
                            rules.nat_first_port, rules.nat_last_port));
  if (rules.vxlan_port != 0 && rules.vxlan_vni > kMaxVni)
    return fail(Errc::kInvalid,
                fmt::format("VXLAN VNI {}: there are 0 to {}", rules.vxlan_vni, kMaxVni));
  if (rules.nat_address_v4 && !rules.nat_address_v4->is_v4())
    return fail(Errc::kInvalid,
                fmt::format("NAT address {}: must be of IPv4", rules.nat_address_v4->to_string()));
  if (rules.nat_address_v6 && !rules.nat_address_v6->is_v6())
    return fail(Errc::kInvalid,
                fmt::format("NAT address {}: must be of IPv6", rules.nat_address_v6->to_string()));
  return {};
}

}  // namespace caracal::dataplane::netrules
