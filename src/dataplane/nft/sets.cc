#include "dataplane/nft/sets.h"

#include "base/check.h"

namespace caracal::dataplane::nft {
namespace {

// nft's numbers for data types (include/datatype.h there); a concatenation holds six bits each.
constexpr uint32_t kTypeNfproto = 2, kTypeIpv4 = 7, kTypeIpv6 = 8, kTypeInetProto = 12,
                   kTypeInetService = 13, kTypeMark = 19, kTypeIcmpv6 = 29, kTypeIfname = 41;
constexpr uint32_t concat(uint32_t a, uint32_t b) { return a << 6 | b; }

std::vector<SetSpec> make_specs() {
  using enum SetId;
  using enum KeyKind;
  using V = ValueKind;
  const uint32_t marks = concat(kTypeMark, kTypeMark);
  std::vector<SetSpec> out = {
      {kIdentity4, "identity4", kAddress, kTypeIpv4, 4, V::kNumber, false,
       "address: identity, for addresses that selectors match"},
      {kIdentity6, "identity6", kAddress, kTypeIpv6, 16, V::kNumber, false,
       "address: identity, for addresses that selectors match"},
      {kPeer, "peer", kTwoNumbers, marks, 8, V::kPadded, false, "group . identity: row"},
      {kAnyone, "anyone", KeyKind::kNumber, kTypeMark, 4, V::kPadded, false,
       "group: row that holds for every peer"},
      {kAllowed, "allowed", kTwoNumbers, marks, 8, V::kNone, false, "row . port class"},
      {kDispatchIngress, "dispatch_ingress", kName, kTypeIfname, 16, V::kVerdict, false,
       "pod interface: packets to it pass, are dropped, or policy decides"},
      {kDispatchEgress, "dispatch_egress", kName, kTypeIfname, 16, V::kVerdict, false,
       "pod interface: packets from it pass, are dropped, or policy decides"},
      {kGroupIngress, "group_ingress", kName, kTypeIfname, 16, V::kPadded, false,
       "pod interface: its policy group for packets to the pod"},
      {kGroupEgress, "group_egress", kName, kTypeIfname, 16, V::kPadded, false,
       "pod interface: its policy group for packets from the pod"},
      {kSource4, "source4", kNameAddress, concat(kTypeIfname, kTypeIpv4), 20, V::kNone, false,
       "what a pod may send from"},
      {kSource6, "source6", kNameAddress, concat(kTypeIfname, kTypeIpv6), 32, V::kNone, false,
       "what a pod may send from"},
      {kRange4, "range4", kAddress, kTypeIpv4, 4, V::kNumber, true,
       "all other addresses: identity"},
      {kRange6, "range6", kAddress, kTypeIpv6, 16, V::kNumber, true,
       "all other addresses: identity"},
      {kClassTcp, "class_tcp", kPort, kTypeInetService, 2, V::kNumber, true,
       "destination port: port class"},
      {kClassUdp, "class_udp", kPort, kTypeInetService, 2, V::kNumber, true,
       "destination port: port class"},
      {kClassSctp, "class_sctp", kPort, kTypeInetService, 2, V::kNumber, true,
       "destination port: port class"},
      {kClassIcmp, "class_icmp", kPort, kTypeInetService, 2, V::kNumber, true,
       "type * 256 + code: port class"},
      {kClassIcmpV6, "class_icmpv6", kPort, kTypeInetService, 2, V::kNumber, true,
       "type * 256 + code: port class"},
      {kClassOther, "class_other", kByte, kTypeInetProto, 1, V::kNumber, true,
       "protocol without ports: port class"},
      {kOtherwise, "otherwise", KeyKind::kNumber, kTypeMark, 4, V::kPadded, false,
       "group: row for identities that peer does not name"},
      {kWide, "wide", kPackedPort, kTypeIpv6, 16, V::kNone, true,
       "packed: row . port space . ports that are allowed"},
      {kLogged, "logged", kTwoNumbers, marks, 8, V::kNone, false, "row . port class"},
      {kRefused, "refused", kTwoNumbers, marks, 8, V::kNone, false,
       "row . port class: denied where undecided goes on"},
      {kFullIngress, "full_ingress", kName, kTypeIfname, 16, V::kNone, false,
       "pod interfaces whose group has an otherwise"},
      {kFullEgress, "full_egress", kName, kTypeIfname, 16, V::kNone, false,
       "pod interfaces whose group has an otherwise"},
      {kSplitIngress, "split_ingress", kName, kTypeIfname, 16, V::kNone, false,
       "pod interfaces whose group depends on their own address or the source port"},
      {kSplitEgress, "split_egress", kName, kTypeIfname, 16, V::kNone, false,
       "pod interfaces whose group depends on their own address or the source port"},
      {kOwnSplit, "own_split", kPackedIndex, kTypeIpv6, 16, V::kPadded, true,
       "packed: group . identity of own address: group"},
      {kPortSplit, "port_split", kPackedPort, kTypeIpv6, 16, V::kPadded, true,
       "packed: group . port space . source port: group"},
      {kToHost, "to_host", kFamily, kTypeNfproto, 4, V::kVerdict, false,
       "from a pod to its node, allowed by policy: continue means denied"},
      {kFailsafeNet4, "failsafe_net4", kAddress, kTypeIpv4, 4, V::kPadded, true,
       "address: its number in failsafes"},
      {kFailsafeNet6, "failsafe_net6", kAddress, kTypeIpv6, 16, V::kPadded, true,
       "address: its number in failsafes"},
      {kFailsafeIngress, "failsafe_ingress", kNetPort,
       concat(concat(kTypeMark, kTypeInetProto), kTypeInetService), 12, V::kNone, false,
       "ports of the host that policy does not close"},
      {kFailsafeEgress, "failsafe_egress", kNetPort,
       concat(concat(kTypeMark, kTypeInetProto), kTypeInetService), 12, V::kNone, false,
       "ports elsewhere that policy does not close to the host"},
  };
  for (const bool group : {false, true}) {
    for (uint8_t i = 0; i < kHostHooks; ++i) {
      const auto hook = static_cast<desired::HostHook>(i);
      out.push_back({of_hook(group ? kHostGroup : kHostPolicy, hook),
                     std::string(group ? "host_group_" : "host_policy_") + name_of(hook),
                     kPackedName, kTypeIpv6, 16, group ? V::kPadded : V::kVerdict, true,
                     group ? "packed: interface: policy group"
                           : "packed: interface: pass, drop, or policy decides"});
    }
  }
  const auto protocols = [&](SetId id, const std::string& name) {
    out.push_back({id, name, kFamilyProtocol, concat(kTypeNfproto, kTypeInetProto), 8, V::kVerdict,
                   false, "protocols with ports or types"});
  };
  protocols(kProtocolIngress, "protocol_ingress");
  protocols(kProtocolEgress, "protocol_egress");
  protocols(kProtocolFullIngress, "protocol_ingress_full");
  protocols(kProtocolFullEgress, "protocol_egress_full");
  protocols(kProtocolSplitIngress, "protocol_ingress_split");
  protocols(kProtocolSplitEgress, "protocol_egress_split");
  for (uint8_t i = 0; i < kHostHooks; ++i) {
    const auto hook = static_cast<desired::HostHook>(i);
    protocols(of_hook(kProtocolHost, hook), std::string("protocol_host_") + name_of(hook));
  }
  out.push_back({kNeighbour, "neighbour_discovery", kByte, kTypeIcmpv6, 1, V::kNone, false,
                 "ICMPv6 types a link cannot do without"});
  for (size_t i = 0; i < out.size(); ++i) CARACAL_CHECK(out[i].id == static_cast<SetId>(i));
  CARACAL_CHECK(out.size() == kSetCount);
  return out;
}

}  // namespace

const std::vector<SetSpec>& set_specs() {
  static const std::vector<SetSpec> specs = make_specs();
  return specs;
}

const char* name_of(desired::HostHook hook) {
  using enum desired::HostHook;
  switch (hook) {
    case kUntrackedIngress:
      return "untracked_ingress";
    case kPreDnat:
      return "pre_dnat";
    case kIngress:
      return "ingress";
    case kForwardIngress:
      return "forward_ingress";
    case kForwardEgress:
      return "forward_egress";
    case kEgress:
      return "egress";
    case kUntrackedEgress:
      return "untracked_egress";
  }
  return "";
}

}  // namespace caracal::dataplane::nft
