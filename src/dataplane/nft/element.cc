#include "dataplane/nft/element.h"

#include <fmt/format.h>

#include <algorithm>

#include "dataplane/nft/chains.h"
#include "dataplane/nft/derived.h"
#include "dataplane/nft/key_bytes.h"

namespace caracal::dataplane::nft {
namespace {

using desired::Direction;
using desired::Disposition;
using desired::PortSpace;

SetId class_set(PortSpace space) {
  return static_cast<SetId>(static_cast<uint8_t>(SetId::kClassTcp) + static_cast<uint8_t>(space));
}

Element boundary(const net::IpAddr& address) {
  Element element;
  element.set = address.is_v4() ? SetId::kRange4 : SetId::kRange6;
  put_address(element, address);
  return element;
}

Element boundary(const desired::PortKey& key) {
  Element element;
  element.set = class_set(key.space);
  if (key.space == PortSpace::kOther)
    element.key[0] = static_cast<uint8_t>(key.first);
  else
    put_port(element, 0, key.first);
  return element;
}

template <typename Key>
void encode_interval(const Interval<Key>& interval, std::vector<Element>& out) {
  Element& start = out.emplace_back(boundary(interval.first));
  start.value = interval.value;
  if (!interval.behind) return;
  out.emplace_back(boundary(*interval.behind)).end = true;
}

std::string verdict_text(uint32_t value) {
  switch (value) {
    case kReturn:
      return "return";
    case kDrop:
      return "drop";
    case kContinue:
      return "continue";
    case kAccept:
      return "accept";
    default:
      break;
  }
  const uint32_t chain = value - kGotoChain;
  return chain < chain_specs().size() ? fmt::format("goto {}", chain_specs()[chain].name)
                                      : std::string("another verdict");
}

std::string number_text(const Element& element, size_t offset) {
  return fmt::format("0x{:08x}", get_number(element, offset));
}

std::string key_text(const Element& e) {
  switch (spec_of(e.set).key) {
    case KeyKind::kName:
    case KeyKind::kPackedName:
      return fmt::format("\"{}\"", get_name(e));
    case KeyKind::kNameAddress:
      return fmt::format("\"{}\" . {}", get_name(e), get_address(e, kNameSize).to_string());
    case KeyKind::kAddress:
      return get_address(e, 0).to_string();
    case KeyKind::kPort:
      return fmt::format("{}", get_port(e, 0));
    case KeyKind::kByte:
    case KeyKind::kFamily:
      return fmt::format("{}", e.key[0]);
    case KeyKind::kNumber:
      return number_text(e, 0);
    case KeyKind::kTwoNumbers:
    case KeyKind::kPackedIndex:
      return number_text(e, 0) + " . " + number_text(e, kWord);
    case KeyKind::kFamilyProtocol:
      return fmt::format("{} . {}", e.key[0], e.key[kWord]);
    case KeyKind::kNetPort:
      return fmt::format("{} . {} . {}", number_text(e, 0), e.key[kWord], get_port(e, 2 * kWord));
    case KeyKind::kPackedPort:
      return fmt::format("{} . {} . {}", number_text(e, 0), get_number(e, kWord),
                         get_port(e, 2 * kWord));
  }
  return {};
}

}  // namespace

std::string to_string(const Element& element) {
  std::string out = key_text(element);
  if (element.end) return out + " (end)";
  switch (spec_of(element.set).value) {
    case ValueKind::kNone:
      break;
    case ValueKind::kNumber:
      out += fmt::format(" : 0x{:08x}", element.value);
      break;
    case ValueKind::kPadded:
      out += fmt::format(" : 0x00000000 . 0x{:08x}", element.value);
      break;
    case ValueKind::kVerdict:
      out += " : " + verdict_text(element.value);
      break;
  }
  return out;
}

GroupKind kind_of(const desired::PolicyTables& tables, desired::GroupId group) {
  const auto own = tables.own_splits.lower_bound({group, 0});
  if (own != tables.own_splits.end() && own->first.group == group) return GroupKind::kSplit;
  const auto port = tables.port_splits.lower_bound({group, PortSpace::kTcp, 0});
  if (port != tables.port_splits.end() && port->first.group == group) return GroupKind::kSplit;
  return tables.otherwise.contains(group) ? GroupKind::kFull : GroupKind::kPlain;
}

void encode(const desired::InterfaceKey& key, const desired::InterfacePolicy& policy,
            GroupKind kind, std::vector<Element>& out) {
  const bool ingress = key.direction == Direction::kIngress;
  const auto add = [&](SetId set, uint32_t value) {
    Element element;
    element.set = set;
    element.value = value;
    put_name(element, key.interface);
    out.push_back(element);
  };
  const SetId dispatch = ingress ? SetId::kDispatchIngress : SetId::kDispatchEgress;
  if (policy.disposition == Disposition::kOpen) return add(dispatch, kReturn);
  if (policy.disposition == Disposition::kClosed) return add(dispatch, kDrop);
  switch (kind) {
    case GroupKind::kPlain:
      add(dispatch, kContinue);
      break;
    case GroupKind::kFull:
      add(ingress ? SetId::kFullIngress : SetId::kFullEgress, 0);
      break;
    case GroupKind::kSplit:
      add(ingress ? SetId::kSplitIngress : SetId::kSplitEgress, 0);
      break;
  }
  add(ingress ? SetId::kGroupIngress : SetId::kGroupEgress, policy.group);
}

Element encode(const desired::SourceKey& key) {
  Element element;
  element.set = key.address.is_v4() ? SetId::kSource4 : SetId::kSource6;
  put_name(element, key.interface);
  std::memcpy(element.key.data() + kNameSize, key.address.data(), key.address.size());
  return element;
}

Element encode_address(const net::IpAddr& address, desired::IdentityId identity) {
  Element element;
  element.set = address.is_v4() ? SetId::kIdentity4 : SetId::kIdentity6;
  put_address(element, address);
  element.value = identity;
  return element;
}

Element encode(const desired::PeerKey& key, desired::RowId row) {
  Element element;
  element.value = row;
  put_number(element, 0, key.group);
  if (key.identity == desired::kAnyone) {
    element.set = SetId::kAnyone;
  } else {
    element.set = SetId::kPeer;
    put_number(element, kWord, key.identity);
  }
  return element;
}

Element encode_otherwise(desired::GroupId group, desired::RowId row) {
  Element element;
  element.set = SetId::kOtherwise;
  element.value = row;
  put_number(element, 0, group);
  return element;
}

Element encode(SetId set, const desired::RowKey& key) {
  Element element;
  element.set = set;
  put_number(element, 0, key.row);
  put_number(element, kWord, key.port_class);
  return element;
}

void encode(const desired::WideRowKey& key, std::vector<Element>& out) {
  const bool other = key.space == PortSpace::kOther;
  const Element start = packed_port(SetId::kWide, key.row, key.space, key.first);
  out.push_back(start);
  if (key.last >= (other ? 0xff : 0xffff)) {
    if (const auto end = behind_prefix(start, 2 * kWord)) out.push_back(*end);
    return;
  }
  Element end = packed_port(SetId::kWide, key.row, key.space, static_cast<uint16_t>(key.last + 1));
  end.end = true;
  out.push_back(end);
}

void encode(const Interval<net::IpAddr>& interval, std::vector<Element>& out) {
  encode_interval(interval, out);
}
void encode(const Interval<desired::PortKey>& interval, std::vector<Element>& out) {
  encode_interval(interval, out);
}

bool same_space(const net::IpAddr& a, const net::IpAddr& b) { return a.family() == b.family(); }
bool same_space(const desired::PortKey& a, const desired::PortKey& b) { return a.space == b.space; }

std::vector<Element> encode(const desired::PolicyTables& tables) {
  std::vector<Element> out;
  out.reserve(2 * tables.interfaces.size() + tables.sources.size() + tables.addresses.size() +
              2 * tables.ranges.size() + 2 * tables.ports.size() + tables.peers.size() +
              tables.rows.size() + 2 * tables.wide_rows.size());
  for (const auto& [key, policy] : tables.interfaces)
    encode(key, policy, kind_of(tables, policy.group), out);
  for (const auto& key : tables.sources) out.push_back(encode(key));
  for (const auto& [address, identity] : tables.addresses)
    out.push_back(encode_address(address, identity));
  for (auto at = tables.ranges.begin(); at != tables.ranges.end(); ++at)
    encode(interval_at(tables.ranges, at), out);
  for (auto at = tables.ports.begin(); at != tables.ports.end(); ++at)
    encode(interval_at(tables.ports, at), out);
  for (const auto& [key, row] : tables.peers) out.push_back(encode(key, row));
  for (const auto& key : tables.rows) out.push_back(encode(SetId::kAllowed, key));
  for (const auto& [group, row] : tables.otherwise) out.push_back(encode_otherwise(group, row));
  for (const auto& key : tables.wide_rows) encode(key, out);
  for (const auto& key : tables.logged) out.push_back(encode(SetId::kLogged, key));
  for (const auto& key : tables.refused) out.push_back(encode(SetId::kRefused, key));
  encode_derived(tables, out);
  return out;
}

std::optional<std::vector<ElementPair>> pairs_of(std::span<const Element> elements) {
  std::vector<ElementPair> out;
  bool open = false;
  // An end and the next start share a key; the end comes first.
  std::vector<Element> sorted(elements.begin(), elements.end());
  std::sort(sorted.begin(), sorted.end(), [](const Element& a, const Element& b) {
    return a.key != b.key ? a.key < b.key : a.end > b.end;
  });
  for (const Element& e : sorted) {
    if (e.end != open) return std::nullopt;
    if (e.end)
      out.back().end = e;
    else
      out.push_back({e, std::nullopt});
    open = !e.end;
  }
  return out;
}

}  // namespace caracal::dataplane::nft
