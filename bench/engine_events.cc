// One event from decoded object to kernel: what it costs in the calculation, in the nftables
// transaction that follows, and together. Needs root; works in network namespaces of its own.
//
//   engine_events                       all cases
//   engine_events --benchmark_filter=Selectors
//
// Counters in microseconds: "calc", "kernel" and "all", each with p50 and p99. "entries" is how
// many entries of the tables an event changed.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "bench/engine_world.h"
#include "dataplane/nft/nft_driver.h"
#include "netlink/network_namespace.h"
#include "policy/engine.h"

namespace caracal::engine_bench {
namespace {

using dataplane::nft::NftDriver;

// An engine and the kernel that holds its tables.
class Node {
 public:
  Node(benchmark::State& state, const std::vector<model::Update>& updates) : state_(state) {
    for (const model::Update& update : updates) engine_.apply(update);
    engine_.flush();
    auto ns = netlink::NetworkNamespace::create_anonymous();
    if (!ns) {
      skip(ns.error());
      return;
    }
    ns_.emplace(std::move(*ns));
    auto driver = NftDriver::open_in(*ns_);
    if (!driver) {
      skip(driver.error());
      return;
    }
    driver_.emplace(std::move(*driver));
    if (auto done = driver_->sync(engine_.tables()); !done) skip(done.error());
  }

  // Without being counted.
  void prepare(const model::Update& update) {
    engine_.apply(update);
    if (!driver_) return;
    if (auto done = driver_->apply(engine_.flush()); !done) skip(done.error());
  }
  void event(const model::Update& update) {
    if (!driver_) return;
    const auto start = Clock::now();
    engine_.apply(update);
    const desired::PolicyDelta delta = engine_.flush();
    const double calculated = microseconds_since(start);
    const auto done = driver_->apply(delta);
    const double all = microseconds_since(start);
    if (!done) return skip(done.error());
    calculation_.add(calculated);
    kernel_.add(all - calculated);
    all_.add(all);
    entries_ += static_cast<double>(delta.size());
    ++events_;
  }
  void report() {
    calculation_.report(state_, "calc_");
    kernel_.report(state_, "kernel_");
    all_.report(state_, "all_");
    state_.counters["entries"] = entries_ / std::max(events_, 1.0);
  }

 private:
  void skip(const Error& error) { state_.SkipWithError(error.message.c_str()); }

  benchmark::State& state_;
  policy::Engine engine_;
  std::optional<netlink::NetworkNamespace> ns_;
  std::optional<NftDriver> driver_;
  Times calculation_, kernel_, all_;
  double entries_ = 0;
  double events_ = 0;
};

// 250,000 pods and 10,000 policies, 200 pods local.
const std::vector<model::Update>& big() {
  static const std::vector<model::Update> updates = big_cluster(250'000, 10'000, 200);
  return updates;
}

void PodRelabelled(benchmark::State& state) {
  Node node(state, big());
  model::Pod pod = pod_of("ns-3", 3'001, 1, 150);
  int round = 0;
  for (auto _ : state) {
    // The local pods of the namespace admit app-17.
    pod.labels["app"] = round++ % 2 ? "app-18" : "app-17";
    node.event(model::PodUpdate{pod.name, pod});
  }
  node.report();
}
BENCHMARK(PodRelabelled)->Unit(benchmark::kMicrosecond)->Iterations(5'000);

void PodAddedAndRemoved(benchmark::State& state) {
  Node node(state, big());
  const model::Pod pod = pod_of("ns-3", 900'001, 17, 150);
  for (auto _ : state) {
    node.event(model::PodUpdate{pod.name, pod});
    node.event(model::PodUpdate{pod.name, {}});
  }
  node.report();
}
BENCHMARK(PodAddedAndRemoved)->Unit(benchmark::kMicrosecond)->Iterations(2'500);

void PolicyEdited(benchmark::State& state) {
  Node node(state, big());
  model::Policy policy = base_policy("ns-0", "policy-0");
  policy.selects.pods = Selector::requirement(Op::kIn, "app", {"app-0"});
  int round = 0;
  for (auto _ : state) {
    edit(policy, round++);
    node.event(model::PolicyUpdate{policy.id, policy, {}});
  }
  node.report();
}
BENCHMARK(PolicyEdited)->Unit(benchmark::kMicrosecond)->Iterations(3'000);

// A namespace of 1,000 pods comes into a peer of an active policy, and falls out of it.
void NamespaceRelabelled(benchmark::State& state) {
  Node node(state, big());
  model::Policy policy = base_policy("ns-0", "from-batch");
  model::Rule rule;
  model::EndpointPeer peer;
  peer.namespaces = Selector::requirement(Op::kIn, "batch", {"yes"});
  rule.peer.all_of = {{peer}};
  policy.ingress = {rule};
  node.prepare(model::PolicyUpdate{policy.id, policy, {}});
  model::Namespace ns{"ns-5", {{"kubernetes.io/metadata.name", "ns-5"}}};
  int round = 0;
  for (auto _ : state) {
    ns.labels["batch"] = round++ % 2 ? "no" : "yes";
    node.event(model::NamespaceUpdate{ns.name, ns});
  }
  node.report();
}
BENCHMARK(NamespaceRelabelled)->Unit(benchmark::kMicrosecond)->Iterations(600);

// A pod relabelled among N selectors that all are looked at; a tenth of them match it.
void PodRelabelledAmongSelectors(benchmark::State& state) {
  Node node(state, many_selectors(static_cast<int>(state.range(0))));
  model::Pod pod = pod_of("ns", 2, 1, 1);
  node.prepare(model::PodUpdate{pod.name, pod});
  int round = 0;
  for (auto _ : state) {
    pod.labels.erase(fmt::format("key-{}", round % 10));
    pod.labels[fmt::format("key-{}", ++round % 10)] = "x";
    node.event(model::PodUpdate{pod.name, pod});
  }
  node.report();
}
BENCHMARK(PodRelabelledAmongSelectors)
    ->Arg(2'000)
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(20'000);

// One net of a set of 100,000 goes and comes back; of 32 bits, of 24 bits.
void NetOfASet(benchmark::State& state) {
  const model::NetworkSet full = feed(100'000);
  Node node(state, one_network_set(full));
  model::NetworkSet less = full;
  const auto at = static_cast<ptrdiff_t>(less.nets.size() / 2 + (state.range(0) == 24 ? 1 : 0));
  less.nets.erase(less.nets.begin() + at);
  for (auto _ : state) {
    node.event(model::NetworkSetUpdate{less.name, less});
    node.event(model::NetworkSetUpdate{full.name, full});
  }
  node.report();
}
BENCHMARK(NetOfASet)
    ->ArgName("bits")
    ->Arg(32)
    ->Arg(24)
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(100);

}  // namespace
}  // namespace caracal::engine_bench

BENCHMARK_MAIN();
