// Host endpoints: what packets meet in which hook is drawn in docs/design/nftables.md.
//
// Pods' interfaces and the loopback are left out everywhere. What the untracked hook allowed is
// looked up there again in later hooks (it is judged packet by packet anyway, and that others do
// not track a packet must not open anything); what the preDNAT hook allowed bears a connection
// label, for its addresses are others by then.
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include <array>

#include "dataplane/nft/rules.h"
#include "net/protocol.h"

namespace caracal::dataplane::nft {
namespace {

using desired::HostHook;
using net::Family;

constexpr std::array kHooks = {HostHook::kUntrackedIngress, HostHook::kPreDnat,
                               HostHook::kIngress,          HostHook::kForwardIngress,
                               HostHook::kForwardEgress,    HostHook::kEgress,
                               HostHook::kUntrackedEgress};
constexpr const char* kUntrackedAllowed = "host_untracked_allowed";
constexpr const char* kPreDnatAllowed = "host_pre_dnat_allowed";

std::string chain_of(HostHook hook) { return std::string("host_") + name_of(hook); }

class HostRules : public RuleWriter {
 public:
  using RuleWriter::RuleWriter;

  void hooks() {
    not_ours("host_raw_in", NFT_META_IIFNAME);
    failsafes("host_raw_in", true);
    replies("host_raw_in", true);
    judge("host_raw_in", HostHook::kUntrackedIngress);

    not_ours("host_mangle_in", NFT_META_IIFNAME);
    add(rule("host_mangle_in").connection_state(kEstablishedOrRelated).verdict(NF_ACCEPT));
    untracked("host_mangle_in", HostHook::kUntrackedIngress);
    failsafes("host_mangle_in", true);
    judge("host_mangle_in", HostHook::kPreDnat);

    not_ours("host_input", NFT_META_IIFNAME);
    tracked("host_input");
    untracked("host_input", HostHook::kUntrackedIngress);
    failsafes("host_input", true);
    judge("host_input", HostHook::kIngress);

    tracked("host_forward");
    untracked("host_forward", HostHook::kUntrackedIngress);
    for (const HostHook hook : {HostHook::kForwardIngress, HostHook::kForwardEgress})
      judge("host_forward", hook);

    not_ours("host_raw_out", NFT_META_OIFNAME);
    failsafes("host_raw_out", false);
    replies("host_raw_out", false);
    judge("host_raw_out", HostHook::kUntrackedEgress);

    not_ours("host_output", NFT_META_OIFNAME);
    tracked("host_output");
    untracked("host_output", HostHook::kUntrackedEgress);
    add(rule("host_output").connection_status(IPS_DST_NAT).verdict(NF_ACCEPT),
        "its interface may be another by now: judged in postrouting");
    failsafes("host_output", false);
    judge("host_output", HostHook::kEgress);

    add(rule("host_postrouting").connection_state(kEstablishedOrRelated).verdict(NF_ACCEPT));
    const uint32_t none = 0;
    add(rule("host_postrouting")
            .meta(NFT_META_IIF, 0)
            .equals(0, &none, sizeof none)
            .connection_status(IPS_DST_NAT)
            .jump("host_postrouting_own"),
        "of the host itself, with another destination than it asked for");
    not_ours("host_postrouting_own", NFT_META_OIFNAME);
    failsafes("host_postrouting_own", false);
    judge("host_postrouting_own", HostHook::kEgress);

    add(rule(kUntrackedAllowed).notrack());
    add(rule(kUntrackedAllowed).verdict(NF_ACCEPT));
    add(rule(kPreDnatAllowed).set_connection_label(label()),
        "accepted by the host's later hooks as well");
    add(rule(kPreDnatAllowed).verdict(NF_ACCEPT));
  }

  void hook(HostHook hook) {
    const Place place = place_of(hook);
    const bool forward = hook == HostHook::kForwardIngress || hook == HostHook::kForwardEgress;
    if (forward) {
      add(rule(place.name).name_begins(place.interface, prefix()).verdict(NFT_RETURN));
      add(rule(place.name).name_is(place.interface, "lo").verdict(NFT_RETURN));
    }
    add(rule(place.name)
            .meta(place.interface, kName)
            .verdict_map(of_hook(SetId::kHostPolicy, hook), kName)
            .go_to(place.name + "_policy"));
    protocols(place.name + "_policy", of_hook(SetId::kProtocolHost, hook), place.name);
    for (const Family family : net::kFamilies)
      for (const SpaceSpec& space : spaces_of(family))
        write_full(*this, place, place.name, true, layout_of(family), space);
    if (has(kPartLogging)) logged(place);
    drop(denied_chain(place), {LogEvent::kDenied, place.log, LogReason::kPolicy},
         "not allowed by policy");
  }

 private:
  void not_ours(const char* chain, uint32_t interface) {
    add(rule(chain).name_begins(interface, prefix()).verdict(NF_ACCEPT),
        "pods have rules of their own");
    add(rule(chain).name_is(interface, "lo").verdict(NF_ACCEPT));
  }
  void tracked(const char* chain) {
    add(rule(chain).connection_state(kEstablishedOrRelated).verdict(NF_ACCEPT));
    add(rule(chain).connection_label(label()).verdict(NF_ACCEPT), "allowed before destination NAT");
    RuleBuilder discovery = rule(chain);
    add(neighbour_discovery(discovery).verdict(NF_ACCEPT));
  }
  void untracked(const char* chain, HostHook hook) {
    add(rule(chain).connection_state(kUntracked).jump(chain_of(hook)),
        "allowed without tracking? comes back when not");
  }
  void judge(const char* chain, HostHook hook) { add(rule(chain).jump(chain_of(hook))); }

  // Destination port, or a protocol without ports, and the peer's address are a failsafe's.
  void failsafes(const char* chain, bool ingress) {
    const SetId set = ingress ? SetId::kFailsafeIngress : SetId::kFailsafeEgress;
    match(chain, set, ingress, 2, "failsafe");
    for (const Family family : net::kFamilies) {
      RuleBuilder whole = rule(chain);
      whole.family(family);
      for (const net::Protocol with : {net::kTcp, net::kUdp, net::kSctp})
        whole.not_protocol(with.number);
      add(peer_number(whole, family, ingress)
              .number(0, kThird)
              .in_set(set, kPairFirst)
              .verdict(NF_ACCEPT),
          fmt::format("{} -> number; number . protocol . 0: failsafe without ports",
                      spec_of(layout_of(family).failsafe_net).name));
    }
  }
  // The peer's number in kPairFirst, the packet's protocol in kPairSecond.
  static RuleBuilder& peer_number(RuleBuilder& rule, Family family, bool ingress) {
    const Layout& layout = layout_of(family);
    return rule.meta(ingress ? NFT_META_IIFNAME : NFT_META_OIFNAME, kName)
        .payload(NFT_PAYLOAD_NETWORK_HEADER, ingress ? layout.source : layout.destination,
                 layout.size, kScratch)
        .map(layout.failsafe_net, kScratch, kPadding)
        .meta(NFT_META_L4PROTO, kPairSecond);
  }
  // Answers to the other direction's failsafes, where nothing else tells that they are answers.
  void replies(const char* chain, bool ingress) {
    const SetId set = ingress ? SetId::kFailsafeEgress : SetId::kFailsafeIngress;
    match(chain, set, ingress, 0, "answers of failsafes");
  }
  void match(const char* chain, SetId set, bool ingress, uint32_t port_offset,
             std::string_view comment) {
    for (const Family family : net::kFamilies) {
      const Layout& layout = layout_of(family);
      RuleBuilder port = rule(chain);
      add(peer_number(port.family(family), family, ingress)
              .payload(NFT_PAYLOAD_TRANSPORT_HEADER, port_offset, 2, kThird)
              .in_set(set, kPairFirst)
              .verdict(NF_ACCEPT),
          fmt::format("{} -> number; number . protocol . {} port: {}",
                      spec_of(layout.failsafe_net).name,
                      port_offset == 0 ? "source" : "destination", comment));
    }
  }
};

}  // namespace

Place place_of(HostHook hook) {
  Place out;
  out.name = chain_of(hook);
  out.log = log_place(hook);
  out.ingress = hook == HostHook::kUntrackedIngress || hook == HostHook::kPreDnat ||
                hook == HostHook::kIngress || hook == HostHook::kForwardIngress;
  out.interface = out.ingress ? NFT_META_IIFNAME : NFT_META_OIFNAME;
  out.group = of_hook(SetId::kHostGroup, hook);
  out.allow = NFT_RETURN;
  if (hook == HostHook::kUntrackedIngress || hook == HostHook::kUntrackedEgress) {
    out.goes_on = true;
    out.allow = NFT_GOTO;
    out.allow_chain = kUntrackedAllowed;
  } else if (hook == HostHook::kPreDnat) {
    out.goes_on = true;
    out.allow = NFT_GOTO;
    out.allow_chain = kPreDnatAllowed;
  }
  return out;
}

void write_host_rules(const RulesetOptions& options, Ruleset& out) {
  HostRules rules(options, out);
  rules.hooks();
  for (const HostHook hook : kHooks) rules.hook(hook);
}

}  // namespace caracal::dataplane::nft
