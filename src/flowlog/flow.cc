#include "flowlog/flow.h"

namespace caracal::flowlog {

FlowKey Flow::key() const {
  FlowKey out{mark, in_index, out_index, packet.source, packet.destination, packet.protocol, 0};
  if (packet.destination_port) {
    out.port = *packet.destination_port;
  } else if (packet.icmp_type) {
    out.port = static_cast<uint16_t>(*packet.icmp_type * 256 + packet.icmp_code.value_or(0));
  }
  return out;
}

}  // namespace caracal::flowlog

size_t std::hash<caracal::flowlog::FlowKey>::operator()(
    const caracal::flowlog::FlowKey& key) const noexcept {
  const std::hash<caracal::net::IpAddr> address;
  size_t out = address(key.source);
  const auto mix = [&out](size_t value) { out = out * 0x9e3779b97f4a7c15u + value; };
  mix(address(key.destination));
  mix(static_cast<size_t>(key.port) << 16 | static_cast<size_t>(key.protocol.number) << 8 |
      static_cast<size_t>(key.mark.place));
  mix(static_cast<size_t>(key.in_index) << 32 | key.out_index);
  return out;
}
