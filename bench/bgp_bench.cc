// BGP of one node of a large cluster: making the configuration of a full mesh from the world,
// writing it in BIRD's language, and what BIRD itself takes to check it.
//
//   bgp_bench [--benchmark_filter=Mesh]
//
// The argument is the number of nodes. A full mesh of 5,000 is nobody's plan (route reflectors
// are); it shows how the cost grows. "KB" is the size of the text.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <string>

#include "base/file.h"
#include "base/subprocess.h"
#include "bgp/bgp_engine.h"
#include "bgp/render_bird.h"

namespace caracal::bgp {
namespace {

net::IpAddr node_address(unsigned i) { return net::IpAddr::v4(0x0a000000U + i); }

model::NetworkUpdate node_update(unsigned i, std::string zone) {
  model::NodeNetwork node;
  node.name = fmt::format("node-{}", i);
  node.labels = {{"zone", std::move(zone)}};
  node.v4.address = model::NodeAddress{node_address(i), 16};
  return model::NodeNetworkUpdate{node.name, node};
}

model::NetworkUpdate block_update(unsigned i, unsigned owner) {
  const net::Cidr cidr(net::IpAddr::v4(0xc0a80000U + i * 64), 26);
  return model::AddressBlockUpdate{cidr,
                                   model::AddressBlock{cidr, fmt::format("node-{}", owner), {}}};
}

BgpEngine cluster(unsigned nodes) {
  BgpEngine engine({.node = "node-1", .router_id = {}});
  model::IpPool pool;
  pool.name = "pool";
  pool.cidr = net::Cidr(net::IpAddr::v4(0xc0a80000U), 13);
  engine.apply(model::IpPoolUpdate{pool.name, pool});
  for (unsigned i = 1; i <= nodes; ++i) {
    engine.apply(node_update(i, "a"));
    engine.apply(block_update(i, i));
  }
  return engine;
}

// A node's labels change: the sessions are planned again.
void BM_MeshConfig(benchmark::State& state) {
  BgpEngine engine = cluster(static_cast<unsigned>(state.range(0)));
  unsigned turn = 0;
  for (auto _ : state) {
    engine.apply(node_update(2, ++turn % 2 == 0 ? "a" : "b"));
    benchmark::DoNotOptimize(engine.config());
  }
}
BENCHMARK(BM_MeshConfig)->Arg(500)->Arg(5000)->Unit(benchmark::kMillisecond);

// Another node's block comes: nothing to do.
void BM_ForeignBlock(benchmark::State& state) {
  BgpEngine engine = cluster(static_cast<unsigned>(state.range(0)));
  unsigned turn = 0;
  for (auto _ : state) {
    engine.apply(block_update(++turn % 4096, 2));
    benchmark::DoNotOptimize(engine.flush());
  }
}
BENCHMARK(BM_ForeignBlock)->Arg(5000);

void BM_MeshRender(benchmark::State& state) {
  BgpEngine engine = cluster(static_cast<unsigned>(state.range(0)));
  size_t bytes = 0;
  for (auto _ : state) bytes = render_bird(engine.config(), {}).size();
  state.counters["KB"] = static_cast<double>(bytes) / 1000;
}
BENCHMARK(BM_MeshRender)->Arg(500)->Arg(5000)->Unit(benchmark::kMillisecond);

// `bird -p` on that text, process start included; and on an empty one, to compare.
void BM_BirdCheck(benchmark::State& state) {
  const std::string path = fmt::format("/tmp/caracal-bgp-bench-{}.conf", ::getpid());
  BgpEngine engine = cluster(static_cast<unsigned>(state.range(0)));
  if (!write_file_atomic(path, render_bird(engine.config(), {}))) {
    return state.SkipWithError("cannot write the configuration");
  }
  Command bird;
  bird.argv = {"bird", "-p", "-c", path};
  for (auto _ : state) {
    const auto output = run(bird);
    if (!output || output->exit_code != 0) {
      state.SkipWithError("BIRD is not installed, or refuses the configuration");
      break;
    }
  }
  ::unlink(path.c_str());
}
BENCHMARK(BM_BirdCheck)->Arg(1)->Arg(500)->Arg(5000)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace caracal::bgp

BENCHMARK_MAIN();
