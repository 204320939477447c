// Selectors and the label index alone: evaluating one selector on one pod, and finding which of
// many selectors a relabelled pod matches, and which of many pods a new selector matches.
//
//   selector_bench                       all cases
//   selector_bench --benchmark_filter=Index
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <random>

#include "policy/predicate_registry.h"

namespace caracal::policy {
namespace {

using selector::Op;
using selector::Selector;

constexpr int kNamespaces = 250;
constexpr int kApps = 200;

model::Labels labels_of(int pod) {
  return {{"app", fmt::format("app-{}", pod % kApps)},
          {"pod-template-hash", fmt::format("7d9c5b6f4{}", pod % kApps)},
          {"tier", pod % 2 == 0 ? "front" : "back"},
          {"team", fmt::format("team-{}", pod % 20)},
          {"release", "stable"}};
}

Selector has(const std::string& key, std::vector<std::string> values) {
  return Selector::requirement(Op::kIn, key, std::move(values));
}

// The forms that policies are made of; which of them, by number.
struct Form {
  const char* name;
  Selector selector;
};
std::vector<Form> forms() {
  const auto parsed = [](const char* text) { return *Selector::parse_expression(text); };
  return {
      {"one label", has("app", {"app-7"})},
      {"two labels", Selector::all_of({has("app", {"app-7"}), has("tier", {"back"})})},
      {"one of 20 values", has("app",
                               [] {
                                 std::vector<std::string> values;
                                 for (int i = 0; i < 20; ++i)
                                   values.push_back(fmt::format("app-{}", i * 10));
                                 return values;
                               }())},
      {"expression",
       parsed("(app == 'app-7' || has(legacy)) && tier != 'front' && team starts with 'team-1'")},
  };
}

// On the labels of an object, as texts: the evaluator of the oracle and the command line.
void EvaluateOnTexts(benchmark::State& state) {
  const Form form = forms()[static_cast<size_t>(state.range(0))];
  std::vector<model::Labels> pods;
  for (int p = 0; p < 1024; ++p) pods.push_back(labels_of(p));
  size_t i = 0;
  for (auto _ : state) {
    const model::Labels& labels = pods[i++ % pods.size()];
    benchmark::DoNotOptimize(
        form.selector.matches([&](std::string_view key) -> std::optional<std::string_view> {
          const auto it = labels.find(key);
          if (it == labels.end()) return std::nullopt;
          return std::string_view(it->second);
        }));
  }
  state.SetLabel(form.name);
}
BENCHMARK(EvaluateOnTexts)->DenseRange(0, 3);

// On numbers, as the engine does.
void EvaluateCompiled(benchmark::State& state) {
  const Form form = forms()[static_cast<size_t>(state.range(0))];
  StringTable strings;
  LabelLists lists(strings);
  std::vector<ListId> pods;
  for (int p = 0; p < 1024; ++p) pods.push_back(lists.acquire(labels_of(p)));
  CompiledSelector compiled(form.selector, strings);
  size_t i = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(compiled.matches(lists.at(pods[i++ % pods.size()])));
  state.SetLabel(form.name);
  compiled.release(strings);
}
BENCHMARK(EvaluateCompiled)->DenseRange(0, 3);

void ParseExpression(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Selector::parse_expression(
        "(app == 'app-7' || has(legacy)) && tier != 'front' && team starts with 'team-1'"));
  }
}
BENCHMARK(ParseExpression);

// The index of the engine with pods and selectors in it, nothing else of the engine.
class Index {
 public:
  Index(int pods, int selectors) {
    for (int n = 0; n < kNamespaces; ++n) {
      const std::string ns = fmt::format("ns-{}", n);
      const model::Namespace object{ns, {{"env", n % 2 == 0 ? "prod" : "dev"}}};
      namespaces.set(ns, &object);
    }
    for (int p = 0; p < pods; ++p) set_pod(p, labels_of(p));
    registry.update();
    for (int s = 0; s < selectors; ++s) {
      model::EndpointPeer peer;
      peer.in_namespace = fmt::format("ns-{}", s % kNamespaces);
      if (s % 5 == 0) peer.in_namespace.reset();
      peer.pods = Selector::all_of({has("app", {fmt::format("app-{}", s / kNamespaces % kApps)}),
                                    has("team", {fmt::format("team-{}", s % 20)})});
      registry.acquire_peer(peer);
    }
    settle();
  }
  void set_pod(int number, model::Labels values) {
    model::Pod pod;
    pod.name = {fmt::format("ns-{}", number % kNamespaces), fmt::format("pod-{}", number)};
    pod.labels = std::move(values);
    pod.addresses = {net::IpAddr::v4(0x0a000000u + static_cast<uint32_t>(number))};
    endpoints.set_pod(pod.name, &pod);
  }
  void settle() {
    registry.update();
    endpoints.take_dirty_addresses();
    registry.free_retired();
  }

  StringTable strings;
  LabelLists labels{strings};
  NamespaceTable namespaces{strings, labels};
  AccountTable accounts{strings, labels};
  EndpointIndex endpoints{strings, labels};
  ListTable sets;
  PredicateRegistry registry{strings, endpoints, namespaces, accounts, sets};
};

// A pod gets labels that no other has, so that its class is looked at anew: against how many
// selectors?
void IndexRelabelledPod(benchmark::State& state) {
  Index index(100'000, static_cast<int>(state.range(0)));
  int turn = 0;
  for (auto _ : state) {
    const int pod = turn * 7919 % 100'000;
    model::Labels labels = labels_of(pod + turn);
    labels["step"] = std::to_string(turn++);
    index.set_pod(pod, std::move(labels));
    index.settle();
  }
}
BENCHMARK(IndexRelabelledPod)->Arg(100)->Arg(1'000)->Arg(10'000)->Arg(100'000);

// A selector comes and goes: against how many pods?
void IndexNewSelector(benchmark::State& state) {
  Index index(static_cast<int>(state.range(0)), 1'000);
  int turn = 0;
  for (auto _ : state) {
    model::EndpointPeer peer;
    peer.in_namespace = fmt::format("ns-{}", turn % kNamespaces);
    peer.pods = Selector::all_of(
        {has("app", {fmt::format("app-{}", turn++ % kApps)}), has("release", {"stable"})});
    const PredicateId id = index.registry.acquire_peer(peer);
    index.settle();
    index.registry.release(id);
    index.settle();
  }
}
BENCHMARK(IndexNewSelector)->Arg(1'000)->Arg(10'000)->Arg(100'000);

}  // namespace
}  // namespace caracal::policy

BENCHMARK_MAIN();
