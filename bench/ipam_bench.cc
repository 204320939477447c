// What addresses cost: a burst of 1,000 requests on one node, and 110 on each of 20 nodes at once:
// addresses a second, p50, p99 and the longest wait of a request, writes to the datastore an
// address. Against a datastore in memory that takes 1 ms for each request, and against Caracal's
// API server in this process, over HTTPS.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "apiserver/api_server.h"
#include "ipam/address_claims.h"
#include "ipam/kube_datastore.h"
#include "ipam/testing/memory_datastore.h"
#include "kube/client.h"
#include "kube/kubeconfig.h"

namespace caracal::ipam {
namespace {

using Millis = std::chrono::duration<double, std::milli>;

struct Burst {
  int nodes;
  int pods;  // on each node
};

struct Figures {
  std::vector<double> waits;  // ms, of each request
  double whole = 0;           // ms
  uint64_t writes = 0;
  uint64_t conflicts = 0;
};

// Runs one burst; `store_of(i)` is the datastore of node i.
template <typename StoreOf>
Result<Figures> run(event::Loop& loop, const Burst& burst, const StoreOf& store_of,
                    const std::string& prefix) {
  LoopSchedule schedule(loop);
  model::IpPool pool;
  pool.name = "default-ipv4-ippool";
  pool.cidr = net::Cidr::parse("192.168.0.0/16").value();
  std::vector<std::unique_ptr<AddressClaims>> agents;
  for (int i = 0; i < burst.nodes; ++i) {
    ClaimsOptions options;
    options.node = fmt::format("{}-node-{}", prefix, i);
    agents.push_back(std::make_unique<AddressClaims>(schedule, store_of(i), options));
    agents.back()->update(model::IpPoolUpdate{pool.name, pool});
    agents.back()->in_sync();
  }
  const auto all_ready = [&] {
    return std::all_of(agents.begin(), agents.end(), [](const auto& a) { return a->ready(); });
  };
  if (!loop.run_until(all_ready, event::Duration(20'000))) {
    return fail(Errc::kTimeout, "agents not ready: " + agents.front()->problem());
  }
  Figures out;
  std::set<net::IpAddr> addresses;
  std::string error;
  const size_t wanted = static_cast<size_t>(burst.nodes) * static_cast<size_t>(burst.pods);
  const auto begin = event::Clock::now();
  for (int pod = 0; pod < burst.pods; ++pod) {
    for (int i = 0; i < burst.nodes; ++i) {
      AssignRequest request;
      request.handle_id = fmt::format("k8s-pod-network.{}-{}-{}", prefix, i, pod);
      request.attributes = {{"namespace", "default"}, {"pod", fmt::format("pod-{}-{}", i, pod)}};
      request.families = {net::Family::kIPv4};
      agents[static_cast<size_t>(i)]->assign(request, [&, begin](const auto& got) {
        out.waits.push_back(Millis(event::Clock::now() - begin).count());
        if (!got) {
          error = got.error().message;
        } else if (!addresses.insert(got->front()).second) {
          error = "an address was given out twice: " + got->front().to_string();
        }
      });
    }
  }
  loop.run_until([&] { return out.waits.size() == wanted; }, event::Duration(60'000));
  out.whole = Millis(event::Clock::now() - begin).count();
  if (out.waits.size() != wanted) error = "requests without answer";
  if (!error.empty()) return fail(Errc::kInternal, error);
  // The affinities' confirmations belong to the burst, too.
  loop.run_until([] { return false; }, event::Duration(100));
  for (const auto& agent : agents) {
    const ClaimsCounters& counters = agent->counters();
    out.writes += counters.block_writes + counters.affinity_writes + counters.handle_writes;
    out.conflicts += counters.conflicts;
  }
  std::sort(out.waits.begin(), out.waits.end());
  return out;
}

void report(benchmark::State& state, const Figures& figures) {
  const auto count = static_cast<double>(figures.waits.size());
  const auto at = [&](double share) {
    return figures.waits[std::min(figures.waits.size() - 1, static_cast<size_t>(share * count))];
  };
  state.counters["addresses_per_s"] = count / figures.whole * 1000;
  state.counters["p50_ms"] = at(0.50);
  state.counters["p99_ms"] = at(0.99);
  state.counters["all_ms"] = figures.whole;
  state.counters["writes_per_address"] = static_cast<double>(figures.writes) / count;
  state.counters["conflicts"] = static_cast<double>(figures.conflicts);
}

Burst burst_of(const benchmark::State& state) {
  return {static_cast<int>(state.range(0)), static_cast<int>(state.range(1))};
}

void BM_Memory(benchmark::State& state) {
  for (auto _ : state) {
    event::Loop loop;
    LoopSchedule schedule(loop);
    testing::MemoryDatastore store(schedule);
    const auto figures = run(
        loop, burst_of(state), [&](int) -> Datastore& { return store; }, "memory");
    if (!figures) return state.SkipWithError(figures.error().message.c_str());
    state.SetIterationTime(figures->whole / 1000);
    report(state, *figures);
  }
}

void BM_ApiServer(benchmark::State& state) {
  apiserver::ApiServerOptions options;
  options.listeners = {{"127.0.0.1", 0, true}};
  auto server = apiserver::ApiServer::start(options);
  if (!server) return state.SkipWithError(server.error().message.c_str());
  kube::ClusterAccess access;
  access.server = (*server)->local_url();
  access.ca_pem = (*server)->ca_certificate();
  access.token = (*server)->admin_token();
  int round = 0;
  for (auto _ : state) {
    event::Loop loop;
    std::vector<std::unique_ptr<kube::Client>> clients;
    std::vector<std::unique_ptr<KubeDatastore>> stores;
    for (int i = 0; i < burst_of(state).nodes; ++i) {
      clients.push_back(std::make_unique<kube::Client>(loop, access));
      stores.push_back(std::make_unique<KubeDatastore>(*clients.back()));
    }
    const auto figures = run(
        loop, burst_of(state), [&](int i) -> Datastore& { return *stores[static_cast<size_t>(i)]; },
        fmt::format("api{}", round++));
    if (!figures) return state.SkipWithError(figures.error().message.c_str());
    state.SetIterationTime(figures->whole / 1000);
    report(state, *figures);
  }
}

void bursts(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"nodes", "pods"})->UseManualTime()->Unit(benchmark::kMillisecond);
  benchmark->Args({1, 1000})->Args({1, 110})->Args({20, 110});
}

BENCHMARK(BM_Memory)->Apply(bursts)->Iterations(20);
BENCHMARK(BM_ApiServer)->Apply(bursts)->Iterations(3);

}  // namespace
}  // namespace caracal::ipam

BENCHMARK_MAIN();
