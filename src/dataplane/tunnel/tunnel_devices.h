// Makes tunnel devices, and brings those that are there to what is wanted. What is right is not
// touched. Requests over rtnetlink, one after another: devices are few. Private to this folder.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "dataplane/tunnel/tunnel_link.h"
#include "desired/network.h"
#include "netlink/socket.h"

namespace caracal::dataplane::tunnel {

enum class DeviceWas : uint8_t { kRight, kChanged, kMade };

struct DeviceState {
  uint32_t index = 0;
  DeviceWas was = DeviceWas::kRight;
  std::string why;  // of kChanged and kMade in place of another: what was wrong
};

// `present` is the device of that name, if there is one. A VXLAN device with other fixed parameters
// is replaced by a new one, whose peers and routes then have to be put in again. Errors: kConflict:
// the name belongs to a device of another kind; kUnsupported: the kernel has no such devices; else
// the kernel's answer.
Result<DeviceState> ensure_vxlan(netlink::Socket& socket, const desired::VxlanDevice& wanted,
                                 const std::optional<TunnelLink>& present);
Result<DeviceState> ensure_wireguard(netlink::Socket& socket,
                                     const desired::WireguardDevice& wanted, net::Family family,
                                     const std::optional<TunnelLink>& present);
// tunl0 comes with the kernel's module and can be somebody else's, too: what we give it (up, MTU,
// our address) is noted in its alias, and only that is taken away again.
Result<DeviceState> ensure_ipip(netlink::Socket& socket, const desired::IpipDevice& wanted,
                                const std::optional<TunnelLink>& present);

// Is the device as ensure_...() leaves it? For notifications; addresses are not looked at.
bool is_right(const TunnelLink& link, const desired::VxlanDevice& wanted);
bool is_right(const TunnelLink& link, const desired::WireguardDevice& wanted);
bool is_right(const TunnelLink& link, const desired::IpipDevice& wanted);
// And its addresses?
Result<bool> addresses_right(netlink::Socket& socket, uint32_t index, net::Family family,
                             const std::optional<net::IpAddr>& wanted, bool only);

// Takes away our device: of the kind, as the name alone could be a stranger's. False: it was not
// there, or is not ours.
Result<bool> remove_device(netlink::Socket& socket, const std::string& name,
                           const std::string& kind, const std::optional<TunnelLink>& present);
// Takes from tunl0 what its alias says we gave it.
Result<bool> release_ipip(netlink::Socket& socket, const std::optional<TunnelLink>& present);

}  // namespace caracal::dataplane::tunnel
