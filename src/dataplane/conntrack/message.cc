#include "dataplane/conntrack/message.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include "netlink/attributes.h"

namespace caracal::dataplane::conntrack {
namespace {

using netlink::Attribute;
using netlink::Attributes;
using netlink::MessageBatch;

uint16_t message_type(int type) {
  return static_cast<uint16_t>((NFNL_SUBSYS_CTNETLINK << 8) | type);
}

nfgenmsg family_header(int family) {
  nfgenmsg header{};
  header.nfgen_family = static_cast<uint8_t>(family);
  header.version = NFNETLINK_V0;
  return header;
}

std::optional<uint16_t> be16(const Attribute& attribute) {
  if (const auto value = attribute.u16()) return ntohs(*value);
  return std::nullopt;
}

bool read_addresses(const Attribute& nest, Tuple& tuple) {
  int found = 0;
  for (const Attribute& a : Attributes(nest)) {
    const bool v4 = a.type == CTA_IP_V4_SRC || a.type == CTA_IP_V4_DST;
    const bool v6 = a.type == CTA_IP_V6_SRC || a.type == CTA_IP_V6_DST;
    if ((!v4 && !v6) || a.payload.size() != (v4 ? 4u : 16u)) continue;
    const auto address = net::IpAddr::from_bytes(a.payload.data(), a.payload.size());
    const bool source = a.type == CTA_IP_V4_SRC || a.type == CTA_IP_V6_SRC;
    (source ? tuple.source : tuple.destination) = address;
    found |= source ? 1 : 2;
  }
  return found == 3 && tuple.source.family() == tuple.destination.family();
}

bool read_protocol(const Attribute& nest, Tuple& tuple) {
  bool found = false;
  for (const Attribute& a : Attributes(nest)) {
    switch (a.type) {
      case CTA_PROTO_NUM:
        found = a.u8().has_value();
        tuple.protocol = net::Protocol{a.u8().value_or(0)};
        break;
      case CTA_PROTO_SRC_PORT:
        tuple.source_port = be16(a).value_or(0);
        break;
      case CTA_PROTO_DST_PORT:
        tuple.destination_port = be16(a).value_or(0);
        break;
      case CTA_PROTO_ICMP_ID:
      case CTA_PROTO_ICMPV6_ID:
        tuple.icmp_id = be16(a).value_or(0);
        break;
      case CTA_PROTO_ICMP_TYPE:
      case CTA_PROTO_ICMPV6_TYPE:
        tuple.icmp_type = a.u8().value_or(0);
        break;
      case CTA_PROTO_ICMP_CODE:
      case CTA_PROTO_ICMPV6_CODE:
        tuple.icmp_code = a.u8().value_or(0);
        break;
      default:
        break;
    }
  }
  return found;
}

bool read_tuple(const Attribute& nest, Tuple& tuple, std::optional<uint16_t>& zone) {
  bool addresses = false;
  bool protocol = false;
  for (const Attribute& a : Attributes(nest)) {
    if (a.type == CTA_TUPLE_IP) addresses = read_addresses(a, tuple);
    if (a.type == CTA_TUPLE_PROTO) protocol = read_protocol(a, tuple);
    if (a.type == CTA_TUPLE_ZONE) zone = be16(a);
  }
  return addresses && protocol;
}

void put_be16(MessageBatch& batch, uint16_t type, uint16_t value) {
  batch.put_u16(type, htons(value));
}

void put_addresses(MessageBatch& batch, const Tuple& tuple) {
  const bool v4 = tuple.source.is_v4();
  const size_t nest = batch.begin_nest(CTA_TUPLE_IP);
  batch.put(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, tuple.source.data(), tuple.source.size());
  batch.put(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, tuple.destination.data(), tuple.destination.size());
  batch.end_nest(nest);
}

void put_protocol(MessageBatch& batch, const Tuple& tuple) {
  const size_t nest = batch.begin_nest(CTA_TUPLE_PROTO);
  batch.put_u8(CTA_PROTO_NUM, tuple.protocol.number);
  if (tuple.protocol == net::kIcmp || tuple.protocol == net::kIcmpV6) {
    const bool v4 = tuple.protocol == net::kIcmp;
    put_be16(batch, v4 ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, tuple.icmp_id);
    batch.put_u8(v4 ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE, tuple.icmp_type);
    batch.put_u8(v4 ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE, tuple.icmp_code);
  } else {
    put_be16(batch, CTA_PROTO_SRC_PORT, tuple.source_port);
    put_be16(batch, CTA_PROTO_DST_PORT, tuple.destination_port);
  }
  batch.end_nest(nest);
}

std::string end_text(const net::IpAddr& address, uint16_t port, bool ports) {
  if (!ports) return address.to_string();
  return address.is_v4() ? fmt::format("{}:{}", address.to_string(), port)
                         : fmt::format("[{}]:{}", address.to_string(), port);
}

}  // namespace

std::optional<Connection> parse_connection(const nlmsghdr* message) {
  if (netlink::header_of<nfgenmsg>(message) == nullptr) return std::nullopt;
  Connection out;
  std::optional<uint16_t> original_zone;
  std::optional<uint16_t> reply_zone;
  bool original = false;
  bool reply = false;
  for (const Attribute& a : Attributes(message, sizeof(nfgenmsg))) {
    switch (a.type) {
      case CTA_TUPLE_ORIG:
        original = read_tuple(a, out.original, original_zone);
        break;
      case CTA_TUPLE_REPLY:
        reply = read_tuple(a, out.reply, reply_zone);
        break;
      case CTA_ID:
        out.id = a.be32().value_or(0);
        break;
      case CTA_ZONE:
        out.zone = be16(a).value_or(0);
        break;
      case CTA_STATUS:
        out.expected = (a.be32().value_or(0) & IPS_EXPECTED) != 0;
        break;
      default:
        break;
    }
  }
  if (!original || !reply) return std::nullopt;
  if (original_zone) {
    out.zone = *original_zone;
    out.zone_of_original = true;
  }
  return out;
}

netlink::Message dump_request() {
  return {message_type(IPCTNL_MSG_CT_GET), NLM_F_DUMP, family_header(AF_UNSPEC)};
}

void put_delete(MessageBatch& batch, uint32_t sequence, const Connection& connection) {
  const Tuple& tuple = connection.original;
  batch.begin(message_type(IPCTNL_MSG_CT_DELETE), NLM_F_REQUEST, sequence,
              family_header(tuple.source.is_v4() ? AF_INET : AF_INET6));
  const size_t nest = batch.begin_nest(CTA_TUPLE_ORIG);
  put_addresses(batch, tuple);
  put_protocol(batch, tuple);
  if (connection.zone_of_original) put_be16(batch, CTA_TUPLE_ZONE, connection.zone);
  batch.end_nest(nest);
  if (!connection.zone_of_original && connection.zone != 0)
    put_be16(batch, CTA_ZONE, connection.zone);
  batch.put_be32(CTA_ID, connection.id);
}

std::string to_string(const Connection& connection) {
  const Tuple& from = connection.original;
  const Tuple& to = connection.reply;
  const bool ports = from.protocol.has_ports();
  return fmt::format("{} {} -> {}", from.protocol.to_string(),
                     end_text(from.source, from.source_port, ports),
                     end_text(to.source, to.source_port, ports));
}

}  // namespace caracal::dataplane::conntrack
