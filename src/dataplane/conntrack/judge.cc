#include "dataplane/conntrack/judge.h"

#include <algorithm>

namespace caracal::dataplane::conntrack {
namespace {

using desired::Direction;
using desired::PacketKey;
using desired::PolicyTables;
using desired::PortSpace;
using desired::TableVerdict;

PortSpace space_of(net::Protocol protocol) {
  if (protocol == net::kTcp) return PortSpace::kTcp;
  if (protocol == net::kUdp) return PortSpace::kUdp;
  if (protocol == net::kSctp) return PortSpace::kSctp;
  if (protocol == net::kIcmp) return PortSpace::kIcmp;
  if (protocol == net::kIcmpV6) return PortSpace::kIcmpV6;
  return PortSpace::kOther;
}

// The connection's first packet, as the pod at `own` met it.
PacketKey packet_of(const Connection& connection, const net::IpAddr& own, const net::IpAddr& peer) {
  const Tuple& from = connection.original;
  PacketKey key;
  key.peer = peer;
  key.own = own;
  key.space = space_of(from.protocol);
  switch (key.space) {
    case PortSpace::kIcmp:
    case PortSpace::kIcmpV6:
      key.port = static_cast<uint16_t>(from.icmp_type * 256 + from.icmp_code);
      break;
    case PortSpace::kOther:
      key.port = from.protocol.number;
      break;
    default:
      key.port = connection.reply.source_port;
      key.source_port = from.source_port;
  }
  return key;
}

}  // namespace

Ends ends_of(const PolicyTables& tables) {
  Ends out;
  for (const desired::SourceKey& key : tables.sources)
    out.pods.insert_or_assign(key.address, key.interface);
  return out;
}

bool Ends::concern(const Connection& connection) const {
  const net::IpAddr& source = connection.original.source;
  const net::IpAddr& destination = connection.reply.source;
  return pods.contains(source) || pods.contains(destination) || released.contains(source) ||
         released.contains(destination);
}

Judgement judge(const PolicyTables& tables, const Ends& ends, const Connection& connection) {
  if (connection.expected) return Judgement::kStays;
  const net::IpAddr& source = connection.original.source;
  const net::IpAddr& destination = connection.reply.source;
  const auto from = ends.pods.find(source);
  const auto to = ends.pods.find(destination);
  const bool from_pod = from != ends.pods.end();
  const bool to_pod = to != ends.pods.end();
  if ((!from_pod && ends.released.contains(source)) ||
      (!to_pod && ends.released.contains(destination))) {
    return Judgement::kReleased;
  }
  if (from_pod && to_pod && from->second == to->second) return Judgement::kStays;
  if (from_pod) {
    const PacketKey packet = packet_of(connection, source, destination);
    const auto decision = desired::decide(tables, Direction::kEgress, from->second, packet);
    if (decision.verdict != TableVerdict::kAllowed) return Judgement::kEgress;
    const auto to_host = tables.settings.find(desired::Setting::kToHost);
    if (ends.host.contains(destination) && to_host != tables.settings.end() &&
        to_host->second == 0) {
      return Judgement::kEgress;
    }
  }
  if (to_pod && !ends.host.contains(source)) {
    const PacketKey packet = packet_of(connection, destination, source);
    const auto decision = desired::decide(tables, Direction::kIngress, to->second, packet);
    if (decision.verdict != TableVerdict::kAllowed) return Judgement::kIngress;
  }
  return Judgement::kStays;
}

}  // namespace caracal::dataplane::conntrack
