// TwoNodes: two nodes with a pod each, on one subnet, to send packets over what the drivers made.
// For tests of this folder and of dataplane/netrules.
//
//   pod 0 --veth-- node 0 --eth0======eth0-- node 1 --veth-- pod 1
//
//   node i: 192.0.2.(i+1)/24, 2001:db8::(i+1)/64; tunnel addresses 10.245.0.(i+1), fd11::(i+1)
//   pod i:  10.244.i.5 and fd10:i::5, block 10.244.i.0/26 and fd10:i::/64
//
// Everything is gone with the object. One thread; calls fail the running test.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/fd.h"
#include "dataplane/fib/route_driver.h"
#include "dataplane/tunnel/tunnel_driver.h"
#include "netlink/network_namespace.h"

namespace caracal::dataplane::tunnel_testing {

net::IpAddr ip(std::string_view text);
net::Cidr cidr(std::string_view text);
net::MacAddr mac(std::string_view text);
// In a namespace; fails the test when the command does.
std::string run_in(const netlink::NetworkNamespace& ns, const std::string& command);

struct LabNode {
  LabNode(netlink::NetworkNamespace n, netlink::NetworkNamespace p)
      : node(std::move(n)), pod(std::move(p)) {}
  netlink::NetworkNamespace node;
  netlink::NetworkNamespace pod;
  std::unique_ptr<tunnel::TunnelDriver> tunnels;
  std::unique_ptr<fib::RouteDriver> routes;
};

class TwoNodes {
 public:
  TwoNodes();

  LabNode& operator[](size_t i) { return *nodes_[i]; }
  static net::IpAddr node_address(size_t i, net::Family family);
  static net::IpAddr tunnel_address(size_t i, net::Family family);
  static net::IpAddr pod_address(size_t i, net::Family family);
  static net::Cidr block(size_t i, net::Family family);
  static net::MacAddr tunnel_mac(size_t i, net::Family family);

  // What node i's kernel should hold when the other's block of the family goes by `path`; with the
  // tunnel the path needs. Into `network`.
  static void add_path(desired::PodNetwork& network, size_t i, net::Family family,
                       desired::Path path);
  // New drivers of the node, as after a restart.
  void restart(size_t i, tunnel::TunnelOptions options = {});
  // Both drivers to `network`, in the order the agent keeps. Problems fail the test.
  tunnel::TunnelReport program(size_t i, const desired::PodNetwork& network);

  // Does a datagram from one pod reach the other? Waits a second for it.
  bool reaches(size_t from, size_t to, net::Family family);

 private:
  std::array<std::unique_ptr<LabNode>, 2> nodes_;
};

// A datagram socket of a namespace, bound to its address.
UniqueFd udp_socket(const netlink::NetworkNamespace& ns, const net::IpAddr& address, uint16_t port);
bool send_datagram(int fd, const net::IpAddr& to, uint16_t port, std::string_view text);
// The next one's text within the time; "" when none comes.
std::string receive_datagram(int fd, int milliseconds);

}  // namespace caracal::dataplane::tunnel_testing
