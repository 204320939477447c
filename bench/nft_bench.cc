// What the nftables driver costs: loading big tables, one change in them, a restart, and a new
// connection's first packet. Needs root; works in network namespaces of its own.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "base/subprocess.h"
#include "dataplane/link/pod_link.h"
#include "dataplane/nft/nft_driver.h"
#include "dataplane/nft/testing/packet_lab.h"
#include "netlink/network_namespace.h"

namespace caracal::dataplane {
namespace {

using desired::Direction;
using desired::Disposition;
using desired::PolicyDelta;
using desired::PolicyTables;
using desired::PortSpace;
using net::IpAddr;
using netlink::NetworkNamespace;
using nft_testing::Packet;
using nft_testing::PacketLab;

IpAddr ip(std::string_view text) { return *IpAddr::parse(text); }

// `policies` groups of one pod each, every one with a peer identity and a row of its own, and
// `addresses` addresses spread over the identities. cali1 is policed by the last group and may be
// reached by anyone in 172.16.0.0/16 on UDP 53, which the last look-up of the chain finds.
PolicyTables big_tables(uint32_t policies, uint32_t addresses) {
  PolicyTables t;
  for (const net::Family family : net::kFamilies) t.ranges[IpAddr::first(family)] = 1;
  for (const PortSpace space :
       {PortSpace::kTcp, PortSpace::kUdp, PortSpace::kSctp, PortSpace::kOther})
    t.ports[{space, 0}] = 1;
  t.ports[{PortSpace::kUdp, 53}] = 2;
  t.ports[{PortSpace::kUdp, 54}] = 1;
  t.ranges[ip("172.16.0.0")] = 2;
  t.ranges[ip("172.17.0.0")] = 1;
  for (uint32_t i = 0; i < addresses; ++i)
    t.addresses[IpAddr::v4(0x0b000000 + i)] = 3 + i % std::max(policies, 1U);
  for (uint32_t g = 1; g <= policies; ++g) {
    t.peers[{g, 2 + g}] = 2 * g;
    t.peers[{g, 2}] = 2 * g + 1;
    t.rows.insert({2 * g, 1});
    t.rows.insert({2 * g + 1, 2});
  }
  t.interfaces[{Direction::kIngress, "cali1"}] = {Disposition::kPoliced, policies};
  t.interfaces[{Direction::kEgress, "cali1"}] = {Disposition::kOpen, 0};
  t.sources = {{"cali1", ip("10.0.0.1")}};
  return t;
}

void skip(benchmark::State& state, const Error& error) {
  state.SkipWithError(error.message.c_str());
}

// A table of 100,000 addresses and the rows of 10,000 policies, made from nothing in one
// transaction.
void BM_Load(benchmark::State& state) {
  const PolicyTables tables =
      big_tables(static_cast<uint32_t>(state.range(0)), static_cast<uint32_t>(state.range(1)));
  for (auto _ : state) {
    state.PauseTiming();
    auto ns = NetworkNamespace::create_anonymous();
    auto driver = nft::NftDriver::open_in(*ns);
    state.ResumeTiming();
    auto report = driver->sync(tables);
    if (!report) return skip(state, report.error());
    state.PauseTiming();
    if (auto removed = driver->remove(); !removed) return skip(state, removed.error());
    state.ResumeTiming();
  }
}
BENCHMARK(BM_Load)
    ->Args({1, 100})
    ->Args({10'000, 100'000})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3);

// An agent that restarts: reading all back and finding it right.
void BM_SyncWhenAllIsRight(benchmark::State& state) {
  const PolicyTables tables = big_tables(10'000, 100'000);
  auto ns = NetworkNamespace::create_anonymous();
  auto driver = nft::NftDriver::open_in(*ns);
  if (auto report = driver->sync(tables); !report) return skip(state, report.error());
  for (auto _ : state) {
    auto report = driver->sync(tables);
    if (!report || report->messages != 0) return state.SkipWithError("something was not right");
  }
}
BENCHMARK(BM_SyncWhenAllIsRight)->Unit(benchmark::kMillisecond)->Iterations(3);

// One address gets another identity, everything else is there: p50 and p99 of apply().
void BM_OneElement(benchmark::State& state) {
  const PolicyTables tables = big_tables(10'000, static_cast<uint32_t>(state.range(0)));
  auto ns = NetworkNamespace::create_anonymous();
  auto driver = nft::NftDriver::open_in(*ns);
  if (auto report = driver->sync(tables); !report) return skip(state, report.error());
  std::vector<double> micros;
  uint32_t identity = 3;
  for (auto _ : state) {
    PolicyDelta delta;
    delta.addresses.set[IpAddr::v4(0x0b000000 + identity % 100)] = 20'000 + identity;
    ++identity;
    auto report = driver->apply(delta);
    if (!report) return skip(state, report.error());
    micros.push_back(std::chrono::duration<double, std::micro>(report->elapsed).count());
  }
  std::sort(micros.begin(), micros.end());
  state.counters["p50_us"] = micros[micros.size() / 2];
  state.counters["p99_us"] = micros[micros.size() * 99 / 100];
}
BENCHMARK(BM_OneElement)->Arg(100)->Arg(100'000)->Unit(benchmark::kMicrosecond)->Iterations(2000);

// First packets of UDP connections through the node into a pod: with nothing (-1), with connection
// tracking alone as every Kubernetes node has it (0), with 1 and with 10,000 policies.
// `ns_per_packet` is the whole way: two veth pairs, routing, connection tracking.
void BM_NewConnection(benchmark::State& state) {
  constexpr size_t kPackets = 10'000;
  auto lab = PacketLab::create({{"cali1", {ip("10.0.0.1")}}});
  if (!lab) return skip(state, lab.error());
  auto driver = nft::NftDriver::open_in((*lab)->node());
  if (!driver) return skip(state, driver.error());
  if (state.range(0) == 0) {
    auto tracking = run_checked(
        {.argv = {"nft", "-f", "-"},
         .input = "table inet tracking { chain f { type filter hook forward priority 0; "
                  "ct state established,related accept; }; }",
         .netns = (*lab)->node().fd_path()});
    if (!tracking) return skip(state, tracking.error());
  }
  const auto policies = static_cast<uint32_t>(std::max<int64_t>(state.range(0), 0));
  if (policies > 0) {
    auto report = driver->sync(big_tables(policies, policies * 10));
    if (!report) return skip(state, report.error());
  }
  std::vector<Packet> packets;
  for (size_t i = 0; i < kPackets; ++i)
    packets.push_back({"outside", IpAddr::v4(0xac100000 + static_cast<uint32_t>(i / 100)),
                       ip("10.0.0.1"), net::kUdp, static_cast<uint16_t>(10'000 + i % 100), 53});
  if (auto seen = (*lab)->send({packets.data(), 1}); !seen || !seen->arrived[0])
    return state.SkipWithError("the packets do not pass");
  double best = 0;
  for (auto _ : state) {
    auto took = (*lab)->time(packets);
    if (!took) return skip(state, took.error());
    state.SetIterationTime(std::chrono::duration<double>(*took).count());
    const double each = static_cast<double>(took->count()) / kPackets;
    best = best == 0 ? each : std::min(best, each);
  }
  state.counters["ns_per_packet"] = best;
}
BENCHMARK(BM_NewConnection)
    ->Arg(-1)
    ->Arg(0)
    ->Arg(1)
    ->Arg(10'000)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(20);

// A pod's link: made and taken away, dual stack.
void BM_PodLink(benchmark::State& state) {
  auto host = NetworkNamespace::create_anonymous();
  auto entered = host->enter();
  std::vector<double> micros;
  for (auto _ : state) {
    state.PauseTiming();
    auto pod = NetworkNamespace::create_anonymous();
    state.ResumeTiming();
    const auto start = std::chrono::steady_clock::now();
    auto made = link::create_pod_link({.host_interface = "cali0123456789a",
                                       .netns_path = pod->fd_path(),
                                       .addresses = {ip("10.1.0.2"), ip("fd01::2")}});
    if (!made) return skip(state, made.error());
    micros.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
            .count());
    state.PauseTiming();
    if (auto gone = link::delete_pod_link("cali0123456789a"); !gone)
      return skip(state, gone.error());
    state.ResumeTiming();
  }
  std::sort(micros.begin(), micros.end());
  state.counters["p50_us"] = micros[micros.size() / 2];
  state.counters["p99_us"] = micros[micros.size() * 99 / 100];
}
BENCHMARK(BM_PodLink)->Unit(benchmark::kMicrosecond)->Iterations(200);

}  // namespace
}  // namespace caracal::dataplane

BENCHMARK_MAIN();
