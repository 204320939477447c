// Whole-cluster analysis at scale: resolving everything, all pairs, one flow against the oracle.
//
//   analysis_bench                       all cases
//   analysis_bench --benchmark_filter=Flow
//
// On two threads; "CPU" is the processor time of both.
// "MB" is the growth of the process's resident set over the case, the World left out.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>

#include <fstream>
#include <memory>
#include <random>

#include "analysis/all_pairs.h"
#include "analysis/port_text.h"
#include "analysis/reachability.h"
#include "policy/oracle/oracle.h"

namespace caracal::analysis {
namespace {

using selector::Op;
using selector::Selector;

constexpr unsigned kThreads = 2;

double resident_mb() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * 4096 / 1e6;
}

Selector label(const std::string& key, const std::string& value) {
  return Selector::requirement(Op::kIn, key, {value});
}

model::Policy policy_of(const std::string& ns, const std::string& name) {
  model::Policy policy;
  policy.id = {model::PolicyKind::kNetworkPolicy, {ns, name}};
  policy.selects.in_namespace = ns;
  policy.applies_ingress = true;
  return policy;
}

model::Rule rule_of(std::vector<model::Peer> peers, uint16_t first, uint16_t last) {
  model::Rule rule;
  rule.peer.all_of.push_back(std::move(peers));
  rule.ports = {{net::kTcp, net::PortRange{first, last}}};
  return rule;
}

void add_pod(model::World& world, const std::string& ns, int number, model::Labels labels) {
  model::Pod pod;
  pod.name = {ns, fmt::format("pod-{:06}", number)};
  pod.labels = std::move(labels);
  pod.addresses = {net::IpAddr::v4(0x0a000000u + static_cast<uint32_t>(number) + 1)};
  pod.ports = {{"http", net::kTcp, 8080}};
  world.pods.emplace(pod.name, std::move(pod));
}

void add_namespace(model::World& world, const std::string& name, const std::string& team) {
  world.namespaces.emplace(
      name, model::Namespace{name, {{"kubernetes.io/metadata.name", name}, {"team", team}}});
}

void add_policy(model::World& world, model::Policy policy) {
  const model::PolicyId id = policy.id;
  world.policies.emplace(id, std::move(policy));
}

// 25,000 namespaces of 4 pods, each with 3 policies: default deny, one within the namespace, one
// from another namespace.
model::World many_namespaces(int namespaces) {
  model::World world;
  for (int n = 0; n < namespaces; ++n) {
    const std::string ns = fmt::format("ns-{:05}", n);
    add_namespace(world, ns, fmt::format("team-{}", n % 100));
    for (int p = 0; p < 4; ++p)
      add_pod(world, ns, n * 4 + p, {{"app", fmt::format("app-{}", p)}, {"release", "stable"}});
    model::Policy deny = policy_of(ns, "default-deny");
    deny.applies_egress = true;
    deny.egress.emplace_back();
    add_policy(world, std::move(deny));
    model::Policy inside = policy_of(ns, "inside");
    model::EndpointPeer own;
    own.in_namespace = ns;
    inside.ingress.push_back(rule_of({own}, 8080, 8080));
    add_policy(world, std::move(inside));
    model::Policy other = policy_of(ns, "from-neighbour");
    other.selects.pods = label("app", "app-0");
    model::EndpointPeer neighbour;
    neighbour.namespaces =
        label("kubernetes.io/metadata.name", fmt::format("ns-{:05}", (n + 1) % namespaces));
    other.ingress.push_back(rule_of({neighbour}, 443, 443));
    add_policy(world, std::move(other));
  }
  return world;
}

// Pods of 200 apps in 100 namespaces, each with a label of its own that nobody asks for, as
// StatefulSets give them; policies that pick apps, teams and namespaces.
model::World mixed(int pods, int policies) {
  constexpr int kNamespaces = 100;
  model::World world;
  std::mt19937 random(7);
  for (int n = 0; n < kNamespaces; ++n)
    add_namespace(world, fmt::format("ns-{:03}", n), fmt::format("team-{}", n % 10));
  for (int p = 0; p < pods; ++p) {
    add_pod(world, fmt::format("ns-{:03}", p % kNamespaces), p,
            {{"app", fmt::format("app-{}", p / kNamespaces % 200)},
             {"tier", p % 3 == 0 ? "front" : "back"},
             {"instance", fmt::format("{}", p)}});
  }
  for (int i = 0; i < policies; ++i) {
    const std::string ns = fmt::format("ns-{:03}", i % kNamespaces);
    model::Policy policy = policy_of(ns, fmt::format("policy-{}", i));
    policy.selects.pods = label("app", fmt::format("app-{}", random() % 200));
    policy.applies_egress = i % 4 == 0;
    model::EndpointPeer by_team;
    by_team.namespaces = label("team", fmt::format("team-{}", random() % 10));
    by_team.pods = label("tier", "front");
    model::EndpointPeer by_app;
    by_app.in_namespace = ns;
    by_app.pods = label("app", fmt::format("app-{}", random() % 200));
    const auto port = static_cast<uint16_t>(8000 + random() % 20);
    policy.ingress.push_back(rule_of({by_team}, port, port));
    policy.ingress.push_back(rule_of({by_app}, 1, 65535));
    policy.egress.push_back(rule_of({by_team, by_app}, 8000, 8100));
    add_policy(world, std::move(policy));
  }
  return world;
}

// One pod with 294 policies of 68 rules; the rules share sets of addresses with 256,000 members.
model::World many_rules() {
  constexpr int kPolicies = 294, kRules = 68, kSets = 64, kMembers = 4000;
  model::World world;
  add_namespace(world, "dev", "one");
  add_pod(world, "dev", 0, {{"app", "web"}});
  for (int s = 0; s < kSets; ++s) {
    model::NetworkSet set;
    set.name = {"", fmt::format("set-{}", s)};
    set.labels = {{"set", fmt::format("{}", s)}};
    for (int m = 0; m < kMembers; ++m) {
      const auto number = static_cast<uint32_t>(s * kMembers + m);
      set.nets.push_back(net::Cidr::host(net::IpAddr::v4(0x14000000u + number * 4)));
    }
    world.network_sets.emplace(set.name, std::move(set));
  }
  for (int p = 0; p < kPolicies; ++p) {
    model::Policy policy = policy_of("dev", fmt::format("policy-{:03}", p));
    for (int r = 0; r < kRules; ++r) {
      model::EndpointPeer peer;
      peer.inherited = true;
      peer.pods = label("set", fmt::format("{}", (p + r) % kSets));
      const auto port = static_cast<uint16_t>(1000 + (p * kRules + r) % 20000);
      policy.ingress.push_back(rule_of({peer}, port, port));
    }
    add_policy(world, std::move(policy));
  }
  return world;
}

void Resolve(benchmark::State& state, const model::World& world) {
  double grown = 0;
  for (auto _ : state) {
    malloc_trim(0);
    const double before = resident_mb();
    const Reachability reachability(world, kThreads);
    grown = std::max(grown, resident_mb() - before);
    benchmark::DoNotOptimize(reachability.line().size());
  }
  state.counters["MB"] = grown;
  state.counters["pods"] = static_cast<double>(world.pods.size());
  state.counters["policies"] = static_cast<double>(world.policies.size());
}

void ResolveManyNamespaces(benchmark::State& state) {
  Resolve(state, many_namespaces(static_cast<int>(state.range(0))));
}
BENCHMARK(ResolveManyNamespaces)
    ->Arg(2500)
    ->Arg(25000)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

// Pods and policies.
void sizes(benchmark::internal::Benchmark* bench) {
  bench->Args({1'000, 100})->Args({10'000, 500})->Args({100'000, 2'000})->Args({100'000, 10'000});
}

model::World mixed(const benchmark::State& state) {
  return mixed(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
}

void ResolveMixed(benchmark::State& state) { Resolve(state, mixed(state)); }
BENCHMARK(ResolveMixed)
    ->Apply(sizes)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

// From the world to the counts of all pairs, on any port.
void AllPairsMixed(benchmark::State& state) {
  const model::World world = mixed(state);
  AllPairs any;
  size_t places = 0;
  for (auto _ : state) {
    const Reachability reachability(world, kThreads);
    any = count_pairs(reachability, net::Family::kIPv4, std::nullopt, kThreads);
    places = reachability.line().pod_places();
  }
  state.counters["connected"] = static_cast<double>(any.connected);
  state.counters["pairs"] = static_cast<double>(any.pairs);
  state.counters["places"] = static_cast<double>(places);
}
BENCHMARK(AllPairsMixed)
    ->Apply(sizes)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

// The counting alone.
void CountPairs(benchmark::State& state) {
  const model::World world = mixed(100'000, 2'000);
  const Reachability reachability(world, kThreads);
  const std::optional<uint32_t> port =
      state.range(0) == 0 ? std::nullopt : std::optional(port_number(net::kTcp, 8005));
  for (auto _ : state)
    benchmark::DoNotOptimize(count_pairs(reachability, net::Family::kIPv4, port, kThreads));
}
BENCHMARK(CountPairs)
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

policy::oracle::Flow flow_to_web(const model::World& world, std::mt19937& random) {
  policy::oracle::Flow flow;
  flow.source = net::IpAddr::v4(0x14000000u + static_cast<uint32_t>(random() % 1'024'000));
  flow.destination = world.pods.begin()->second.addresses.front();
  flow.port = static_cast<uint16_t>(1000 + random() % 20000);
  return flow;
}

// One flow with the evaluator prepared.
void FlowPrepared(benchmark::State& state) {
  const model::World world = many_rules();
  const Reachability reachability(world, kThreads);
  std::mt19937 random(3);
  std::vector<policy::oracle::Flow> flows;
  for (int i = 0; i < 4096; ++i) flows.push_back(flow_to_web(world, random));
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(reachability.evaluate(flows[i++ % flows.size()]));
}
BENCHMARK(FlowPrepared)->Unit(benchmark::kMicrosecond);

// The same by the oracle, rule by rule.
void FlowOracle(benchmark::State& state) {
  const model::World world = many_rules();
  std::mt19937 random(3);
  for (auto _ : state)
    benchmark::DoNotOptimize(policy::oracle::evaluate(world, flow_to_web(world, random)));
}
BENCHMARK(FlowOracle)->Unit(benchmark::kMicrosecond);

// Preparing it.
void PrepareManyRules(benchmark::State& state) { Resolve(state, many_rules()); }
BENCHMARK(PrepareManyRules)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace caracal::analysis

BENCHMARK_MAIN();
