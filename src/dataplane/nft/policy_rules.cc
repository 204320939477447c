#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <optional>

#include "dataplane/nft/key_bytes.h"
#include "dataplane/nft/rules.h"
#include "net/protocol.h"

namespace caracal::dataplane::nft {
namespace {

using desired::PortSpace;

bool has_ports(const SpaceSpec& space) {
  return space.space == PortSpace::kTcp || space.space == PortSpace::kUdp ||
         space.space == PortSpace::kSctp;
}

SetId class_set(const SpaceSpec& space) {
  return static_cast<SetId>(static_cast<uint8_t>(SetId::kClassTcp) +
                            static_cast<uint8_t>(space.space));
}

// One chain's way from packet to verdict, in pieces that every rule puts together anew: registers
// do not outlive a rule.
class Judge {
 public:
  // `own`: where groups are split, the map that has the own address's identity.
  Judge(RuleWriter& writer, const Place& place, const Layout& layout, const SpaceSpec& space,
        std::optional<SetId> own)
      : writer_(writer), place_(place), layout_(layout), space_(space), own_(own) {}

  // The group into the pair's first half.
  RuleBuilder& group(RuleBuilder& r) const {
    r.meta(place_.interface, kName).map(place_.group, kName, kPadding);
    if (!own_) return r;
    own_address(r).map(*own_, kScratch, kPairSecond).map(SetId::kOwnSplit, kPairFirst, kPadding);
    if (has_ports(space_))
      r.number(space_number(space_.space), kPairSecond)
          .payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, kThird)
          .map(SetId::kPortSplit, kPairFirst, kPadding);
    return r;
  }
  // The peer's identity into the pair's second half; by address or range.
  RuleBuilder& identity(RuleBuilder& r, SetId set) const {
    return r
        .payload(NFT_PAYLOAD_NETWORK_HEADER, place_.ingress ? layout_.source : layout_.destination,
                 layout_.size, kScratch)
        .map(set, kScratch, kPairSecond);
  }
  // The row into the pair's first half; goes on when there is one.
  RuleBuilder& row(RuleBuilder& r, SetId rows) const {
    group(r);
    if (rows == SetId::kAnyone || rows == SetId::kOtherwise)
      return r.map(rows, kPairFirst, kPadding);
    return identity(r, rows).map(SetId::kPeer, kPairFirst, kPadding);
  }
  // The pair (row, port class) is in the set.
  RuleBuilder& in(RuleBuilder& r, SetId set) const {
    port(r, kScratch);
    return r.map(class_set(space_), kScratch, kPairSecond).in_set(set, kPairFirst);
  }
  RuleBuilder& in_wide(RuleBuilder& r) const {
    r.number(space_number(space_.space), kPairSecond);
    return port(r, kThird).in_set(SetId::kWide, kPairFirst);
  }

  // How the row was found, for comments.
  std::string path(SetId rows) const {
    const std::string groups =
        own_ ? spec_of(place_.group).name + ", splits" : spec_of(place_.group).name;
    if (rows == SetId::kAnyone || rows == SetId::kOtherwise)
      return fmt::format("{} -> group; @{} -> row", groups, spec_of(rows).name);
    return fmt::format("{} . {} -> group . identity; @peer -> row", groups, spec_of(rows).name);
  }
  const char* verdict() const {
    return place_.allow == NF_ACCEPT ? "accept" : place_.allow == NFT_RETURN ? "go on" : "allow";
  }
  void allow(RuleBuilder& r, const std::string& comment) const {
    if (place_.allow == NFT_GOTO)
      r.go_to(place_.allow_chain);
    else
      r.verdict(place_.allow);
    writer_.add(r, comment);
  }

  void allowed(const std::string& chain, SetId rows) const {
    RuleBuilder r = writer_.rule(chain);
    in(row(r, rows), SetId::kAllowed);
    allow(r, fmt::format("{}; row . {} @allowed: {}", path(rows), spec_of(class_set(space_)).name,
                         verdict()));
  }
  void wide(const std::string& chain, SetId rows) const {
    if (!writer_.has(kPartWide)) return;
    RuleBuilder r = writer_.rule(chain);
    in_wide(row(r, rows));
    allow(r, fmt::format("{}; row . {} port @wide: {}", path(rows), space_.name, verdict()));
  }
  void logged(const std::string& chain, SetId rows) const {
    if (!writer_.has(kPartLogging)) return;
    RuleBuilder r = writer_.rule(chain);
    writer_.add(in(row(r, rows), SetId::kLogged).jump(logged_chain(place_)),
                fmt::format("{}; row . {} @logged", path(rows), spec_of(class_set(space_)).name));
  }
  void refused(const std::string& chain, SetId rows) const {
    if (!place_.goes_on) return;
    RuleBuilder r = writer_.rule(chain);
    writer_.add(in(row(r, rows), SetId::kRefused).go_to(denied_chain(place_)),
                fmt::format("{}; row . {} @refused", path(rows), spec_of(class_set(space_)).name));
  }
  // Nothing allowed it: denied, or undecided and on to the next hook.
  void miss(const std::string& chain) const {
    RuleBuilder r = writer_.rule(chain);
    if (place_.goes_on)
      writer_.add(r.verdict(NFT_RETURN), "undecided");
    else
      writer_.add(r.go_to(denied_chain(place_)));
  }
  void found(const std::string& chain, SetId rows, const std::string& to) const {
    RuleBuilder r = writer_.rule(chain);
    writer_.add(row(r, rows).go_to(to), fmt::format("{} found", path(rows)));
  }
  void known(const std::string& chain, const std::string& to) const {
    RuleBuilder r = writer_.rule(chain);
    writer_.add(identity(r, layout_.identity).go_to(to),
                fmt::format("if {} is in @{}: ranges do not speak for it",
                            place_.ingress ? "saddr" : "daddr", spec_of(layout_.identity).name));
  }
  // The own address has an identity of its own: the rest is judged there.
  void own_known(const std::string& chain, const std::string& to) const {
    RuleBuilder r = writer_.rule(chain);
    writer_.add(own_address(r).map(layout_.identity, kScratch, kPairSecond).go_to(to),
                fmt::format("if the own address, {}, is in @{}", place_.ingress ? "daddr" : "saddr",
                            spec_of(layout_.identity).name));
  }
  // A connection that was ended by deleting its entry must not come back from its middle.
  void mid_stream(const std::string& chain) const {
    if (space_.space != PortSpace::kTcp) return;
    RuleBuilder r = writer_.rule(chain);
    writer_.add(r.not_a_plain_syn().connection_state(kNew).go_to(place_.name + "_mid_stream"),
                "new, but not the beginning of a connection");
  }

 private:
  // Destination port (RFC 9293, 768, 9260), type and code (RFC 792, 4443), or protocol.
  RuleBuilder& port(RuleBuilder& r, unsigned reg) const {
    if (space_.protocol == 0) return r.meta(NFT_META_L4PROTO, reg);
    return r.payload(NFT_PAYLOAD_TRANSPORT_HEADER, has_ports(space_) ? 2 : 0, 2, reg);
  }
  RuleBuilder& own_address(RuleBuilder& r) const {
    return r.payload(NFT_PAYLOAD_NETWORK_HEADER,
                     place_.ingress ? layout_.destination : layout_.source, layout_.size, kScratch);
  }

  RuleWriter& writer_;
  const Place& place_;
  const Layout& layout_;
  const SpaceSpec& space_;
  std::optional<SetId> own_;
};

// The rules of a chain and of those it goes to, from the row to the verdict.
void write_rows(const Judge& judge, RuleWriter& writer, const Layout& layout,
                const std::string& chain, bool anyone) {
  if (anyone) {
    judge.allowed(chain, SetId::kAnyone);
    judge.wide(chain, SetId::kAnyone);
  }
  judge.found(chain, layout.identity, chain + "_exact");
  judge.known(chain, chain + "_else");
  judge.found(chain, layout.range, chain + "_range");
  RuleBuilder last = writer.rule(chain);
  writer.add(last.go_to(chain + "_else"));
  for (const auto& [ending, rows] : {std::pair{"_exact", layout.identity},
                                     {"_range", layout.range},
                                     {"_else", SetId::kOtherwise}}) {
    const std::string part = chain + ending;
    judge.logged(part, rows);
    judge.allowed(part, rows);
    judge.wide(part, rows);
    judge.refused(part, rows);
    judge.miss(part);
  }
}

}  // namespace

void write_lean(RuleWriter& writer, const Place& place, const Layout& layout,
                const SpaceSpec& space) {
  const Judge judge(writer, place, layout, space, std::nullopt);
  const std::string chain = policy_chain(place.name, layout.family, space);
  const std::string wide = policy_chain(place.name + "_wide", layout.family, space);
  const std::string rest = writer.has(kPartWide) ? wide : denied_chain(place);
  judge.mid_stream(chain);
  judge.allowed(chain, SetId::kAnyone);
  judge.allowed(chain, layout.identity);
  judge.known(chain, rest);
  judge.allowed(chain, layout.range);
  RuleBuilder last = writer.rule(chain);
  writer.add(last.go_to(rest));
  if (!writer.has(kPartWide)) return;
  judge.wide(wide, SetId::kAnyone);
  judge.wide(wide, layout.identity);
  judge.known(wide, denied_chain(place));
  judge.wide(wide, layout.range);
  judge.miss(wide);
}

void write_full(RuleWriter& writer, const Place& place, const std::string& prefix, bool split,
                const Layout& layout, const SpaceSpec& space) {
  const std::string chain = policy_chain(prefix, layout.family, space);
  const Judge judge(writer, place, layout, space,
                    split ? std::optional(layout.range) : std::nullopt);
  // Pods' connections only: a host may have had its own before it was tracked.
  if (place.log == LogPlace::kPodIngress || place.log == LogPlace::kPodEgress)
    judge.mid_stream(chain);
  if (split) judge.own_known(chain, chain + "_own");
  write_rows(judge, writer, layout, chain, split);
  if (!split) return;
  const Judge known(writer, place, layout, space, layout.identity);
  write_rows(known, writer, layout, chain + "_own", true);
}

}  // namespace caracal::dataplane::nft
