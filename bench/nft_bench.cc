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
#include "dataplane/nft/testing/tables.h"
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

using nft_testing::big_tables;
using nft_testing::ip;

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

// Which network set a node has to know: 100,000 CIDRs.
enum class Nets : int64_t {
  kRanges,  // /24s, every second one: 200,000 intervals of the ordered tree
  kHosts,   // /32s: addresses of the hash
};
PolicyTables with_nets(Nets nets) {
  constexpr uint32_t kNets = 100'000;
  PolicyTables t = big_tables(100, 100);
  for (uint32_t i = 0; i < kNets; ++i) {
    if (nets == Nets::kHosts) {
      t.addresses[IpAddr::v4(0x14000000 + 2 * i)] = 200;
    } else {
      t.ranges[IpAddr::v4(0x14000000 + 512 * i)] = 200;
      t.ranges[IpAddr::v4(0x14000100 + 512 * i)] = 1;
    }
  }
  return t;
}

// One CIDR of 100,000 leaves the set and comes back: p50 and p99 of apply().
void BM_OneNet(benchmark::State& state) {
  const auto nets = static_cast<Nets>(state.range(0));
  const PolicyTables tables = with_nets(nets);
  auto ns = NetworkNamespace::create_anonymous();
  auto driver = nft::NftDriver::open_in(*ns);
  if (auto report = driver->sync(tables); !report) return skip(state, report.error());
  std::vector<double> micros;
  uint32_t i = 0;
  for (auto _ : state) {
    const bool there = i % 2 != 0;
    const uint32_t net = 7919 * (i / 2 % 10);
    ++i;
    PolicyDelta delta;
    if (nets == Nets::kHosts) {
      const IpAddr address = IpAddr::v4(0x14000000 + 2 * net);
      if (there)
        delta.addresses.set[address] = 200;
      else
        delta.addresses.erase.insert(address);
    } else {
      delta.ranges.set[IpAddr::v4(0x14000000 + 512 * net)] = there ? 200 : 1;
    }
    auto report = driver->apply(delta);
    if (!report) return skip(state, report.error());
    micros.push_back(std::chrono::duration<double, std::micro>(report->elapsed).count());
  }
  std::sort(micros.begin(), micros.end());
  state.counters["p50_us"] = micros[micros.size() / 2];
  state.counters["p99_us"] = micros[micros.size() * 99 / 100];
}
BENCHMARK(BM_OneNet)
    ->ArgName("hosts")
    ->Arg(static_cast<int64_t>(Nets::kRanges))
    ->Arg(static_cast<int64_t>(Nets::kHosts))
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(200);

// A pod comes with a policed interface, with so many there: p50 and p99 of apply().
void BM_OnePod(benchmark::State& state) {
  PolicyTables tables = big_tables(10'000, 10'000);
  for (int64_t i = 0; i < state.range(0); ++i)
    for (const Direction d : {Direction::kIngress, Direction::kEgress})
      tables.interfaces[{d, "cali" + std::to_string(1000 + i)}] = {Disposition::kPoliced, 7};
  auto ns = NetworkNamespace::create_anonymous();
  auto driver = nft::NftDriver::open_in(*ns);
  if (auto report = driver->sync(tables); !report) return skip(state, report.error());
  std::vector<double> micros;
  bool there = false;
  for (auto _ : state) {
    PolicyDelta delta;
    for (const Direction d : {Direction::kIngress, Direction::kEgress}) {
      if (there)
        delta.interfaces.erase.insert({d, "cali2"});
      else
        delta.interfaces.set[{d, "cali2"}] = {Disposition::kPoliced, 9};
    }
    there = !there;
    auto report = driver->apply(delta);
    if (!report) return skip(state, report.error());
    micros.push_back(std::chrono::duration<double, std::micro>(report->elapsed).count());
  }
  std::sort(micros.begin(), micros.end());
  state.counters["p50_us"] = micros[micros.size() / 2];
  state.counters["p99_us"] = micros[micros.size() * 99 / 100];
}
BENCHMARK(BM_OnePod)->Arg(10)->Arg(1000)->Unit(benchmark::kMicrosecond)->Iterations(500);

// What a packet's path through the rules looks like.
enum class Path : int64_t {
  kPlain,      // Kubernetes policy: the last look-up of the lean chain
  kOtherwise,  // denials for some identities: the row for all others
  kWide,       // plain, by an interval of ports
  kSplit,      // own address and source port choose the group
  kHosts,      // plain, host endpoints on the uplink too (forwarded packets open)
};
PolicyTables with_path(PolicyTables t, Path path) {
  const uint32_t group = t.interfaces.begin()->second.group;
  switch (path) {
    case Path::kPlain:
      break;
    case Path::kOtherwise:
      t.peers.erase({group, 2});
      t.otherwise[group] = 2 * group + 1;
      break;
    case Path::kWide:
      t.rows.erase({2 * group + 1, 2});
      t.wide_rows.insert({2 * group + 1, PortSpace::kUdp, 50, 60});
      break;
    case Path::kSplit:
      // The pods' own addresses are in no set: they have the identity of their range.
      t.own_splits[{group, 1}] = 50'000;
      for (const PortSpace space : {PortSpace::kTcp, PortSpace::kUdp, PortSpace::kSctp})
        t.port_splits[{50'000, space, 0}] = 50'001;
      t.peers[{50'001, 2}] = 2 * group + 1;
      break;
    case Path::kHosts:
      t.hosts[{desired::HostHook::kIngress, "*"}] = {Disposition::kPoliced, group};
      break;
  }
  return t;
}

// The first entry that needs a part of the rules comes, and goes: p50 and p99 of apply().
void BM_PartComesAndGoes(benchmark::State& state) {
  const PolicyTables without = big_tables(10'000, 10'000);
  const PolicyTables with = with_path(without, static_cast<Path>(state.range(0)));
  const PolicyDelta come = desired::difference(without, with);
  const PolicyDelta go = desired::difference(with, without);
  auto ns = NetworkNamespace::create_anonymous();
  auto driver = nft::NftDriver::open_in(*ns);
  if (auto report = driver->sync(without); !report) return skip(state, report.error());
  std::vector<double> micros;
  size_t messages = 0;
  for (auto _ : state) {
    for (const PolicyDelta* delta : {&come, &go}) {
      auto report = driver->apply(*delta);
      if (!report) return skip(state, report.error());
      micros.push_back(std::chrono::duration<double, std::micro>(report->elapsed).count());
      messages += report->messages;
    }
  }
  state.counters["messages"] = static_cast<double>(messages) / static_cast<double>(micros.size());
  std::sort(micros.begin(), micros.end());
  state.counters["p50_us"] = micros[micros.size() / 2];
  state.counters["p99_us"] = micros[micros.size() * 99 / 100];
}
BENCHMARK(BM_PartComesAndGoes)
    ->ArgName("path")
    ->Arg(static_cast<int64_t>(Path::kOtherwise))
    ->Arg(static_cast<int64_t>(Path::kWide))
    ->Arg(static_cast<int64_t>(Path::kSplit))
    ->Arg(static_cast<int64_t>(Path::kHosts))
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(50);

// First packets of UDP connections through the node into a pod: with nothing (-1), with connection
// tracking alone as every Kubernetes node has it (0), with 1 and more policies (and as many rows,
// 10 addresses each), by one of the paths above.
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
    auto report = driver->sync(
        with_path(big_tables(policies, policies * 10), static_cast<Path>(state.range(1))));
    if (!report) return skip(state, report.error());
  }
  std::vector<Packet> packets;
  for (size_t i = 0; i < kPackets; ++i)
    packets.push_back({"outside", IpAddr::v4(0xac100000 + static_cast<uint32_t>(i / 100)),
                       ip("10.0.0.1"), net::kUdp, static_cast<uint16_t>(10'000 + i % 100), 53});
  if (auto seen = (*lab)->send({packets.data(), 1}); !seen || !seen->arrived[0])
    return state.SkipWithError("the packets do not pass");
  // In rounds of 200, as PacketLab sends them: other work on the machine spoils some, the lowest
  // tenth tells what the packets cost.
  constexpr size_t kSlice = 200;
  std::vector<double> each;
  for (auto _ : state) {
    double total = 0;
    for (size_t at = 0; at < kPackets; at += kSlice) {
      auto took = (*lab)->time({packets.data() + at, kSlice});
      if (!took) return skip(state, took.error());
      total += std::chrono::duration<double>(*took).count();
      each.push_back(static_cast<double>(took->count()) / kSlice);
    }
    state.SetIterationTime(total);
  }
  std::sort(each.begin(), each.end());
  state.counters["ns_per_packet"] = each[each.size() / 10];
}
BENCHMARK(BM_NewConnection)
    ->ArgNames({"policies", "path"})
    ->Args({-1, 0})
    ->Args({0, 0})
    ->Args({1, 0})
    ->Args({10, 0})
    ->Args({100, 0})
    ->Args({1'000, 0})
    ->Args({10'000, 0})
    ->Args({10'000, static_cast<int64_t>(Path::kOtherwise)})
    ->Args({10'000, static_cast<int64_t>(Path::kWide)})
    ->Args({10'000, static_cast<int64_t>(Path::kSplit)})
    ->Args({10'000, static_cast<int64_t>(Path::kHosts)})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(10);

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
