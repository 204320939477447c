#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <array>

#include "base/check.h"
#include "dataplane/nft/rules.h"
#include "net/protocol.h"

namespace caracal::dataplane::nft {
namespace {

using desired::Direction;
using net::Family;

// RFC 4861: router and neighbour solicitation and advertisement, redirect left out (133-136). RFC
// 2710 and 3810: listener query, report, done, version 2 report.
constexpr std::array<uint8_t, 8> kNeighbourTypes = {130, 131, 132, 133, 134, 135, 136, 143};

class PodRules : public RuleWriter {
 public:
  using RuleWriter::RuleWriter;

  void base_chains() {
    add(rule("prerouting").name_begins(NFT_META_IIFNAME, prefix()).go_to("workload_source"));
    add(rule("input").name_begins(NFT_META_IIFNAME, prefix()).go_to("workload_to_host"));
    add(rule("forward").connection_state(kEstablishedOrRelated).verdict(NF_ACCEPT));
    add(rule("forward").name_begins(NFT_META_IIFNAME, prefix()).jump("egress"),
        "from a pod: its egress policy; comes back when allowed");
    add(rule("forward").name_begins(NFT_META_OIFNAME, prefix()).go_to("ingress"),
        "to a pod: its ingress policy");
  }

  void workload_source() {
    constexpr const char* kChain = "workload_source";
    for (const Family family : net::kFamilies) {
      const Layout& layout = layout_of(family);
      add(rule(kChain)
              .family(family)
              .meta(NFT_META_IIFNAME, 0)
              .payload(NFT_PAYLOAD_NETWORK_HEADER, layout.source, layout.size, 4)
              .in_set(layout.sources, 0)
              .verdict(NF_ACCEPT),
          "a pod sends from its own addresses only");
    }
    // fe80::/10 and ::, which never leave the link.
    std::array<uint8_t, 16> mask{};
    std::array<uint8_t, 16> value{};
    mask[0] = 0xff, mask[1] = 0xc0;
    value[0] = 0xfe, value[1] = 0x80;
    add(neighbour_discovery(rule(kChain)
                                .family(Family::kIPv6)
                                .payload(NFT_PAYLOAD_NETWORK_HEADER, 8, 16, 4)
                                .masked_equals(4, mask, value))
            .verdict(NF_ACCEPT),
        "neighbour discovery");
    value.fill(0);
    add(neighbour_discovery(rule(kChain)
                                .family(Family::kIPv6)
                                .payload(NFT_PAYLOAD_NETWORK_HEADER, 8, 16, 4)
                                .equals(4, value.data(), value.size()))
            .verdict(NF_ACCEPT),
        "duplicate address detection, multicast listeners");
    drop(kChain, {LogEvent::kDenied, LogPlace::kPodEgress, LogReason::kSpoofed},
         "spoofed source, or an unknown interface");
  }

  void workload_to_host() {
    constexpr const char* kChain = "workload_to_host";
    add(rule(kChain).connection_state(kEstablishedOrRelated).verdict(NF_ACCEPT));
    RuleBuilder discovery = rule(kChain);
    add(neighbour_discovery(discovery).verdict(NF_ACCEPT));
    add(rule(kChain).jump("egress"), "pod to its node: the pod's egress policy");
    add(rule(kChain)
            .meta(NFT_META_NFPROTO, 0)
            .verdict_map(SetId::kToHost, 0)
            .go_to("to_host_denied"),
        "behind it: denied, or on to others' rules");
    drop("to_host_denied", {LogEvent::kDenied, LogPlace::kPodEgress, LogReason::kToHost},
         "pods may not reach their node");
  }

  void direction(const Place& place, Direction direction) {
    const bool ingress = direction == Direction::kIngress;
    const std::string& name = place.name;
    add(rule(name).connection_state(kInvalid).counter().verdict(NF_DROP),
        "belongs to no connection and cannot start one");
    add(rule(name)
            .meta(place.interface, kName)
            .verdict_map(ingress ? SetId::kDispatchIngress : SetId::kDispatchEgress, kName)
            .go_to(name + "_policy"));
    if (has(kPartFull))
      add(rule(name)
              .meta(place.interface, kName)
              .in_set(ingress ? SetId::kFullIngress : SetId::kFullEgress, kName)
              .go_to(name + "_full"));
    if (has(kPartSplit))
      add(rule(name)
              .meta(place.interface, kName)
              .in_set(ingress ? SetId::kSplitIngress : SetId::kSplitEgress, kName)
              .go_to(name + "_split"));
    drop(name, {LogEvent::kDenied, place.log, LogReason::kUnknownInterface},
         "unknown pod interface");

    protocols(name + "_policy", ingress ? SetId::kProtocolIngress : SetId::kProtocolEgress, name);
    if (has(kPartFull))
      protocols(name + "_full", ingress ? SetId::kProtocolFullIngress : SetId::kProtocolFullEgress,
                name + "_full");
    if (has(kPartSplit))
      protocols(name + "_split",
                ingress ? SetId::kProtocolSplitIngress : SetId::kProtocolSplitEgress,
                name + "_split");
    for (const Family family : net::kFamilies) {
      const Layout& layout = layout_of(family);
      for (const SpaceSpec& space : spaces_of(family)) {
        write_lean(*this, place, layout, space);
        if (has(kPartFull)) write_full(*this, place, name + "_full", false, layout, space);
        if (has(kPartSplit)) write_full(*this, place, name + "_split", true, layout, space);
      }
    }
    if (has(kPartLogging)) logged(place);
    drop(name + "_mid_stream", {LogEvent::kDenied, place.log, LogReason::kMidStream},
         "the middle of a connection that is not known, or was ended");
    denied(place);
  }

 private:
  void denied(const Place& place) {
    const std::string chain = denied_chain(place);
    // The source was checked on the way in, so an address that belongs to the outgoing interface
    // too means a pod that reaches itself through a service.
    for (const Family family : net::kFamilies) {
      const Layout& layout = layout_of(family);
      add(rule(chain)
              .name_begins(NFT_META_IIFNAME, prefix())
              .family(family)
              .meta(NFT_META_OIFNAME, 0)
              .payload(NFT_PAYLOAD_NETWORK_HEADER, layout.source, layout.size, 4)
              .in_set(layout.sources, 0)
              .verdict(NF_ACCEPT),
          "a pod may always reach itself");
    }
    drop(chain, {LogEvent::kDenied, place.log, LogReason::kPolicy}, "not allowed by policy");
  }
};

}  // namespace

const Layout& layout_of(Family family) {
  static const Layout v4 = {
      Family::kIPv4,  NFPROTO_IPV4,        12, 16, 4, SetId::kSource4, SetId::kIdentity4,
      SetId::kRange4, SetId::kFailsafeNet4};
  static const Layout v6 = {
      Family::kIPv6,  NFPROTO_IPV6,        8, 24, 16, SetId::kSource6, SetId::kIdentity6,
      SetId::kRange6, SetId::kFailsafeNet6};
  return family == Family::kIPv4 ? v4 : v6;
}

Place place_of(Direction direction) {
  Place out;
  out.name = name_of(direction);
  out.log = log_place(direction);
  out.ingress = direction == Direction::kIngress;
  // The pod's interface, from where the pod stands.
  out.interface = out.ingress ? NFT_META_OIFNAME : NFT_META_IIFNAME;
  out.group = out.ingress ? SetId::kGroupIngress : SetId::kGroupEgress;
  // After egress comes ingress, of a pod on the same node: go on.
  out.allow = out.ingress ? NF_ACCEPT : NFT_RETURN;
  return out;
}

RuleBuilder& neighbour_discovery(RuleBuilder& rule) {
  return rule.protocol(net::kIcmpV6.number)
      .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, 0)
      .in_set(SetId::kNeighbour, 0);
}

void RuleWriter::drop(std::string_view chain, const LogMark& mark, std::string_view comment) {
  RuleBuilder tell = rule(chain);
  add(tell.limit(kDeniedRate, kDeniedBurst).log(kDeniedGroup, to_prefix(mark), kLogSnapLength));
  RuleBuilder last = rule(chain);
  add(last.counter().verdict(NF_DROP), comment);
}

void RuleWriter::logged(const Place& place) {
  RuleBuilder tell = rule(logged_chain(place));
  add(tell.limit(kLoggedRate, kLoggedBurst)
          .log(kLoggedGroup, to_prefix({LogEvent::kLogged, place.log, LogReason::kPolicy}),
               kLogSnapLength));
}

void RuleWriter::protocols(const std::string& chain, SetId protocols, const std::string& to) {
  RuleBuilder with_ports = rule(chain);
  add(with_ports.meta(NFT_META_NFPROTO, 0).meta(NFT_META_L4PROTO, 1).verdict_map(protocols, 0));
  for (const Family family : net::kFamilies) {
    RuleBuilder others = rule(chain);
    add(others.family(family).go_to(policy_chain(to, family, spaces_of(family).back())));
  }
  RuleBuilder last = rule(chain);
  add(last.counter().verdict(NF_DROP), "neither IPv4 nor IPv6");
  for (const Family family : net::kFamilies) {
    for (const SpaceSpec& space : spaces_of(family)) {
      if (space.protocol == 0) continue;
      Element element;
      element.set = protocols;
      element.key[0] = layout_of(family).nfproto;
      element.key[4] = space.protocol;
      element.value = kGotoChain + chain_index(policy_chain(to, family, space));
      constant(element);
    }
  }
}

void write_pod_rules(const RulesetOptions& options, Ruleset& out) {
  PodRules rules(options, out);
  rules.base_chains();
  rules.workload_source();
  rules.workload_to_host();
  for (const Direction direction : {Direction::kIngress, Direction::kEgress})
    rules.direction(place_of(direction), direction);
  for (const uint8_t type : kNeighbourTypes) {
    Element element;
    element.set = SetId::kNeighbour;
    element.key[0] = type;
    rules.constant(element);
  }
}

}  // namespace caracal::dataplane::nft
