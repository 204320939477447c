// The flow log's copy of the world: what it keeps in memory, and what one record costs the
// calculation loop.
//
//   flowlog_bench
//
// "MB" is the growth of the process's resident set; the updates are made and dropped one by one.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>

#include <fstream>
#include <memory>

#include "flowlog/world_index.h"

namespace caracal::flowlog {
namespace {

using selector::Op;
using selector::Selector;

double resident_mb() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * 4096 / 1e6;
}

Selector label(const char* key, std::string value) {
  return Selector::requirement(Op::kIn, key, {std::move(value)});
}

// Calls apply(update) for `count` pods in 300 namespaces and as many policies, each of one app of
// its namespace, on a port of its own.
template <typename Apply>
void make_world(int count, const Apply& apply) {
  constexpr int kNamespaces = 300;
  for (int n = 0; n < kNamespaces; ++n) {
    const std::string ns = fmt::format("ns-{}", n);
    apply(model::NamespaceUpdate{ns, model::Namespace{ns, {{"kubernetes.io/metadata.name", ns}}}});
  }
  for (int i = 0; i < count; ++i) {
    const int app = i / kNamespaces % 20;
    model::Pod pod;
    pod.name = {fmt::format("ns-{}", i % kNamespaces),
                fmt::format("app-{}-7d9c5b6f4-{:05}", app, i)};
    pod.uid = "8c1e9a52-52a3-4d1c-9b1e-000000000000";
    pod.labels = {{"app", fmt::format("app-{}", app)},
                  {"pod-template-hash", "7d9c5b6f4"},
                  {"team", fmt::format("team-{}", app % 4)}};
    pod.service_account = "default";
    pod.node = fmt::format("node-{}", i % 300);
    pod.addresses = {net::IpAddr::v4(0x0a000000u + static_cast<uint32_t>(i))};
    pod.ports = {{"http", net::kTcp, 8080}};
    apply(model::PodUpdate{pod.name, pod});

    model::Policy policy;
    policy.id = {model::PolicyKind::kNetworkPolicy,
                 {pod.name.ns, fmt::format("allow-to-app-{}-{:05}", app, i)}};
    policy.selects.in_namespace = pod.name.ns;
    policy.selects.pods = label("app", fmt::format("app-{}", app));
    policy.applies_ingress = true;
    model::Rule& rule = policy.ingress.emplace_back();
    model::EndpointPeer peer;
    peer.in_namespace = pod.name.ns;
    peer.pods = label("team", fmt::format("team-{}", i % 4));
    rule.peer.all_of.push_back(
        {peer, model::CidrPeer{net::Cidr(net::IpAddr::v4(0xc0000200u), 24), {}}});
    const auto port = static_cast<uint16_t>(1000 + i);
    rule.ports = {{net::kTcp, net::PortRange{port, port}}};
    apply(model::PolicyUpdate{policy.id, policy, std::nullopt});
  }
}

template <typename Holder>
void Keep(benchmark::State& state) {
  double grown = 0;
  for (auto _ : state) {
    malloc_trim(0);
    const double before = resident_mb();
    Holder holder;
    make_world(static_cast<int>(state.range(0)), [&](const auto& update) { holder.apply(update); });
    malloc_trim(0);
    grown = resident_mb() - before;
    benchmark::DoNotOptimize(holder);
  }
  state.counters["MB"] = grown;
}
BENCHMARK(Keep<WorldIndex>)->Arg(30'000)->Unit(benchmark::kMillisecond)->Iterations(1);
// As plain values, for comparison.
BENCHMARK(Keep<model::World>)->Arg(30'000)->Unit(benchmark::kMillisecond)->Iterations(1);

// The part of the world that decides about one flow.
void Excerpt(benchmark::State& state) {
  WorldIndex index;
  const auto count = static_cast<int>(state.range(0));
  make_world(count, [&](const auto& update) { index.apply(update); });
  const model::ObjectName own{"ns-7", "app-0-7d9c5b6f4-00007"};
  uint32_t turn = 0;
  size_t policies = 0;
  for (auto _ : state) {
    const auto peer = net::IpAddr::v4(0x0a000000u + turn++ % static_cast<uint32_t>(count));
    const model::World part = index.excerpt(peer, net::IpAddr::v4(0x0a000007u), &own);
    policies = part.policies.size();
  }
  state.counters["policies"] = static_cast<double>(policies);
}
BENCHMARK(Excerpt)->Arg(30'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace caracal::flowlog

BENCHMARK_MAIN();
