#include "dataplane/nft/element.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "dataplane/nft/ruleset.h"
#include "net/protocol.h"

namespace caracal::dataplane::nft {
namespace {

using desired::Direction;
using desired::Disposition;
using desired::PortSpace;

// nft's numbers for data types (include/datatype.h there); a concatenation holds six bits each.
constexpr uint32_t kTypeNfproto = 2, kTypeIpv4 = 7, kTypeIpv6 = 8, kTypeInetProto = 12,
                   kTypeInetService = 13, kTypeMark = 19, kTypeIcmpv6 = 29, kTypeIfname = 41;
constexpr uint32_t concat(uint32_t a, uint32_t b) { return a << 6 | b; }

constexpr size_t kNameSize = 16;  // IFNAMSIZ

void put_number(uint8_t* at, uint32_t value) { std::memcpy(at, &value, sizeof value); }
uint32_t get_number(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

void put_name(Element& element, const std::string& name) {
  CARACAL_CHECK(name.size() < kNameSize);
  std::memcpy(element.key.data(), name.data(), name.size());
}
std::string get_name(const Element& element) {
  const auto* text = reinterpret_cast<const char*>(element.key.data());
  return std::string(text, ::strnlen(text, kNameSize));
}

net::IpAddr get_address(const Element& element, size_t offset) {
  const size_t size = spec_of(element.set).key_size - offset;
  return net::IpAddr::from_bytes(element.key.data() + offset, size);
}

SetId class_set(PortSpace space) {
  switch (space) {
    case PortSpace::kTcp:
      return SetId::kClassTcp;
    case PortSpace::kUdp:
      return SetId::kClassUdp;
    case PortSpace::kSctp:
      return SetId::kClassSctp;
    case PortSpace::kOther:
      return SetId::kClassOther;
  }
  return SetId::kClassOther;
}

Element boundary(const net::IpAddr& address) {
  Element element;
  element.set = address.is_v4() ? SetId::kRange4 : SetId::kRange6;
  std::memcpy(element.key.data(), address.data(), address.size());
  return element;
}

Element boundary(const desired::PortKey& key) {
  Element element;
  element.set = class_set(key.space);
  if (key.space == PortSpace::kOther) {
    element.key[0] = static_cast<uint8_t>(key.first);
  } else {
    const uint16_t port = htons(key.first);
    std::memcpy(element.key.data(), &port, sizeof port);
  }
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
  if (value == kReturn) return "return";
  if (value == kDrop) return "drop";
  const uint32_t chain = value - kGotoChain;
  return chain < chain_specs().size() ? fmt::format("goto {}", chain_specs()[chain].name)
                                      : std::string("another verdict");
}

std::string key_text(const Element& element) {
  const SetSpec& spec = spec_of(element.set);
  switch (element.set) {
    case SetId::kDispatchIngress:
    case SetId::kDispatchEgress:
    case SetId::kGroupIngress:
    case SetId::kGroupEgress:
      return fmt::format("\"{}\"", get_name(element));
    case SetId::kSource4:
    case SetId::kSource6:
      return fmt::format("\"{}\" . {}", get_name(element),
                         get_address(element, kNameSize).to_string());
    case SetId::kIdentity4:
    case SetId::kIdentity6:
    case SetId::kRange4:
    case SetId::kRange6:
      return get_address(element, 0).to_string();
    case SetId::kClassTcp:
    case SetId::kClassUdp:
    case SetId::kClassSctp:
      return fmt::format("{}", element.key[0] << 8 | element.key[1]);
    case SetId::kClassOther:
    case SetId::kNeighbour:
      return fmt::format("{}", element.key[0]);
    case SetId::kProtocolIngress:
    case SetId::kProtocolEgress:
      return fmt::format("{} . {}", element.key[0], element.key[4]);
    case SetId::kAnyone:
    case SetId::kPeer:
    case SetId::kAllowed:
      break;
  }
  std::string out = fmt::format("0x{:08x}", get_number(element.key.data()));
  if (spec.key_size == 8) out += fmt::format(" . 0x{:08x}", get_number(element.key.data() + 4));
  return out;
}

}  // namespace

const std::array<SetSpec, kSetCount>& set_specs() {
  using enum SetId;
  using enum ValueKind;
  static const std::array<SetSpec, kSetCount> specs = {{
      {kDispatchIngress, "dispatch_ingress", kTypeIfname, 16, kVerdict, false,
       "pod interface: what happens to packets to the pod"},
      {kDispatchEgress, "dispatch_egress", kTypeIfname, 16, kVerdict, false,
       "pod interface: what happens to packets from the pod"},
      {kGroupIngress, "group_ingress", kTypeIfname, 16, kPadded, false,
       "pod interface: its policy group for packets to the pod"},
      {kGroupEgress, "group_egress", kTypeIfname, 16, kPadded, false,
       "pod interface: its policy group for packets from the pod"},
      {kSource4, "source4", concat(kTypeIfname, kTypeIpv4), 20, kNone, false,
       "what a pod may send from"},
      {kSource6, "source6", concat(kTypeIfname, kTypeIpv6), 32, kNone, false,
       "what a pod may send from"},
      {kIdentity4, "identity4", kTypeIpv4, 4, kNumber, false,
       "address: identity, for addresses that selectors match"},
      {kIdentity6, "identity6", kTypeIpv6, 16, kNumber, false,
       "address: identity, for addresses that selectors match"},
      {kRange4, "range4", kTypeIpv4, 4, kNumber, true, "all other addresses: identity"},
      {kRange6, "range6", kTypeIpv6, 16, kNumber, true, "all other addresses: identity"},
      {kClassTcp, "class_tcp", kTypeInetService, 2, kNumber, true, "destination port: port class"},
      {kClassUdp, "class_udp", kTypeInetService, 2, kNumber, true, "destination port: port class"},
      {kClassSctp, "class_sctp", kTypeInetService, 2, kNumber, true,
       "destination port: port class"},
      {kClassOther, "class_other", kTypeInetProto, 1, kNumber, true,
       "protocol without ports: port class"},
      {kAnyone, "anyone", kTypeMark, 4, kPadded, false, "group: row that holds for every peer"},
      {kPeer, "peer", concat(kTypeMark, kTypeMark), 8, kPadded, false, "group . identity: row"},
      {kAllowed, "allowed", concat(kTypeMark, kTypeMark), 8, kNone, false, "row . port class"},
      {kProtocolIngress, "protocol_ingress", concat(kTypeNfproto, kTypeInetProto), 8, kVerdict,
       false, "protocols with ports"},
      {kProtocolEgress, "protocol_egress", concat(kTypeNfproto, kTypeInetProto), 8, kVerdict, false,
       "protocols with ports"},
      {kNeighbour, "neighbour_discovery", kTypeIcmpv6, 1, kNone, false,
       "ICMPv6 types a link cannot do without"},
  }};
  return specs;
}

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

void encode(const desired::InterfaceKey& key, const desired::InterfacePolicy& policy,
            std::vector<Element>& out) {
  const bool ingress = key.direction == Direction::kIngress;
  Element dispatch;
  dispatch.set = ingress ? SetId::kDispatchIngress : SetId::kDispatchEgress;
  put_name(dispatch, key.interface);
  switch (policy.disposition) {
    case Disposition::kOpen:
      dispatch.value = kReturn;
      break;
    case Disposition::kClosed:
      dispatch.value = kDrop;
      break;
    case Disposition::kPoliced:
      dispatch.value = kGotoChain + policy_chain(key.direction);
      break;
  }
  out.push_back(dispatch);
  if (policy.disposition != Disposition::kPoliced) return;
  Element group = dispatch;
  group.set = ingress ? SetId::kGroupIngress : SetId::kGroupEgress;
  group.value = policy.group;
  out.push_back(group);
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
  std::memcpy(element.key.data(), address.data(), address.size());
  element.value = identity;
  return element;
}

Element encode(const desired::PeerKey& key, desired::RowId row) {
  Element element;
  element.value = row;
  put_number(element.key.data(), key.group);
  if (key.identity == desired::kAnyone) {
    element.set = SetId::kAnyone;
  } else {
    element.set = SetId::kPeer;
    put_number(element.key.data() + 4, key.identity);
  }
  return element;
}

Element encode(const desired::RowKey& key) {
  Element element;
  element.set = SetId::kAllowed;
  put_number(element.key.data(), key.row);
  put_number(element.key.data() + 4, key.port_class);
  return element;
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
              tables.rows.size());
  for (const auto& [key, policy] : tables.interfaces) encode(key, policy, out);
  for (const auto& key : tables.sources) out.push_back(encode(key));
  for (const auto& [address, identity] : tables.addresses)
    out.push_back(encode_address(address, identity));
  for (auto at = tables.ranges.begin(); at != tables.ranges.end(); ++at)
    encode(interval_at(tables.ranges, at), out);
  for (auto at = tables.ports.begin(); at != tables.ports.end(); ++at)
    encode(interval_at(tables.ports, at), out);
  for (const auto& [key, row] : tables.peers) out.push_back(encode(key, row));
  for (const auto& key : tables.rows) out.push_back(encode(key));
  return out;
}

Result<desired::PolicyTables> decode(std::span<const Element> elements) {
  desired::PolicyTables tables;
  std::map<desired::InterfaceKey, desired::GroupId> groups;
  for (const Element& e : elements) {
    if (e.end) continue;  // of total maps, each end is the next one's start
    switch (e.set) {
      case SetId::kDispatchIngress:
      case SetId::kDispatchEgress: {
        const auto direction =
            e.set == SetId::kDispatchIngress ? Direction::kIngress : Direction::kEgress;
        desired::InterfacePolicy policy;
        if (e.value == kReturn) {
          policy.disposition = Disposition::kOpen;
        } else if (e.value == kGotoChain + policy_chain(direction)) {
          policy.disposition = Disposition::kPoliced;
        } else if (e.value != kDrop) {
          return fail(Errc::kConflict, fmt::format("{}: {}", spec_of(e.set).name, to_string(e)));
        }
        tables.interfaces[{direction, get_name(e)}] = policy;
        break;
      }
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
      case SetId::kClassSctp: {
        const auto offset = static_cast<uint8_t>(e.set) - static_cast<uint8_t>(SetId::kClassTcp);
        const auto port = static_cast<uint16_t>(e.key[0] << 8 | e.key[1]);
        tables.ports[{static_cast<PortSpace>(offset), port}] = e.value;
        break;
      }
      case SetId::kClassOther:
        tables.ports[{PortSpace::kOther, e.key[0]}] = e.value;
        break;
      case SetId::kAnyone:
        tables.peers[{get_number(e.key.data()), desired::kAnyone}] = e.value;
        break;
      case SetId::kPeer:
        tables.peers[{get_number(e.key.data()), get_number(e.key.data() + 4)}] = e.value;
        break;
      case SetId::kAllowed:
        tables.rows.insert({get_number(e.key.data()), get_number(e.key.data() + 4)});
        break;
      case SetId::kProtocolIngress:
      case SetId::kProtocolEgress:
      case SetId::kNeighbour:
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
  return tables;
}

}  // namespace caracal::dataplane::nft
