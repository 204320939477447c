// What the calculation of the pod network costs: all nodes and blocks from nothing, and one event.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <vector>

#include "route/network_engine.h"

namespace caracal::route {
namespace {

constexpr int kBlocksPerNode = 5;

net::IpAddr v4(int number, uint32_t first) {
  return net::IpAddr::v4(first + static_cast<uint32_t>(number));
}

model::NodeNetwork node(int i) {
  model::NodeNetwork node;
  node.name = fmt::format("node-{:05}", i);
  node.v4.address = model::NodeAddress{v4(i, 0xac100000), 24};      // 172.16.0.0
  node.v4.vxlan_address = v4(i * kBlocksPerNode * 64, 0x0a000000);  // of its first block
  return node;
}

model::NetworkUpdate block(int i, int owner) {
  const net::Cidr cidr(v4(i * 64, 0x0a000000), 26);
  return model::AddressBlockUpdate{cidr, model::AddressBlock{cidr, node(owner).name, {}}};
}

model::NetworkUpdate pool(model::Encapsulation encapsulation) {
  model::IpPool pool;
  pool.name = "pool";
  pool.cidr = net::Cidr(v4(0, 0x0a000000), 8);
  pool.encapsulation = encapsulation;
  return model::IpPoolUpdate{"pool", pool};
}

std::vector<model::NetworkUpdate> world(int nodes) {
  std::vector<model::NetworkUpdate> updates{pool(model::Encapsulation::kVxlan)};
  for (int i = 0; i < nodes; ++i) {
    updates.emplace_back(model::NodeNetworkUpdate{node(i).name, node(i)});
  }
  for (int i = 0; i < nodes * kBlocksPerNode; ++i) updates.push_back(block(i, i / kBlocksPerNode));
  return updates;
}

NetworkEngine loaded(int nodes) {
  NetworkEngine engine({.node = node(0).name});
  for (const auto& update : world(nodes)) engine.apply(update);
  engine.flush();
  return engine;
}

// The whole world, and the first flush.
void BM_RoutesFull(benchmark::State& state) {
  const auto updates = world(static_cast<int>(state.range(0)));
  size_t routes = 0;
  for (auto _ : state) {
    NetworkEngine engine({.node = node(0).name});
    for (const auto& update : updates) engine.apply(update);
    routes = engine.flush().routes.size();
  }
  state.counters["routes"] = static_cast<double>(routes);
}
BENCHMARK(BM_RoutesFull)->Arg(100)->Arg(5'000)->Unit(benchmark::kMillisecond);

// A block changes hands.
void BM_RoutesBlockEvent(benchmark::State& state) {
  const int nodes = static_cast<int>(state.range(0));
  NetworkEngine engine = loaded(nodes);
  int turn = 0;
  for (auto _ : state) {
    engine.apply(block(7, 1 + (++turn & 1)));
    benchmark::DoNotOptimize(engine.flush().routes.size());
  }
}
BENCHMARK(BM_RoutesBlockEvent)->Arg(100)->Arg(5'000)->Unit(benchmark::kMicrosecond);

// A node gets another address.
void BM_RoutesNodeEvent(benchmark::State& state) {
  const int nodes = static_cast<int>(state.range(0));
  NetworkEngine engine = loaded(nodes);
  model::NodeNetwork changing = node(nodes / 2);
  int turn = 0;
  for (auto _ : state) {
    changing.v4.address->address = v4(++turn & 1, 0xac1f0000);
    engine.apply(model::NodeNetworkUpdate{changing.name, changing});
    benchmark::DoNotOptimize(engine.flush().rules);
  }
}
BENCHMARK(BM_RoutesNodeEvent)->Arg(100)->Arg(5'000)->Unit(benchmark::kMicrosecond);

// The only pool goes from VXLAN to IPIP and back: every route changes.
void BM_RoutesPoolEvent(benchmark::State& state) {
  NetworkEngine engine = loaded(static_cast<int>(state.range(0)));
  int turn = 0;
  for (auto _ : state) {
    engine.apply(
        pool((++turn & 1) != 0 ? model::Encapsulation::kNone : model::Encapsulation::kVxlan));
    benchmark::DoNotOptimize(engine.flush().routes.size());
  }
}
BENCHMARK(BM_RoutesPoolEvent)->Arg(5'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace caracal::route

BENCHMARK_MAIN();
