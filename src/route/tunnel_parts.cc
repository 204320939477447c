#include "route/tunnel_parts.h"

#include <algorithm>
#include <string>

#include "base/sha1.h"

namespace caracal::route {
namespace {

constexpr uint8_t kMacPrefix = 0x66;  // locally administered, unicast

uint8_t nibble(char hex) { return static_cast<uint8_t>(hex <= '9' ? hex - '0' : hex - 'a' + 10); }

}  // namespace

TunnelMtus tunnel_mtus(const model::NetworkSettings& settings, uint32_t host) {
  const uint32_t outer = host == 0 ? kUnknownHostMtu : host;
  const auto mtu = [outer](uint32_t said, uint32_t overhead) {
    if (said != 0) return said;
    return outer > overhead + kLeastMtu ? outer - overhead : kLeastMtu;
  };
  return {.ipip = mtu(settings.ipip_mtu, kIpipOverhead),
          .vxlan = mtu(settings.vxlan_mtu, kVxlanOverhead),
          .vxlan_v6 = mtu(settings.vxlan_mtu_v6, kVxlanV6Overhead),
          .wireguard = mtu(settings.wireguard_mtu, kWireguardOverhead),
          .wireguard_v6 = mtu(settings.wireguard_mtu_v6, kWireguardV6Overhead)};
}

net::MacAddr derived_vxlan_mac(std::string_view node, net::Family family) {
  std::string name(node);
  if (family == net::Family::kIPv6) name += "-v6";
  const std::string digest = sha1_hex(name);
  net::MacAddr mac;
  mac.bytes[0] = kMacPrefix;
  for (size_t i = 0; i < 5; ++i) {
    mac.bytes[i + 1] = static_cast<uint8_t>(nibble(digest[2 * i]) << 4 | nibble(digest[2 * i + 1]));
  }
  return mac;
}

net::MacAddr vxlan_mac(const model::NodeNetwork& node, net::Family family) {
  const model::NodeFamily& has = node.of(family);
  return has.vxlan_mac ? *has.vxlan_mac : derived_vxlan_mac(node.name, family);
}

desired::FamilyTunnels tunnel_devices(const model::NodeNetwork& own, net::Family family,
                                      const model::NetworkSettings& settings,
                                      const TunnelMtus& mtus) {
  const bool v4 = family == net::Family::kIPv4;
  const model::NodeFamily& has = own.of(family);
  desired::FamilyTunnels out;
  if (!has.address) return out;
  if (has.vxlan_address) {
    out.vxlan = desired::VxlanDevice{.name = v4 ? "vxlan.calico" : "vxlan-v6.calico",
                                     .vni = settings.vxlan_vni,
                                     .port = settings.vxlan_port,
                                     .mac = vxlan_mac(own, family),
                                     .local = has.address->address,
                                     .address = *has.vxlan_address,
                                     .mtu = v4 ? mtus.vxlan : mtus.vxlan_v6};
  }
  if (v4 && own.ipip_address) {
    out.ipip = desired::IpipDevice{.name = "tunl0", .address = *own.ipip_address, .mtu = mtus.ipip};
  }
  if (!has.wireguard_key.empty()) {
    out.wireguard =
        desired::WireguardDevice{.name = v4 ? "wireguard.cali" : "wg-v6.cali",
                                 .port = v4 ? settings.wireguard_port : settings.wireguard_port_v6,
                                 .address = has.wireguard_address,
                                 .mtu = v4 ? mtus.wireguard : mtus.wireguard_v6,
                                 .keepalive_seconds = settings.wireguard_keepalive_seconds};
  }
  return out;
}

}  // namespace caracal::route
