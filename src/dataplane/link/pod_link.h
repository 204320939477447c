// The link of a pod: a veth pair from the host to the pod's network namespace, with addresses,
// routes and settings, as Calico makes it, so that a pod can change hands between the two.
//
//   host:  cali0123456789a  ee:ee:ee:ee:ee:ee, fe80::ecee:eeff:feee:eeee/64
//          10.1.2.3 dev cali0123456789a scope link, proto 202 (and the same for IPv6)
//   pod:   eth0, 10.1.2.3/32 and fd00::3/128; 169.254.1.1 dev eth0 scope link; default via
//   169.254.1.1;
//          default via fe80::ecee:eeff:feee:eeee; permanent neighbour entries for both gateways
//
// The pod's gateway answers ARP by proxy, and the pod has a permanent neighbour entry for it as
// well, so that the first packet does not wait for ARP and a host without default route works too.
// All functions work in the calling thread's network namespace as the host side, block for a few
// milliseconds, and keep no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/ip_addr.h"
#include "net/mac_addr.h"

namespace caracal::dataplane::link {

// "cali" + the first 11 hex digits of SHA-1("namespace.pod"): at most 15 bytes, as the kernel
// wants.
std::string host_interface_name(std::string_view ns, std::string_view pod);

inline constexpr std::string_view kInterfacePrefix = "cali";
inline constexpr net::MacAddr kHostMac{{0xee, 0xee, 0xee, 0xee, 0xee, 0xee}};
net::IpAddr gateway_v4();  // 169.254.1.1
net::IpAddr gateway_v6();  // fe80::ecee:eeff:feee:eeee, from kHostMac

struct PodLinkSpec {
  std::string host_interface;           // 1-15 bytes
  std::string pod_interface = "eth0";   // 1-15 bytes
  std::string netns_path;               // of the pod
  std::vector<net::IpAddr> addresses;   // at least one; each becomes a /32 or /128
  uint32_t mtu = 1500;                  // 68-65535, and at least 1280 with an IPv6 address
  std::optional<net::MacAddr> pod_mac;  // unset: the kernel chooses
};

struct PodLink {
  std::string host_interface;
  uint32_t host_index = 0;
  net::MacAddr host_mac;
  std::string pod_interface;
  uint32_t pod_index = 0;
  net::MacAddr pod_mac;
  uint32_t mtu = 0;
};

// Makes the link, or finds it already as specified. A host interface of that name which is not so
// (left by a former sandbox of the pod) is replaced. On failure everything made is taken back.
// Errors: kInvalid (the spec), kNotFound (netns), kExists (the pod has another interface of that
// name, or somebody else's route has the place), kKernel.
Result<PodLink> create_pod_link(const PodLinkSpec& spec);

// Removes the host interface, and with it the pod's and the host's routes. Fine when it is not
// there.
Status delete_pod_link(const std::string& host_interface);

// Every difference between what is there and the spec, each one sentence; empty: all as specified.
Result<std::vector<std::string>> check_pod_link(const PodLinkSpec& spec);

struct HostLink {
  std::string name;
  uint32_t index = 0;
  bool up = false;
  uint32_t mtu = 0;
  net::MacAddr mac;
};
// The host's veth interfaces whose name starts with `prefix`, by name.
Result<std::vector<HostLink>> list_host_links(std::string_view prefix = kInterfacePrefix);

// Lets the host forward: net.ipv4.ip_forward and net.ipv6.conf.all.forwarding. Writes only what
// differs.
Status enable_forwarding();

}  // namespace caracal::dataplane::link
