// What it costs to have the routes, tunnel peers and guard entries of thousands of nodes in the
// kernel: from nothing, after a restart, and one node more; and the same by `ip` and `bridge` in
// batch mode, in the same run. Needs root; works in network namespaces of its own.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "base/subprocess.h"
#include "dataplane/fib/route_driver.h"
#include "dataplane/netrules/net_rules_driver.h"
#include "dataplane/tunnel/block_routes.h"
#include "dataplane/tunnel/tunnel_driver.h"
#include "netlink/network_namespace.h"

namespace caracal::dataplane {
namespace {

using Clock = std::chrono::steady_clock;
using net::IpAddr;
using netlink::NetworkNamespace;

constexpr uint32_t kNodeBase = 0xac100000;    // 172.16.0.0
constexpr uint32_t kTunnelBase = 0x0a400000;  // 10.64.0.0, the first address of a node's block

net::MacAddr mac_of(uint32_t n) {
  return {{0x66, 0, 0, static_cast<uint8_t>(n >> 16), static_cast<uint8_t>(n >> 8 & 0xff),
           static_cast<uint8_t>(n & 0xff)}};
}
net::Cidr block_of(uint32_t n) { return net::Cidr(IpAddr::v4(kTunnelBase + n * 64), 26); }
IpAddr tunnel_of(uint32_t n) { return IpAddr::v4(kTunnelBase + n * 64); }
IpAddr node_of(uint32_t n) { return IpAddr::v4(kNodeBase + n); }

void add_node(desired::PodNetwork& network, uint32_t n) {
  network.routes[block_of(n)] = {desired::Path::kVxlan, tunnel_of(n), fmt::format("node{}", n)};
  network.v4.vxlan_peers[tunnel_of(n)] = {fmt::format("node{}", n), node_of(n), mac_of(n)};
  network.rules.nodes.insert(node_of(n));
}

desired::PodNetwork network_of(uint32_t nodes) {
  desired::PodNetwork network;
  network.v4.vxlan = desired::VxlanDevice{.name = tunnel::kVxlanV4,
                                          .mac = mac_of(0xffffff),
                                          .local = IpAddr::v4(kNodeBase),
                                          .address = IpAddr::v4(kTunnelBase),
                                          .mtu = 1450};
  network.rules.vxlan_port = 4789;
  network.rules.vxlan_vni = 4096;
  for (uint32_t n = 1; n <= nodes; ++n) add_node(network, n);
  return network;
}

// A node's namespace with an interface, and the drivers of an agent in it.
struct Node {
  Node() : ns(*NetworkNamespace::create_anonymous()) {
    for (const char* command : {"ip link add eth0 type veth peer name eth1",
                                "ip addr add 172.16.0.0/12 dev eth0", "ip link set eth0 up"})
      shell(command);
    restart();
  }
  void restart() {
    tunnels = std::make_unique<tunnel::TunnelDriver>(*tunnel::TunnelDriver::open_in(ns));
    routes = std::make_unique<fib::RouteDriver>(*fib::RouteDriver::open_in(ns));
    rules = std::make_unique<netrules::NetRulesDriver>(*netrules::NetRulesDriver::open_in(ns));
  }
  void shell(const std::string& command, const std::string& input = {}) {
    auto done = run_checked({.argv = {"sh", "-c", command}, .input = input, .netns = ns.fd_path()});
    if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
    failed = failed || !done;
  }
  // As the agent does it. False when anything was refused.
  bool sync(const desired::PodNetwork& network) {
    const auto t = tunnels->sync(network);
    const auto r = routes->sync(tunnel::block_routes(network));
    const auto n = rules->sync(network.rules);
    return t && r && n && t->problems.empty() && r->problems.empty();
  }
  bool apply(const desired::PodNetworkDelta& delta, const desired::PodNetwork& next) {
    const auto t = tunnels->apply(delta, next);
    const auto r = routes->apply(tunnel::block_route_delta(delta, next));
    const auto n = rules->apply(next.rules);
    const auto d = tunnels->drop_unneeded();
    return t && r && n && d && t->problems.empty() && r->problems.empty();
  }

  NetworkNamespace ns;
  std::unique_ptr<tunnel::TunnelDriver> tunnels;
  std::unique_ptr<fib::RouteDriver> routes;
  std::unique_ptr<netrules::NetRulesDriver> rules;
  bool failed = false;
};

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void percentiles(benchmark::State& state, std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  state.counters["p50_us"] = seconds[seconds.size() / 2] * 1e6;
  state.counters["p99_us"] = seconds[seconds.size() * 99 / 100] * 1e6;
}

void BM_ProgramAll(benchmark::State& state) {
  const desired::PodNetwork network = network_of(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) {
    Node node;
    const auto start = Clock::now();
    if (!node.sync(network)) return state.SkipWithError("the kernel refused something");
    state.SetIterationTime(since(start));
  }
}
BENCHMARK(BM_ProgramAll)
    ->Arg(500)
    ->Arg(5000)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);

// The same entries by iproute2's batch mode, the text made before: routes, neighbours, forwarding.
void BM_ProgramAllByBatch(benchmark::State& state) {
  std::string ip;
  std::string bridge;
  for (uint32_t n = 1; n <= static_cast<uint32_t>(state.range(0)); ++n) {
    bridge += fmt::format("fdb replace {} dev vxlan.calico dst {} self permanent\n",
                          mac_of(n).to_string(), node_of(n).to_string());
    ip += fmt::format("neigh replace {} lladdr {} dev vxlan.calico nud permanent\n",
                      tunnel_of(n).to_string(), mac_of(n).to_string());
    ip += fmt::format("route replace {} via {} dev vxlan.calico onlink proto 202\n",
                      block_of(n).to_string(), tunnel_of(n).to_string());
  }
  for (auto _ : state) {
    Node node;
    const auto start = Clock::now();
    node.shell(
        "ip link add vxlan.calico address 66:00:00:ff:ff:ff mtu 1450 type vxlan id 4096 local "
        "172.16.0.0 dstport 4789 nolearning && ip addr add 10.64.0.0/32 dev vxlan.calico && "
        "ip link set vxlan.calico up");
    node.shell("bridge -batch -", bridge);
    node.shell("ip -batch -", ip);
    state.SetIterationTime(since(start));
    if (node.failed) return state.SkipWithError("ip or bridge failed");
  }
}
BENCHMARK(BM_ProgramAllByBatch)
    ->Arg(500)
    ->Arg(5000)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);

// An agent that restarts: all is there and right.
void BM_Restart(benchmark::State& state) {
  const desired::PodNetwork network = network_of(static_cast<uint32_t>(state.range(0)));
  Node node;
  if (!node.sync(network)) return state.SkipWithError("the kernel refused something");
  for (auto _ : state) {
    node.restart();
    const auto start = Clock::now();
    if (!node.sync(network)) return state.SkipWithError("the kernel refused something");
    state.SetIterationTime(since(start));
  }
}
BENCHMARK(BM_Restart)->Arg(5000)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(10);

// One node joins, with its block; then it leaves.
void BM_OneNodeMore(benchmark::State& state) {
  const uint32_t nodes = static_cast<uint32_t>(state.range(0));
  desired::PodNetwork network = network_of(nodes);
  Node node;
  if (!node.sync(network)) return state.SkipWithError("the kernel refused something");
  std::vector<double> seconds;
  const auto other = nodes + 1;
  for (auto _ : state) {
    add_node(network, other);
    desired::PodNetworkDelta delta;
    delta.routes[block_of(other)] = network.routes.at(block_of(other));
    delta.vxlan_peers[tunnel_of(other)] = network.v4.vxlan_peers.at(tunnel_of(other));
    delta.rules = true;
    const auto start = Clock::now();
    if (!node.apply(delta, network)) return state.SkipWithError("the kernel refused something");
    seconds.push_back(since(start));
    state.SetIterationTime(seconds.back());
    network.routes.erase(block_of(other));
    network.v4.vxlan_peers.erase(tunnel_of(other));
    network.rules.nodes.erase(node_of(other));
    delta.routes[block_of(other)] = std::nullopt;
    delta.vxlan_peers[tunnel_of(other)] = std::nullopt;
    if (!node.apply(delta, network)) return state.SkipWithError("the kernel refused something");
    if (!node.tunnels->changed() || !node.routes->changed())
      return state.SkipWithError("watching failed");
  }
  percentiles(state, std::move(seconds));
}
BENCHMARK(BM_OneNodeMore)
    ->Arg(500)
    ->Arg(5000)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(500);

void BM_OneNodeMoreByBatch(benchmark::State& state) {
  const uint32_t nodes = static_cast<uint32_t>(state.range(0));
  Node node;
  if (!node.sync(network_of(nodes))) return state.SkipWithError("the kernel refused something");
  std::vector<double> seconds;
  const auto n = nodes + 1;
  for (auto _ : state) {
    const auto start = Clock::now();
    node.shell("bridge -batch -",
               fmt::format("fdb replace {} dev vxlan.calico dst {} self permanent\n",
                           mac_of(n).to_string(), node_of(n).to_string()));
    node.shell("ip -batch -",
               fmt::format("neigh replace {} lladdr {} dev vxlan.calico nud permanent\n"
                           "route replace {} via {} dev vxlan.calico onlink proto 202\n",
                           tunnel_of(n).to_string(), mac_of(n).to_string(), block_of(n).to_string(),
                           tunnel_of(n).to_string()));
    seconds.push_back(since(start));
    state.SetIterationTime(seconds.back());
    node.shell(fmt::format("ip route del {}", block_of(n).to_string()));
    if (node.failed) return state.SkipWithError("ip or bridge failed");
  }
  percentiles(state, std::move(seconds));
}
BENCHMARK(BM_OneNodeMoreByBatch)
    ->Arg(5000)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(50);

}  // namespace
}  // namespace caracal::dataplane

BENCHMARK_MAIN();
