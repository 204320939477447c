// The policy calculation at scale: full calculations and single events, engine alone.
//
//   policy_bench                       all cases
//   policy_bench --benchmark_filter=Relabel
//   policy_bench --growth[=FILE.svg]   full calculations of growing clusters: a table, and a plot
//
// Memory is the growth of the process's resident set over the case (counters "MB" at the end,
// "peak" at the highest, with the updates themselves left out: they are made before). Single events
// report the median and the 99th percentile of an event's time ("p50us", "p99us").
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>

#include "bench/engine_world.h"
#include "policy/engine.h"

namespace caracal::policy {
namespace {

using namespace engine_bench;  // NOLINT: the worlds

double resident_mb() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * 4096 / 1e6;
}

// The highest resident set since the last reset_peak().
double peak_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024 / 1e6;
  }
  return 0;
}
void reset_peak() { std::ofstream("/proc/self/clear_refs") << 5; }

void run_full(benchmark::State& state, const std::vector<model::Update>& updates) {
  for (auto _ : state) {
    state.PauseTiming();
    malloc_trim(0);
    const double before = resident_mb();
    reset_peak();
    auto engine = std::make_unique<Engine>();
    state.ResumeTiming();
    for (const model::Update& update : updates) engine->apply(update);
    auto delta = std::make_unique<desired::PolicyDelta>(engine->flush());
    benchmark::DoNotOptimize(delta->size());
    state.PauseTiming();  // nobody waits for the end of an agent, or of the delta
    state.counters["peak"] = peak_mb() - before;
    malloc_trim(0);
    state.counters["MB"] = resident_mb() - before;
    state.counters["addresses"] = static_cast<double>(engine->tables().addresses.size());
    state.counters["identities"] = static_cast<double>(engine->counts().identities);
    state.counters["groups"] = static_cast<double>(engine->counts().groups);
    state.counters["peers"] = static_cast<double>(engine->tables().peers.size());
    state.counters["rows"] = static_cast<double>(engine->tables().rows.size());
    delta.reset();
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
    rule.peer.all_of = {{same}};
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
    rule.peer.all_of = {{peer}};
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
  Times times;
  for (auto _ : state) {
    pod.labels["app"] = fmt::format("app-{}", round++ % 20);
    const model::PodUpdate update{pod.name, pod};
    times.run([&] {
      engine.apply(update);
      changes += engine.flush().size();
    });
  }
  times.report(state);
  state.counters["entries"] =
      static_cast<double>(changes) / static_cast<double>(state.iterations());
}
BENCHMARK(RelabelPodInBigCluster)->Unit(benchmark::kMicrosecond);

void AddAndRemovePodInBigCluster(benchmark::State& state) {
  Engine& engine = BigEngine::get().engine;
  const model::Pod pod = pod_of("ns-3", 900'001, 1, 150);
  const model::PodUpdate there{pod.name, pod}, gone{pod.name, {}};
  Times times;
  for (auto _ : state) {
    for (const model::PodUpdate* update : {&there, &gone}) {
      times.run([&] {
        engine.apply(*update);
        benchmark::DoNotOptimize(engine.flush().size());
      });
    }
  }
  times.report(state);
}
BENCHMARK(AddAndRemovePodInBigCluster)->Unit(benchmark::kMicrosecond);

void EditPolicyInBigCluster(benchmark::State& state) {
  Engine& engine = BigEngine::get().engine;
  model::Policy policy = base_policy("ns-0", "policy-0");
  policy.selects.pods = Selector::requirement(Op::kIn, "app", {"app-0"});
  int round = 0;
  Times times;
  for (auto _ : state) {
    edit(policy, round++);
    const model::PolicyUpdate update{policy.id, policy, {}};
    times.run([&] {
      engine.apply(update);
      benchmark::DoNotOptimize(engine.flush().size());
    });
  }
  times.report(state);
}
BENCHMARK(EditPolicyInBigCluster)->Unit(benchmark::kMicrosecond);

// The namespace comes into, and falls out of, a peer of an active policy: each of its pods'
// addresses changes.
void RelabelNamespaceOfThousandPods(benchmark::State& state) {
  Engine& engine = BigEngine::get().engine;
  model::Policy policy = base_policy("ns-0", "from-batch");
  model::Rule rule;
  model::EndpointPeer peer;
  peer.namespaces = Selector::requirement(Op::kIn, "batch", {"yes"});
  rule.peer.all_of = {{peer}};
  policy.ingress = {rule};
  engine.apply(model::PolicyUpdate{policy.id, policy, {}});
  engine.flush();
  model::Namespace ns{"ns-5", {{"kubernetes.io/metadata.name", "ns-5"}}};
  int round = 0;
  size_t changes = 0;
  Times times;
  for (auto _ : state) {
    ns.labels["batch"] = round++ % 2 ? "no" : "yes";
    const model::NamespaceUpdate update{ns.name, ns};
    times.run([&] {
      engine.apply(update);
      changes += engine.flush().size();
    });
  }
  times.report(state);
  state.counters["entries"] =
      static_cast<double>(changes) / static_cast<double>(state.iterations());
  engine.apply(model::PolicyUpdate{policy.id, {}, {}});
  engine.flush();
}
BENCHMARK(RelabelNamespaceOfThousandPods)->Unit(benchmark::kMicrosecond);

// One pod relabelled with N selectors present, all in use by one local pod, a tenth of them
// matching.
void RelabelWithSelectors(benchmark::State& state) {
  Engine engine;
  const auto count = static_cast<int>(state.range(0));
  for (const model::Update& update : many_selectors(count)) engine.apply(update);
  model::Pod pod = pod_of("ns", 2, 1, 1);
  engine.apply(model::PodUpdate{pod.name, pod});
  engine.flush();
  int round = 0;
  Times times;
  for (auto _ : state) {
    pod.labels.erase(fmt::format("key-{}", round % 10));
    pod.labels[fmt::format("key-{}", ++round % 10)] = "x";
    const model::PodUpdate update{pod.name, pod};
    times.run([&] {
      engine.apply(update);
      benchmark::DoNotOptimize(engine.flush().size());
    });
  }
  times.report(state);
}
BENCHMARK(RelabelWithSelectors)->Arg(20)->Arg(2'000)->Unit(benchmark::kMicrosecond);

// A network set of N nets, half of them single addresses, in use by a local pod; one comes or goes.
void ChangeOneNetOfASet(benchmark::State& state) {
  Engine engine;
  const model::NetworkSet full = feed(state.range(0));
  for (const model::Update& update : one_network_set(full)) engine.apply(update);
  model::NetworkSet less = full;
  less.nets.erase(less.nets.begin() + static_cast<ptrdiff_t>(less.nets.size() / 2 + 1));
  engine.flush();
  const model::NetworkSetUpdate with{full.name, full}, without{less.name, less};
  Times times;
  size_t changes = 0;
  for (auto _ : state) {
    for (const model::NetworkSetUpdate* update : {&without, &with}) {
      times.run([&] {
        engine.apply(*update);
        changes += engine.flush().size();
      });
    }
  }
  times.report(state);
  state.counters["entries"] =
      static_cast<double>(changes) / static_cast<double>(2 * state.iterations());
}
BENCHMARK(ChangeOneNetOfASet)->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMicrosecond);

// Every pod of the cluster local to one engine: 25,000 namespaces with 4 pods and 3 policies each.
void WholeCluster(benchmark::State& state) {
  std::vector<model::Update> updates;
  const auto count = static_cast<int>(state.range(0));
  for (int n = 0; n < count; ++n) {
    const std::string ns = fmt::format("ns-{}", n);
    updates.push_back(
        model::NamespaceUpdate{ns, model::Namespace{ns, {{"kubernetes.io/metadata.name", ns}}}});
    for (int p = 0; p < 3; ++p) {
      model::Policy policy = base_policy(ns, fmt::format("policy-{}", p));
      policy.selects.pods = Selector::requirement(Op::kIn, "app", {fmt::format("app-{}", p)});
      model::Rule rule;
      model::EndpointPeer from;
      from.in_namespace = ns;
      from.pods = Selector::requirement(Op::kIn, "app", {fmt::format("app-{}", (p + 1) % 4)});
      rule.peer.all_of = {{from}};
      rule.ports = {{net::kTcp, net::PortRange{8080, 8080}}};
      policy.ingress.push_back(rule);
      updates.push_back(model::PolicyUpdate{policy.id, policy, {}});
    }
    for (int i = 0; i < 4; ++i) {
      const model::Pod pod = pod_of(ns, 4 * n + i, i, i);
      add_local(updates, pod, static_cast<size_t>(4 * n + i));
      updates.push_back(model::PodUpdate{pod.name, pod});
    }
  }
  run_full(state, updates);
}
BENCHMARK(WholeCluster)->Arg(25'000)->Unit(benchmark::kMillisecond)->Iterations(2);

// N rules, each of an identity of its own and every port but one: what would be N * N entries.
void ManyPortsTimesManyIdentities(benchmark::State& state) {
  std::vector<model::Update> updates;
  updates.push_back(model::NamespaceUpdate{"ns", model::Namespace{"ns", {}}});
  model::Policy policy = base_policy("ns", "all-but-one");
  const auto count = static_cast<int>(state.range(0));
  for (int i = 0; i < count; ++i) {
    const model::Pod pod = pod_of("ns", i, i, 0);
    if (i == 0) add_local(updates, pod, 0);
    updates.push_back(model::PodUpdate{pod.name, pod});
    model::Rule rule;
    model::EndpointPeer peer;
    peer.in_namespace = "ns";
    peer.pods = Selector::requirement(Op::kIn, "app", {fmt::format("app-{}", i)});
    rule.peer.all_of = {{peer}};
    rule.ports = {{net::kTcp, net::PortRange{1, 65535}}};
    const auto port = static_cast<uint16_t>(1000 + i);
    rule.not_ports = {{net::kTcp, net::PortRange{port, port}}};
    policy.ingress.push_back(rule);
  }
  updates.push_back(model::PolicyUpdate{policy.id, policy, {}});
  run_full(state, updates);
}
BENCHMARK(ManyPortsTimesManyIdentities)
    ->Arg(1'000)
    ->Arg(10'000)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(2);

// Full calculations of growing clusters.
struct GrowthPoint {
  int pods = 0;
  int policies = 0;
  double milliseconds = 0;  // of processor time
  double megabytes = 0;
};

double processor_ms() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

// The least of several, of the largest one alone: other work on the machine only adds.
GrowthPoint measure(int pods, int policies) {
  const int times = pods < 1'000'000 ? 3 : 1;
  const std::vector<model::Update> updates = big_cluster(pods, policies, std::min(pods, 200));
  GrowthPoint out{pods, policies, 0, 0};
  for (int time = 0; time < times; ++time) {
    malloc_trim(0);
    const double before = resident_mb();
    const double start = processor_ms();
    Engine engine;
    for (const model::Update& update : updates) engine.apply(update);
    engine.flush();
    const double spent = processor_ms() - start;
    malloc_trim(0);
    const double grown = resident_mb() - before;
    out.milliseconds = time == 0 ? spent : std::min(out.milliseconds, spent);
    out.megabytes = time == 0 ? grown : std::min(out.megabytes, grown);
  }
  fmt::print("{:>9} {:>9} {:>10.1f} {:>8.1f}\n", pods, policies, out.milliseconds, out.megabytes);
  std::fflush(stdout);
  return out;
}

// 1000, "10k", "1M".
std::string short_number(double value) {
  if (value >= 1e6) return fmt::format("{:g}M", value / 1e6);
  if (value >= 1e4) return fmt::format("{:g}k", value / 1e3);
  return fmt::format("{:g}", value);
}

// A plot with two logarithmic axes: what grows against milliseconds and megabytes.
std::string plot(const std::string& title, const std::vector<GrowthPoint>& points, bool by_pods) {
  constexpr double kWidth = 350, kHeight = 240, kLeft = 56, kTop = 60;
  constexpr int kLowest = 0, kHighest = 4;  // powers of ten
  const auto grown = [&](const GrowthPoint& p) {
    return static_cast<double>(by_pods ? p.pods : p.policies);
  };
  const double first = std::log10(grown(points.front())), last = std::log10(grown(points.back()));
  const auto x_of = [&](double value) {
    return kLeft + (std::log10(value) - first) / (last - first) * kWidth;
  };
  const auto y_of = [&](double value) {
    const double power =
        std::clamp(std::log10(std::max(value, 1e-9)), double{kLowest}, double{kHighest});
    return kTop + kHeight * (1 - (power - kLowest) / (kHighest - kLowest));
  };
  std::ostringstream out;
  out << fmt::format("<text class='title' x='{}' y='24'>{}</text>\n", kLeft, title);
  for (int power = kLowest; power <= kHighest; ++power) {
    const double y = y_of(std::pow(10, power));
    out << fmt::format(
        "<path d='M{} {:.1f}h{}' stroke='#d8dee4'/><text x='{}' y='{:.1f}' "
        "text-anchor='end'>{}</text>\n",
        kLeft, y, kWidth, kLeft - 6, y + 4, short_number(std::pow(10, power)));
  }
  for (const GrowthPoint& p : points) {
    const double x = x_of(grown(p));
    out << fmt::format(
        "<path d='M{:.1f} {}v{}' stroke='#eef1f4'/><text x='{:.1f}' y='{}' "
        "text-anchor='middle'>{}</text>\n",
        x, kTop, kHeight, x, kTop + kHeight + 18, short_number(grown(p)));
  }
  const auto line = [&](const char* colour, const char* name, double at, const auto& value_of) {
    std::string path, marks;
    for (const GrowthPoint& p : points) {
      const double x = x_of(grown(p)), y = y_of(value_of(p));
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', x, y);
      const double value = value_of(p);
      const char* anchor = &p == &points.front()  ? "start"
                           : &p == &points.back() ? "end"
                                                  : "middle";
      marks += fmt::format(
          "<circle cx='{0:.1f}' cy='{1:.1f}' r='3' fill='{2}'/><text class='value' x='{0:.1f}' "
          "y='{3:.1f}' fill='{2}' text-anchor='{4}'>{5:.{6}f}</text>\n",
          x, y, colour, y - 7, anchor, value, value < 10 ? 1 : 0);
    }
    out << fmt::format("<path fill='none' stroke='{}' stroke-width='2' d='{}'/>\n{}", colour, path,
                       marks);
    out << fmt::format("<text x='{}' y='44' fill='{}'>{}</text>\n", kLeft + at, colour, name);
  };
  line("#0550ae", "milliseconds of one core", 0,
       [](const GrowthPoint& p) { return p.milliseconds; });
  line("#bc4c00", "megabytes", 170, [](const GrowthPoint& p) { return p.megabytes; });
  return out.str();
}

void run_growth(const std::string& file) {
  fmt::print("{:>9} {:>9} {:>10} {:>8}\n", "pods", "policies", "CPU ms", "MB");
  std::vector<GrowthPoint> pods, policies;
  for (const int count : {1'000, 10'000, 100'000, 1'000'000})
    pods.push_back(measure(count, 10'000));
  for (const int count : {100, 1'000, 10'000, 100'000}) policies.push_back(measure(100'000, count));
  if (file.empty()) return;
  std::ofstream out(file);
  out << "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 880 336' width='880' height='336' "
         "font-family='sans-serif' font-size='12' fill='#24292f'>\n<style>.title{font-weight:600;"
         "font-size:14px}.value{font-size:11px}</style>\n<rect width='100%' height='100%' "
         "fill='#fff'/>\n"
      << plot("pods in the cluster (10,000 policies)", pods, true)
      << "<g transform='translate(440)'>" << plot("policies (100,000 pods)", policies, false)
      << "</g></svg>\n";
}

}  // namespace
}  // namespace caracal::policy

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with("--growth")) continue;
    const bool to_file = argument.starts_with("--growth=");
    caracal::policy::run_growth(to_file ? std::string(argument.substr(9)) : std::string());
    return 0;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
