// The policy calculation at scale: full calculations and single events, engine alone.
//
//   policy_bench                       all cases
//   policy_bench --benchmark_filter=Relabel
//
// Memory is the growth of the process's resident set over the case (counter "MB", with the updates
// themselves left out: they are made before).
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>

#include <fstream>
#include <memory>

#include "policy/engine.h"

namespace caracal::policy {
namespace {

using selector::Op;
using selector::Selector;

double resident_mb() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * 4096 / 1e6;
}

model::Policy base_policy(const std::string& ns, const std::string& name) {
  model::Policy policy;
  policy.id = {model::PolicyKind::kNetworkPolicy, {ns, name}};
  policy.selects.in_namespace = ns;
  policy.applies_ingress = true;
  return policy;
}

model::Pod pod_of(const std::string& ns, int number, int app, int instance) {
  model::Pod pod;
  pod.name = {ns, fmt::format("app-{}-7d9c5b6f4-{:05}", app, number)};
  pod.node = "node";
  pod.labels = {{"app", fmt::format("app-{}", app)},
                {"pod-template-hash", fmt::format("7d9c5b6f4{}", app)},
                {"tier", instance % 2 ? "front" : "back"},
                {"team", fmt::format("team-{}", app % 20)},
                {"release", "stable"}};
  pod.addresses = {net::IpAddr::v4(0x0a000000u + static_cast<uint32_t>(number) + 1)};
  pod.ports = {{"http", net::kTcp, 8080}};
  return pod;
}

void add_local(std::vector<model::Update>& out, const model::Pod& pod, size_t number) {
  model::LocalEndpoint endpoint{pod.name, fmt::format("cali{:011x}", number), pod.addresses};
  out.push_back(model::LocalEndpointUpdate{endpoint.interface, endpoint});
}

// 250 namespaces of 1,000 pods in 20 apps; 40 policies a namespace: an app may be reached by
// another app of the namespace and by one of another namespace, on one port; 200 pods are local,
// spread over all.
std::vector<model::Update> big_cluster(int pods, int policies, int local) {
  constexpr int kNamespaces = 250, kApps = 20;
  std::vector<model::Update> out;
  for (int n = 0; n < kNamespaces; ++n) {
    const std::string ns = fmt::format("ns-{}", n);
    out.push_back(model::NamespaceUpdate{
        ns, model::Namespace{
                ns, {{"kubernetes.io/metadata.name", ns}, {"env", n % 2 ? "prod" : "dev"}}}});
    for (int p = 0; p < policies / kNamespaces; ++p) {
      model::Policy policy = base_policy(ns, fmt::format("policy-{}", p));
      policy.selects.pods =
          Selector::requirement(Op::kIn, "app", {fmt::format("app-{}", p % kApps)});
      model::Rule rule;
      rule.peers.emplace();
      model::EndpointPeer same;
      same.in_namespace = ns;
      same.pods = Selector::requirement(Op::kIn, "app", {fmt::format("app-{}", (p + 7) % kApps)});
      rule.peers->push_back(same);
      model::EndpointPeer other;
      other.namespaces = Selector::requirement(Op::kIn, "kubernetes.io/metadata.name",
                                               {fmt::format("ns-{}", (n + p + 1) % kNamespaces)});
      other.pods = Selector::requirement(Op::kIn, "app", {fmt::format("app-{}", (p + 3) % kApps)});
      rule.peers->push_back(other);
      rule.ports = {{net::kTcp, net::PortRange{static_cast<uint16_t>(8000 + p),
                                               static_cast<uint16_t>(8000 + p)}}};
      policy.ingress.push_back(rule);
      out.push_back(model::PolicyUpdate{policy.id, policy, {}});
    }
  }
  const int per_namespace = pods / kNamespaces;
  for (int i = 0; i < pods; ++i) {
    const model::Pod pod = pod_of(fmt::format("ns-{}", i / per_namespace), i, i % kApps, i / kApps);
    if (local > 0 && i % (pods / local) == 0) add_local(out, pod, static_cast<size_t>(i));
    out.push_back(model::PodUpdate{pod.name, pod});
  }
  return out;
}

void run_full(benchmark::State& state, const std::vector<model::Update>& updates) {
  for (auto _ : state) {
    state.PauseTiming();
    malloc_trim(0);
    const double before = resident_mb();
    auto engine = std::make_unique<Engine>();
    state.ResumeTiming();
    for (const model::Update& update : updates) engine->apply(update);
    const desired::PolicyDelta delta = engine->flush();
    benchmark::DoNotOptimize(delta.size());
    state.PauseTiming();  // nobody waits for the end of an agent
    state.counters["MB"] = resident_mb() - before;
    state.counters["addresses"] = static_cast<double>(engine->tables().addresses.size());
    state.counters["identities"] = static_cast<double>(engine->counts().identities);
    state.counters["groups"] = static_cast<double>(engine->counts().groups);
    state.counters["peers"] = static_cast<double>(engine->tables().peers.size());
    state.counters["rows"] = static_cast<double>(engine->tables().rows.size());
    engine.reset();
    state.ResumeTiming();
  }
}

void FullCalculation(benchmark::State& state) {
  run_full(state,
           big_cluster(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)), 200));
}
BENCHMARK(FullCalculation)
    ->Args({10'000, 10'000})
    ->Args({250'000, 1'000})
    ->Args({250'000, 10'000})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3);

// Every namespace is isolated from the others; two pods in each, 100 pods local.
void IsolatedNamespaces(benchmark::State& state) {
  std::vector<model::Update> updates;
  const auto count = static_cast<int>(state.range(0));
  for (int n = 0; n < count; ++n) {
    const std::string ns = fmt::format("ns-{}", n);
    updates.push_back(
        model::NamespaceUpdate{ns, model::Namespace{ns, {{"kubernetes.io/metadata.name", ns}}}});
    model::Policy policy = base_policy(ns, "isolate");
    model::Rule rule;
    model::EndpointPeer same;
    same.in_namespace = ns;
    rule.peers = {same};
    policy.ingress.push_back(rule);
    updates.push_back(model::PolicyUpdate{policy.id, policy, {}});
    for (int i = 0; i < 2; ++i) {
      const model::Pod pod = pod_of(ns, 2 * n + i, i, i);
      if (i == 0 && n % (count / 100) == 0) add_local(updates, pod, static_cast<size_t>(n));
      updates.push_back(model::PodUpdate{pod.name, pod});
    }
  }
  run_full(state, updates);
}
BENCHMARK(IsolatedNamespaces)->Arg(100'000)->Unit(benchmark::kMillisecond)->Iterations(3);

// Policies that all select all pods of one namespace, each with a selector of its own as peer.
void AllSelectAll(benchmark::State& state) {
  std::vector<model::Update> updates;
  const auto count = static_cast<int>(state.range(0));
  updates.push_back(model::NamespaceUpdate{"all", model::Namespace{"all", {}}});
  for (int p = 0; p < count; ++p) {
    model::Policy policy = base_policy("all", fmt::format("policy-{}", p));
    model::Rule rule;
    model::EndpointPeer peer;
    peer.in_namespace = "all";
    rule.peers = {peer};
    rule.ports = {{net::kTcp, net::PortRange{static_cast<uint16_t>(1000 + p % 100),
                                             static_cast<uint16_t>(1000 + p % 100)}}};
    policy.ingress.push_back(rule);
    updates.push_back(model::PolicyUpdate{policy.id, policy, {}});
  }
  for (int i = 0; i < count; ++i) {
    const model::Pod pod = pod_of("all", i, i % 200, i);
    if (i % (count / 100) == 0) add_local(updates, pod, static_cast<size_t>(i));
    updates.push_back(model::PodUpdate{pod.name, pod});
  }
  run_full(state, updates);
}
BENCHMARK(AllSelectAll)->Arg(10'000)->Unit(benchmark::kMillisecond)->Iterations(3);

// Single events in the big cluster: 250,000 pods, 10,000 policies, 200 local pods.
struct BigEngine {
  BigEngine() {
    for (const model::Update& update : big_cluster(250'000, 10'000, 200)) engine.apply(update);
    engine.flush();
  }
  static BigEngine& get() {
    static BigEngine instance;
    return instance;
  }
  Engine engine;
};

void RelabelPodInBigCluster(benchmark::State& state) {
  Engine& engine = BigEngine::get().engine;
  model::Pod pod = pod_of("ns-3", 3'001, 1, 150);
  int round = 0;
  size_t changes = 0;
  for (auto _ : state) {
    pod.labels["app"] = fmt::format("app-{}", round++ % 20);
    engine.apply(model::PodUpdate{pod.name, pod});
    changes += engine.flush().size();
  }
  state.counters["entries"] =
      static_cast<double>(changes) / static_cast<double>(state.iterations());
}
BENCHMARK(RelabelPodInBigCluster)->Unit(benchmark::kMicrosecond);

void AddAndRemovePodInBigCluster(benchmark::State& state) {
  Engine& engine = BigEngine::get().engine;
  const model::Pod pod = pod_of("ns-3", 900'001, 1, 150);
  for (auto _ : state) {
    engine.apply(model::PodUpdate{pod.name, pod});
    benchmark::DoNotOptimize(engine.flush().size());
    engine.apply(model::PodUpdate{pod.name, {}});
    benchmark::DoNotOptimize(engine.flush().size());
  }
}
BENCHMARK(AddAndRemovePodInBigCluster)->Unit(benchmark::kMicrosecond);

void EditPolicyInBigCluster(benchmark::State& state) {
  Engine& engine = BigEngine::get().engine;
  model::Policy policy = base_policy("ns-0", "policy-0");
  policy.selects.pods = Selector::requirement(Op::kIn, "app", {"app-0"});
  int round = 0;
  for (auto _ : state) {
    model::Rule rule;
    model::EndpointPeer peer;
    peer.in_namespace = "ns-0";
    peer.pods = Selector::requirement(Op::kIn, "app", {fmt::format("app-{}", round++ % 20)});
    rule.peers = {peer};
    policy.ingress = {rule};
    engine.apply(model::PolicyUpdate{policy.id, policy, {}});
    benchmark::DoNotOptimize(engine.flush().size());
  }
}
BENCHMARK(EditPolicyInBigCluster)->Unit(benchmark::kMicrosecond);

void RelabelNamespaceOfThousandPods(benchmark::State& state) {
  Engine& engine = BigEngine::get().engine;
  model::Namespace ns{"ns-5", {{"kubernetes.io/metadata.name", "ns-5"}}};
  int round = 0;
  for (auto _ : state) {
    ns.labels["env"] = round++ % 2 ? "prod" : "dev";
    engine.apply(model::NamespaceUpdate{ns.name, ns});
    benchmark::DoNotOptimize(engine.flush().size());
  }
}
BENCHMARK(RelabelNamespaceOfThousandPods)->Unit(benchmark::kMicrosecond);

// One pod relabelled with N selectors present, all in use by one local pod, a tenth of them
// matching.
void RelabelWithSelectors(benchmark::State& state) {
  Engine engine;
  const auto count = static_cast<int>(state.range(0));
  engine.apply(model::NamespaceUpdate{"ns", model::Namespace{"ns", {}}});
  const model::Pod local = pod_of("ns", 1, 0, 0);
  std::vector<model::Update> updates;
  add_local(updates, local, 1);
  engine.apply(updates.front());
  engine.apply(model::PodUpdate{local.name, local});
  for (int p = 0; p < count; ++p) {
    model::Policy policy = base_policy("ns", fmt::format("policy-{}", p));
    model::Rule rule;
    model::EndpointPeer peer;
    peer.in_namespace = "ns";
    // No required label leads to them: each is looked at.
    peer.pods =
        Selector::all_of({Selector::requirement(Op::kExists, fmt::format("key-{}", p % 10)),
                          Selector::requirement(Op::kNotIn, "app", {fmt::format("other-{}", p)})});
    rule.peers = {peer};
    policy.ingress.push_back(rule);
    engine.apply(model::PolicyUpdate{policy.id, policy, {}});
  }
  model::Pod pod = pod_of("ns", 2, 1, 1);
  engine.apply(model::PodUpdate{pod.name, pod});
  engine.flush();
  int round = 0;
  for (auto _ : state) {
    pod.labels.erase(fmt::format("key-{}", round % 10));
    pod.labels[fmt::format("key-{}", ++round % 10)] = "x";
    engine.apply(model::PodUpdate{pod.name, pod});
    benchmark::DoNotOptimize(engine.flush().size());
  }
}
BENCHMARK(RelabelWithSelectors)->Arg(20)->Arg(2'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace caracal::policy

BENCHMARK_MAIN();
