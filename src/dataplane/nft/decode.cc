// Elements back into tables; the inverse of element.cc.
#include <fmt/format.h>

#include "dataplane/nft/derived.h"
#include "dataplane/nft/key_bytes.h"

namespace caracal::dataplane::nft {
namespace {

using desired::Direction;
using desired::Disposition;
using desired::PortSpace;

auto not_ours(const Element& e) {
  return fail(Errc::kConflict, fmt::format("set {}: {}", spec_of(e.set).name, to_string(e)));
}

Status decode_wide(std::span<const Element> elements, desired::PolicyTables& tables) {
  const auto pairs = pairs_of(elements);
  if (!pairs) return fail(Errc::kConflict, "set wide holds something that is no interval");
  for (const ElementPair& pair : *pairs) {
    const uint32_t space = get_number(pair.start, kWord) - 1;
    if (space >= desired::kPortSpaces.size()) return not_ours(pair.start);
    desired::WideRowKey key{};
    key.row = get_number(pair.start, 0);
    key.space = static_cast<PortSpace>(space);
    const bool other = key.space == PortSpace::kOther;
    const auto port = [&](const Element& e) -> uint16_t {
      return other ? e.key[2 * kWord] : get_port(e, 2 * kWord);
    };
    key.first = port(pair.start);
    const bool inside = pair.end && get_number(*pair.end, 0) == key.row &&
                        get_number(*pair.end, kWord) == space + 1;
    key.last = inside ? static_cast<uint16_t>(port(*pair.end) - 1) : (other ? 0xff : 0xffff);
    tables.wide_rows.insert(key);
  }
  return {};
}

Status decode_dispatch(const Element& e, desired::PolicyTables& tables) {
  const auto direction =
      e.set == SetId::kDispatchIngress ? Direction::kIngress : Direction::kEgress;
  desired::InterfacePolicy policy;
  if (e.value == kReturn)
    policy.disposition = Disposition::kOpen;
  else if (e.value == kContinue)
    policy.disposition = Disposition::kPoliced;
  else if (e.value != kDrop)
    return not_ours(e);
  tables.interfaces[{direction, get_name(e)}] = policy;
  return {};
}

}  // namespace

Result<desired::PolicyTables> decode(std::span<const Element> elements) {
  desired::PolicyTables tables;
  std::map<desired::InterfaceKey, desired::GroupId> groups;
  std::vector<Element> wide;
  const auto policed = [&](Direction direction, const Element& e) {
    tables.interfaces[{direction, get_name(e)}].disposition = Disposition::kPoliced;
  };
  for (const Element& e : elements) {
    if (e.set == SetId::kWide) wide.push_back(e);
    if (e.end) continue;  // of total maps, each end is the next one's start
    switch (e.set) {
      case SetId::kDispatchIngress:
      case SetId::kDispatchEgress:
        CARACAL_TRY(decode_dispatch(e, tables));
        break;
      case SetId::kFullIngress:
      case SetId::kSplitIngress:
        policed(Direction::kIngress, e);
        break;
      case SetId::kFullEgress:
      case SetId::kSplitEgress:
        policed(Direction::kEgress, e);
        break;
      case SetId::kGroupIngress:
        groups[{Direction::kIngress, get_name(e)}] = e.value;
        break;
      case SetId::kGroupEgress:
        groups[{Direction::kEgress, get_name(e)}] = e.value;
        break;
      case SetId::kSource4:
      case SetId::kSource6:
        tables.sources.insert({get_name(e), get_address(e, kNameSize)});
        break;
      case SetId::kIdentity4:
      case SetId::kIdentity6:
        tables.addresses[get_address(e, 0)] = e.value;
        break;
      case SetId::kRange4:
      case SetId::kRange6:
        tables.ranges[get_address(e, 0)] = e.value;
        break;
      case SetId::kClassTcp:
      case SetId::kClassUdp:
      case SetId::kClassSctp:
      case SetId::kClassIcmp:
      case SetId::kClassIcmpV6: {
        const auto offset = static_cast<uint8_t>(e.set) - static_cast<uint8_t>(SetId::kClassTcp);
        tables.ports[{static_cast<PortSpace>(offset), get_port(e, 0)}] = e.value;
        break;
      }
      case SetId::kClassOther:
        tables.ports[{PortSpace::kOther, e.key[0]}] = e.value;
        break;
      case SetId::kAnyone:
        tables.peers[{get_number(e, 0), desired::kAnyone}] = e.value;
        break;
      case SetId::kPeer:
        tables.peers[{get_number(e, 0), get_number(e, kWord)}] = e.value;
        break;
      case SetId::kOtherwise:
        tables.otherwise[get_number(e, 0)] = e.value;
        break;
      case SetId::kAllowed:
        tables.rows.insert({get_number(e, 0), get_number(e, kWord)});
        break;
      case SetId::kLogged:
        tables.logged.insert({get_number(e, 0), get_number(e, kWord)});
        break;
      case SetId::kRefused:
        tables.refused.insert({get_number(e, 0), get_number(e, kWord)});
        break;
      default:  // wide: above; derived: below; constant: nothing to say
        break;
    }
  }
  for (const auto& [key, group] : groups) {
    const auto found = tables.interfaces.find(key);
    if (found == tables.interfaces.end() || found->second.disposition != Disposition::kPoliced)
      return fail(Errc::kConflict,
                  fmt::format("interface {} has a group and is not policed", key.interface));
    found->second.group = group;
  }
  CARACAL_TRY(decode_wide(wide, tables));
  CARACAL_TRY(decode_derived(elements, tables));
  return tables;
}

}  // namespace caracal::dataplane::nft
