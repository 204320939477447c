#include "dataplane/tunnel/testing/two_nodes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>

#include "base/strings.h"
#include "base/subprocess.h"
#include "dataplane/tunnel/block_routes.h"
#include "net/socket_address.h"

namespace caracal::dataplane::tunnel_testing {

using net::Family;
using netlink::NetworkNamespace;

net::IpAddr ip(std::string_view text) { return *net::IpAddr::parse(text); }
net::Cidr cidr(std::string_view text) { return *net::Cidr::parse(text); }
net::MacAddr mac(std::string_view text) { return *net::MacAddr::parse(text); }

std::string run_in(const NetworkNamespace& ns, const std::string& command) {
  Command c{.argv = {}, .netns = ns.fd_path()};
  for (const auto word : split(command, ' ')) c.argv.emplace_back(word);
  auto out = run_checked(c);
  EXPECT_TRUE(out) << out.error().message;
  return out.value_or("");
}

net::IpAddr TwoNodes::node_address(size_t i, Family family) {
  return ip(family == Family::kIPv4 ? fmt::format("192.0.2.{}", i + 1)
                                    : fmt::format("2001:db8::{}", i + 1));
}
net::IpAddr TwoNodes::tunnel_address(size_t i, Family family) {
  return ip(family == Family::kIPv4 ? fmt::format("10.245.0.{}", i + 1)
                                    : fmt::format("fd11::{}", i + 1));
}
net::IpAddr TwoNodes::pod_address(size_t i, Family family) {
  return ip(family == Family::kIPv4 ? fmt::format("10.244.{}.5", i) : fmt::format("fd10:{}::5", i));
}
net::Cidr TwoNodes::block(size_t i, Family family) {
  return cidr(family == Family::kIPv4 ? fmt::format("10.244.{}.0/26", i)
                                      : fmt::format("fd10:{}::/64", i));
}
net::MacAddr TwoNodes::tunnel_mac(size_t i, Family family) {
  return mac(fmt::format("66:00:00:00:0{}:0{}", family == Family::kIPv4 ? 4 : 6, i));
}

TwoNodes::TwoNodes() {
  for (auto& node : nodes_) {
    auto n = NetworkNamespace::create_anonymous();
    auto p = NetworkNamespace::create_anonymous();
    if (!n || !p) ADD_FAILURE() << "no network namespaces";
    node = std::make_unique<LabNode>(*std::move(n), *std::move(p));
  }
  const auto& [a, b] = nodes_;
  run_in(a->node, fmt::format("ip link add eth0 address 02:00:00:00:01:00 type veth peer name eth0 "
                              "address 02:00:00:00:01:01 netns {}",
                              b->node.fd_path()));
  for (size_t i = 0; i < 2; ++i) {
    const NetworkNamespace& node = nodes_[i]->node;
    const NetworkNamespace& pod = nodes_[i]->pod;
    run_in(node, fmt::format("ip link add cali0 address 02:00:00:00:02:00 type veth peer name eth0 "
                             "address 02:00:00:00:03:00 netns {}",
                             pod.fd_path()));
    run_in(node, fmt::format("ip addr add 192.0.2.{}/24 dev eth0", i + 1));
    run_in(node, fmt::format("ip addr add 2001:db8::{}/64 dev eth0 nodad", i + 1));
    run_in(node, fmt::format("ip addr add 10.244.{}.1/26 dev cali0", i));
    run_in(node, fmt::format("ip addr add fd10:{}::1/64 dev cali0 nodad", i));
    run_in(node, "ip link set eth0 up");
    run_in(node, "ip link set cali0 up");
    run_in(node, "sysctl -qw net.ipv4.ip_forward=1");
    run_in(node, "sysctl -qw net.ipv6.conf.all.forwarding=1");
    run_in(pod, fmt::format("ip addr add 10.244.{}.5/26 dev eth0", i));
    run_in(pod, fmt::format("ip addr add fd10:{}::5/64 dev eth0 nodad", i));
    run_in(pod, "ip link set eth0 up");
    run_in(pod, fmt::format("ip route add default via 10.244.{}.1", i));
    run_in(pod, fmt::format("ip route add default via fd10:{}::1", i));
    // Known neighbours: a fresh interface asks for none until its own address is through duplicate
    // address detection.
    run_in(node, fmt::format("ip neigh add 2001:db8::{} lladdr 02:00:00:00:01:0{} dev eth0", 2 - i,
                             1 - i));
    run_in(node, fmt::format("ip neigh add fd10:{}::5 lladdr 02:00:00:00:03:00 dev cali0", i));
    run_in(pod, fmt::format("ip neigh add fd10:{}::1 lladdr 02:00:00:00:02:00 dev eth0", i));
    restart(i);
  }
}

void TwoNodes::restart(size_t i, tunnel::TunnelOptions options) {
  auto tunnels = tunnel::TunnelDriver::open_in(nodes_[i]->node, std::move(options));
  ASSERT_TRUE(tunnels) << tunnels.error().message;
  nodes_[i]->tunnels = std::make_unique<tunnel::TunnelDriver>(std::move(*tunnels));
  auto routes = fib::RouteDriver::open_in(nodes_[i]->node);
  ASSERT_TRUE(routes) << routes.error().message;
  nodes_[i]->routes = std::make_unique<fib::RouteDriver>(std::move(*routes));
}

void TwoNodes::add_path(desired::PodNetwork& network, size_t i, Family family, desired::Path path) {
  const size_t other = 1 - i;
  const bool v4 = family == Family::kIPv4;
  desired::FamilyTunnels& tunnels = v4 ? network.v4 : network.v6;
  desired::BlockRoute& route = network.routes[block(other, family)];
  route = {.path = path, .node = fmt::format("node{}", other)};
  switch (path) {
    case desired::Path::kBlackhole:
      break;
    case desired::Path::kIpip:
      tunnels.ipip = desired::IpipDevice{.address = tunnel_address(i, family), .mtu = 1480};
      route.via = node_address(other, family);
      break;
    case desired::Path::kDirect:
      route.via = node_address(other, family);
      break;
    case desired::Path::kVxlan:
      route.via = tunnel_address(other, family);
      tunnels.vxlan = desired::VxlanDevice{.name = v4 ? tunnel::kVxlanV4 : tunnel::kVxlanV6,
                                           .mac = tunnel_mac(i, family),
                                           .local = node_address(i, family),
                                           .address = tunnel_address(i, family),
                                           .mtu = v4 ? 1450u : 1430u};
      tunnels.vxlan_peers[tunnel_address(other, family)] = {route.node, node_address(other, family),
                                                            tunnel_mac(other, family)};
      break;
    case desired::Path::kWireguard:
      // Peers need keys: the test's business.
      tunnels.wireguard =
          desired::WireguardDevice{.name = v4 ? tunnel::kWireguardV4 : tunnel::kWireguardV6,
                                   .port = static_cast<uint16_t>(v4 ? 51820 : 51821),
                                   .address = tunnel_address(i, family),
                                   .mtu = 1420};
      break;
  }
}

tunnel::TunnelReport TwoNodes::program(size_t i, const desired::PodNetwork& network) {
  LabNode& node = *nodes_[i];
  auto report = node.tunnels->sync(network);
  EXPECT_TRUE(report) << report.error().message;
  if (!report) return {};
  for (const auto& problem : report->problems)
    ADD_FAILURE() << problem.object << ": " << problem.error.message;
  auto routed = node.routes->sync(tunnel::block_routes(network));
  EXPECT_TRUE(routed) << routed.error().message;
  if (routed)
    for (const auto& problem : routed->problems) ADD_FAILURE() << problem.error.message;
  auto dropped = node.tunnels->drop_unneeded();
  EXPECT_TRUE(dropped) << dropped.error().message;
  if (dropped) report->removed = dropped->removed;
  return *report;
}

UniqueFd udp_socket(const NetworkNamespace& ns, const net::IpAddr& address, uint16_t port) {
  auto entered = ns.enter();
  EXPECT_TRUE(entered);
  const net::SocketAddress self(address, port);
  UniqueFd fd(::socket(self.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(fd.get(), self.get(), self.size()), 0) << strerror(errno);
  return fd;
}

bool send_datagram(int fd, const net::IpAddr& to, uint16_t port, std::string_view text) {
  const net::SocketAddress target(to, port);
  return ::sendto(fd, text.data(), text.size(), 0, target.get(), target.size()) ==
         static_cast<ssize_t>(text.size());
}

std::string receive_datagram(int fd, int milliseconds) {
  pollfd wait{fd, POLLIN, 0};
  if (::poll(&wait, 1, milliseconds) != 1) return {};
  char buffer[2048];
  const ssize_t size = ::recv(fd, buffer, sizeof buffer, 0);
  return std::string(buffer, size > 0 ? static_cast<size_t>(size) : 0);
}

bool TwoNodes::reaches(size_t from, size_t to, Family family) {
  constexpr uint16_t kPort = 7001;
  const UniqueFd server = udp_socket(nodes_[to]->pod, pod_address(to, family), kPort);
  const UniqueFd client = udp_socket(nodes_[from]->pod, pod_address(from, family), 0);
  return send_datagram(client.get(), pod_address(to, family), kPort, "hello") &&
         receive_datagram(server.get(), 1000) == "hello";
}

}  // namespace caracal::dataplane::tunnel_testing
