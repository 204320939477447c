// What the first packet of a connection costs, by how many rules or policies its pod has: from the
// policies through the calculation into the kernel. Needs root; works in network namespaces of its
// own.
//
//   engine_packets [--seconds=N]        100 seconds when not told
//
// All cases are set up at once and measured in turns of 200 packets, so that other work and
// changing clocks meet all alike. Told of each: the lowest tenth, the median, and the median over
// all rounds of its ratio to the same round's case with one rule. The whole way is timed: two veth
// pairs, routing, connection tracking, policy.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/engine_world.h"
#include "dataplane/nft/nft_driver.h"
#include "dataplane/nft/testing/packet_lab.h"
#include "policy/engine.h"

namespace caracal::engine_bench {
namespace {

using dataplane::nft::NftDriver;
using dataplane::nft_testing::Packet;
using dataplane::nft_testing::PacketLab;
using net::IpAddr;

constexpr uint32_t kPeers = 0xac100000;  // 172.16.0.0: where those are who may send
constexpr uint32_t kPackets = 10'000;    // each from another address
constexpr uint32_t kTurn = 200;

enum class Kind { kPolicies, kRules, kRulesOfNets };
std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::kPolicies:
      return "policies of one rule, peers are pods";
    case Kind::kRules:
      return "rules of one policy, peers are pods";
    case Kind::kRulesOfNets:
      break;
  }
  return "rules of one policy, peers are nets";
}

// One local pod, and always as many that may send to it: the rules share them. Each rule lets its
// share in on UDP 53 and on a port of the rule's own.
desired::PolicyTables tables_of(Kind kind, uint32_t count) {
  policy::Engine engine;
  engine.apply(model::NamespaceUpdate{"ns", model::Namespace{"ns", {}}});
  model::Pod pod = pod_of("ns", 1, 0, 0);
  pod.addresses = {*IpAddr::parse("10.0.0.1")};
  engine.apply(
      model::LocalEndpointUpdate{"cali1", model::LocalEndpoint{pod.name, "cali1", pod.addresses}});
  engine.apply(model::PodUpdate{pod.name, pod});
  std::vector<model::Rule> rules(count);
  for (uint32_t i = 0; i < count; ++i) {
    rules[i].peer.all_of.emplace_back();
    const auto own = static_cast<uint16_t>(1'000 + i % 1'000);
    rules[i].ports = {{net::kUdp, net::PortRange{53, 53}}, {net::kUdp, net::PortRange{own, own}}};
    if (kind == Kind::kRulesOfNets) continue;
    model::EndpointPeer who;
    who.in_namespace = "ns";
    who.pods = Selector::requirement(Op::kIn, "app", {fmt::format("app-{}", 10 + i)});
    rules[i].peer.all_of[0].push_back(who);
  }
  for (uint32_t i = 0; i < kPackets; ++i) {
    if (kind == Kind::kRulesOfNets) {
      rules[i % count].peer.all_of[0].push_back(
          model::CidrPeer{net::Cidr(IpAddr::v4(kPeers + 16 * i), 28), {}});
      continue;
    }
    model::Pod peer = pod_of("ns", static_cast<int>(i) + 10, static_cast<int>(i % count) + 10, 0);
    peer.addresses = {IpAddr::v4(kPeers + i)};
    engine.apply(model::PodUpdate{peer.name, peer});
  }
  model::Policy policy = base_policy("ns", "rules");
  if (kind == Kind::kPolicies) {
    for (uint32_t i = 0; i < count; ++i) {
      policy.id.name.name = fmt::format("policy-{}", i);
      policy.ingress = {rules[i]};
      engine.apply(model::PolicyUpdate{policy.id, policy, {}});
    }
  } else {
    policy.ingress = rules;
    engine.apply(model::PolicyUpdate{policy.id, policy, {}});
  }
  engine.flush();
  return engine.tables();
}

struct Case {
  Kind kind;
  uint32_t count;
  std::unique_ptr<PacketLab> lab;
  std::vector<Packet> packets;
  std::vector<double> times;  // nanoseconds a packet, by round
};

Result<Case> make_case(Kind kind, uint32_t count) {
  Case out{kind, count, nullptr, {}, {}};
  const IpAddr own = *IpAddr::parse("10.0.0.1");
  CARACAL_ASSIGN(out.lab, PacketLab::create({{"cali1", {own}}}));
  CARACAL_ASSIGN(NftDriver driver, NftDriver::open_in(out.lab->node()));
  CARACAL_TRY(driver.sync(tables_of(kind, count)));
  for (uint32_t i = 0; i < kPackets; ++i) {
    const uint32_t sender = i * 7'919 % kPackets;  // all of them, in no order
    const uint32_t peer = kind == Kind::kRulesOfNets ? 16 * sender + i % 16 : sender;
    out.packets.push_back({"outside", IpAddr::v4(kPeers + peer), own, net::kUdp,
                           static_cast<uint16_t>(10'000 + i), 53});
  }
  CARACAL_ASSIGN(const PacketLab::Observation seen, out.lab->send(out.packets));
  if (std::find(seen.arrived.begin(), seen.arrived.end(), false) != seen.arrived.end())
    return fail(Errc::kInternal, fmt::format("packets of {} {} do not pass", count, name_of(kind)));
  return out;
}

double at(std::vector<double> list, double share) {
  std::sort(list.begin(), list.end());
  return list[static_cast<size_t>(share * static_cast<double>(list.size() - 1))];
}

Status run(double seconds) {
  std::vector<Case> cases;
  for (const Kind kind : {Kind::kPolicies, Kind::kRules, Kind::kRulesOfNets}) {
    for (const uint32_t count : {1u, 10u, 100u, 1'000u, 10'000u}) {
      CARACAL_ASSIGN(Case made, make_case(kind, count));
      cases.push_back(std::move(made));
    }
  }
  const auto start = Clock::now();
  for (size_t round = 0; microseconds_since(start) < seconds * 1e6; ++round) {
    const size_t first = round % (kPackets / kTurn) * kTurn;
    for (size_t i = 0; i < cases.size(); ++i) {
      // Another one begins each time.
      Case& one = cases[(i + round) % cases.size()];
      CARACAL_ASSIGN(const auto took, one.lab->time({one.packets.data() + first, kTurn}));
      one.times.push_back(static_cast<double>(took.count()) / kTurn);
    }
  }
  fmt::print("{} rounds\n{:<40} {:>7} {:>11} {:>9} {:>14}\n", cases[0].times.size(), "", "count",
             "lowest 10th", "median", "ratio to one");
  const Case* one = nullptr;
  for (const Case& c : cases) {
    if (c.count == 1) one = &c;
    std::vector<double> ratios;
    for (size_t i = 0; i < c.times.size(); ++i) ratios.push_back(c.times[i] / one->times[i]);
    fmt::print("{:<40} {:>7} {:>8.0f} ns {:>6.0f} ns {:>14.3f}\n", name_of(c.kind), c.count,
               at(c.times, 0.1), at(c.times, 0.5), at(ratios, 0.5));
  }
  return {};
}

}  // namespace
}  // namespace caracal::engine_bench

int main(int argc, char** argv) {
  double seconds = 100;
  constexpr std::string_view kSeconds = "--seconds=";
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with(kSeconds)) seconds = std::atof(argv[i] + kSeconds.size());
  }
  if (auto done = caracal::engine_bench::run(seconds); !done) {
    fmt::print(stderr, "{}\n", done.error().message);
    return 1;
  }
  return 0;
}
