// Oracle against kernel: random worlds go through the calculation and the driver into nftables, by
// deltas, and crafted packets between network namespaces show what the kernel makes of them.
//
// CARACAL_RANDOM_WORLDS=100 plays more worlds, CARACAL_RANDOM_FIRST=7 others. A failure names the
// seed and the step; the world is cut down to what is needed for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <set>

#include "dataplane/nft/nft_driver.h"
#include "dataplane/nft/testing/packet_lab.h"
#include "policy/engine.h"
#include "policy/oracle/oracle.h"
#include "policy/testing/case_file.h"
#include "policy/testing/question.h"
#include "policy/testing/random_world.h"
#include "policy/testing/shrink.h"
#include "policy/testing/world_updates.h"

namespace caracal::dataplane::nft {
namespace {

using net::IpAddr;
using nft_testing::LabPod;
using nft_testing::Packet;
using nft_testing::PacketLab;
using policy::Engine;
using policy::oracle::HostHook;
using policy::oracle::Verdict;
using policy_testing::kThisNode;
using policy_testing::RandomWorld;
using policy_testing::RandomWorldOptions;
using Decision = policy::oracle::DirectionExplanation::Decision;

// The node's link to the outside, as PacketLab names it.
constexpr const char* kUplink = "up0";
constexpr const char* kOutside = "outside";
constexpr const char* kNode = "node";

IpAddr ip(std::string_view text) { return *IpAddr::parse(text); }

// The pods with a link on the lab's node. Names as RandomWorld makes them.
struct LocalPod {
  model::ObjectName name;
  LabPod link;
};
std::vector<LocalPod> local_pods() {
  return {{{"ns0", "pod0"}, {"cali00", {ip("10.0.0.1"), ip("fd00::1")}}},
          {{"ns0", "pod1"}, {"cali01", {ip("10.0.0.2"), ip("fd00::2")}}},
          {{"ns1", "pod0"}, {"cali10", {ip("10.0.0.4"), ip("fd00::4")}}},
          {{"ns1", "pod2"}, {"cali12", {ip("10.0.0.6"), ip("fd00::6")}}},
          {{"ns2", "pod1"}, {"cali21", {ip("10.0.0.8"), ip("fd00::8")}}}};
}

bool is_node(const IpAddr& address) { return address == PacketLab::node_address(address.family()); }

// Can the address be the source and destination of a routed packet, and is it not the lab's own?
bool routable(const IpAddr& address) {
  const auto in = [&](const char* cidr) { return net::Cidr::parse(cidr)->contains(address); };
  if (address.is_v4())
    return !in("0.0.0.0/8") && !in("127.0.0.0/8") && !in("169.254.0.0/16") && !in("224.0.0.0/3") &&
           !in("198.18.0.0/30");
  return !in("::/16") && !in("fe80::/10") && !in("ff00::/8") && !in("2001:2::/126");
}

bool is_icmp(net::Protocol protocol) { return protocol == net::kIcmp || protocol == net::kIcmpV6; }

policy::oracle::Flow flow_of(const Packet& packet) {
  policy::oracle::Flow flow{packet.source, packet.destination, packet.protocol};
  if (packet.protocol.has_ports()) {
    flow.port = packet.destination_port;
    flow.source_port = packet.source_port;
  } else if (is_icmp(packet.protocol)) {
    flow.icmp_type = packet.icmp_type;
    flow.icmp_code = packet.icmp_code;
  }
  return flow;
}

class Comparison {
 public:
  Comparison(PacketLab& lab, const std::vector<LocalPod>& pods) : lab_(lab), pods_(pods) {
    for (const LocalPod& pod : pods_)
      for (const IpAddr& address : pod.link.addresses) owners_[address] = &pod;
  }

  // Flows between pods, and between pods and the outside; no two of one connection.
  std::vector<Packet> pod_packets(const model::World& world, std::mt19937& random,
                                  size_t count) const {
    const auto addresses = policy_testing::interesting_addresses(world);
    std::vector<Packet> out;
    std::set<std::string> seen;
    size_t refused = 0;
    while (out.size() < count) {
      const LocalPod& pod = pods_[random() % pods_.size()];
      const IpAddr& own = pod.link.addresses[random() % pod.link.addresses.size()];
      IpAddr other = addresses[random() % addresses.size()];
      if (random() % 2 == 0) {
        const LocalPod& peer = pods_[random() % pods_.size()];
        other = peer.link.addresses[random() % peer.link.addresses.size()];
      }
      if (other.family() != own.family() || !routable(other)) continue;
      const auto owner = owners_.find(other);
      if (owner != owners_.end() && owner->second == &pod) continue;
      Packet packet;
      const bool outward = random() % 2 == 0;
      packet.source = outward ? own : other;
      packet.destination = outward ? other : own;
      packet.from = outward                  ? pod.link.interface
                    : owner == owners_.end() ? kOutside
                                             : owner->second->link.interface;
      add(std::move(packet), random, seen, out);
      // Most flows meet some isolation; those that pass are worth more.
      if (random() % 4 != 0 && !oracle_allows(world, out.back()) && ++refused < 8 * count)
        out.pop_back();
    }
    return out;
  }

  // Flows of the node itself: to it from the outside and from pods, from it to the outside.
  std::vector<Packet> node_packets(const model::World& world, std::mt19937& random,
                                   size_t count) const {
    const auto addresses = policy_testing::interesting_addresses(world);
    std::vector<Packet> out;
    std::set<std::string> seen;
    while (out.size() < count) {
      IpAddr other = addresses[random() % addresses.size()];
      const auto owner = owners_.find(other);
      const bool to_node = random() % 3 != 0;
      if (!routable(other) || (owner != owners_.end() && !to_node)) continue;
      Packet packet;
      const IpAddr own = PacketLab::node_address(other.family());
      packet.source = to_node ? other : own;
      packet.destination = to_node ? own : other;
      packet.from = !to_node                 ? kNode
                    : owner == owners_.end() ? kOutside
                                             : owner->second->link.interface;
      add(std::move(packet), random, seen, out);
      // Of what the node gets only refused connections and answered echoes are seen.
      Packet& last = out.back();
      if (!to_node) continue;
      if (is_icmp(last.protocol)) {
        last.icmp_type = static_cast<uint8_t>(last.protocol == net::kIcmp ? 8 : 128);
        last.icmp_code = 0;
      } else {
        last.protocol = net::kTcp;
        if (random() % 4 == 0) last.destination_port = 22;
      }
    }
    return out;
  }

  bool oracle_allows(const model::World& world, const Packet& packet) const {
    return way_in(world, packet) && way_out(world, packet);
  }

  // The packets on which kernel and oracle differ, as text.
  Result<std::string> differences(const model::World& world, const std::vector<Packet>& packets) {
    std::string out;
    size_t refusals = 0;
    // Connections without ports are known by their addresses, and what the node makes of a packet
    // is seen by what comes back: one at a time.
    std::vector<Packet> together;
    for (const Packet& packet : packets) {
      if (answer_is_refused(world, packet)) continue;
      if (packet.protocol.has_ports() && !is_node(packet.destination)) {
        together.push_back(packet);
        continue;
      }
      CARACAL_ASSIGN(const PacketLab::Observation seen, lab_.send({&packet, 1}));
      const bool to_node = is_node(packet.destination);
      // The node's own address is nobody's end: an echo of it that comes back counts as arrived.
      const bool got = seen.arrived[0] || (to_node && (seen.refusals > 0 || seen.answered[0]));
      if (!to_node) refusals += seen.refusals;
      compare(world, packet, got, out);
    }
    CARACAL_ASSIGN(const PacketLab::Observation seen, lab_.send(together));
    for (size_t i = 0; i < together.size(); ++i) compare(world, together[i], seen.arrived[i], out);
    if (refusals + seen.refusals != 0) out += "somebody got a reset or an ICMP error\n";
    return out;
  }

  size_t allowed = 0;
  size_t denied = 0;

 private:
  void add(Packet packet, std::mt19937& random, std::set<std::string>& seen,
           std::vector<Packet>& out) const {
    const auto ports = policy_testing::interesting_ports();
    const bool four = packet.source.is_v4();
    const std::array protocols = {net::kTcp, net::kTcp, net::kUdp, net::kSctp,
                                  four ? net::kIcmp : net::kIcmpV6};
    packet.protocol = protocols[random() % protocols.size()];
    packet.source_port = ports[random() % ports.size()];
    packet.destination_port = ports[random() % ports.size()];
    if (is_icmp(packet.protocol)) {
      // Questions that connection tracking knows; errors belong to other connections.
      packet.icmp_type = four ? std::array<uint8_t, 2>{8, 13}[random() % 2] : uint8_t{128};
      packet.icmp_code = static_cast<uint8_t>(random() % 3);
    }
    // A second packet of a flow, or one back, would belong to a known connection.
    while (!seen.insert(flow_key(packet)).second)
      packet.source_port = static_cast<uint16_t>(20000 + random() % 40000);
    out.push_back(std::move(packet));
  }

  // The same for both directions of a connection.
  static std::string flow_key(const Packet& packet) {
    std::string a = packet.source.to_string() + " " + std::to_string(packet.source_port);
    std::string b = packet.destination.to_string() + " " + std::to_string(packet.destination_port);
    if (b < a) std::swap(a, b);
    return packet.protocol.to_string() + " " + a + " " + b;
  }

  void compare(const model::World& world, const Packet& packet, bool got, std::string& out) {
    const bool expected = oracle_allows(world, packet);
    ++(expected ? allowed : denied);
    if (got != expected)
      out += packet.to_string() +
             (expected ? ": must pass, was dropped\n" : ": must not pass, passed\n");
  }

  static bool pod_allows(const model::World& world, model::Direction direction,
                         const model::ObjectName& pod, const Packet& packet) {
    return policy::oracle::explain_direction(world, direction, pod, flow_of(packet)).verdict ==
           Verdict::kAllowed;
  }

  // The hooks on the uplink, in their order. An early hook that allows settles it; a failsafe port
  // is only left to the later ones.
  static bool uplink_allows(const model::World& world, const std::vector<HostHook>& hooks,
                            const Packet& packet) {
    for (const HostHook hook : hooks) {
      const auto said =
          policy::oracle::explain_host(world, kThisNode, hook, kUplink, flow_of(packet));
      if (said.verdict == Verdict::kDenied) return false;
      if (said.verdict == Verdict::kAllowed && said.decision != Decision::kFailsafe) return true;
    }
    return true;
  }

  // The node's answer, by which alone one sees that it got the packet, meets the hook before
  // connection tracking like any packet. An answer to a packet that was not tracked belongs to no
  // connection: the later hook judges it, too.
  static bool answer_is_refused(const model::World& world, const Packet& packet) {
    if (packet.from != kOutside || !is_node(packet.destination)) return false;
    Packet answer = packet;
    std::swap(answer.source, answer.destination);
    std::swap(answer.source_port, answer.destination_port);
    if (is_icmp(packet.protocol))
      answer.icmp_type = static_cast<uint8_t>(packet.source.is_v4() ? 0 : 129);
    const auto came = policy::oracle::explain_host(world, kThisNode, HostHook::kUntrackedIngress,
                                                   kUplink, flow_of(packet));
    const bool untracked = came.verdict == Verdict::kAllowed && came.decision == Decision::kRule;
    if (untracked)
      return !uplink_allows(world, {HostHook::kUntrackedEgress, HostHook::kEgress}, answer);
    return policy::oracle::explain_host(world, kThisNode, HostHook::kUntrackedEgress, kUplink,
                                        flow_of(answer))
               .verdict == Verdict::kDenied;
  }

  bool way_in(const model::World& world, const Packet& packet) const {
    if (packet.from == kNode)
      return uplink_allows(world, {HostHook::kUntrackedEgress, HostHook::kEgress}, packet);
    if (packet.from != kOutside) {
      const LocalPod& pod = *owners_.at(packet.source);
      if (!pod_allows(world, model::Direction::kEgress, pod.name, packet)) return false;
      return !is_node(packet.destination) || world.settings.to_host != model::ToHostAction::kDrop;
    }
    const HostHook last =
        is_node(packet.destination) ? HostHook::kIngress : HostHook::kForwardIngress;
    return uplink_allows(world, {HostHook::kUntrackedIngress, HostHook::kPreDnat, last}, packet);
  }

  bool way_out(const model::World& world, const Packet& packet) const {
    if (packet.from == kNode || is_node(packet.destination)) return true;
    const auto owner = owners_.find(packet.destination);
    if (owner != owners_.end())
      return pod_allows(world, model::Direction::kIngress, owner->second->name, packet);
    return uplink_allows(world, {HostHook::kForwardEgress}, packet);
  }

  PacketLab& lab_;
  const std::vector<LocalPod>& pods_;
  std::map<IpAddr, const LocalPod*> owners_;
};

uint32_t number_from(const char* variable, uint32_t fallback) {
  const char* text = std::getenv(variable);
  return text ? static_cast<uint32_t>(std::strtoul(text, nullptr, 10)) : fallback;
}

class RandomWorldRootTest : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<LabPod> links;
    for (const LocalPod& pod : pods_) links.push_back(pod.link);
    auto lab = PacketLab::create(links);
    ASSERT_TRUE(lab) << lab.error().message;
    lab_ = std::move(*lab);
    auto driver = NftDriver::open_in(lab_->node());
    ASSERT_TRUE(driver) << driver.error().message;
    driver_ = std::make_unique<NftDriver>(std::move(*driver));
    comparison_ = std::make_unique<Comparison>(*lab_, pods_);
  }

  std::vector<Packet> sample(const model::World& world, std::mt19937& random,
                             const RandomWorldOptions& options) {
    std::vector<Packet> out = comparison_->pod_packets(world, random, 150);
    if (!options.hosts) return out;
    const std::vector<Packet> more = comparison_->node_packets(world, random, 40);
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

  // Fails the test with a small world that shows it.
  void report(const model::World& world, const std::vector<Packet>& packets,
              const std::string& text) {
    const auto wrong = [&](const model::World& candidate) {
      Engine engine({.node = kThisNode});
      for (const model::Update& update : policy_testing::updates_of(candidate))
        engine.apply(update);
      engine.flush();
      if (!driver_->sync(engine.tables())) return false;
      const auto differences = comparison_->differences(candidate, packets);
      return differences && !differences->empty();
    };
    if (!wrong(world)) {
      ADD_FAILURE() << text << "only after the changes so far, not from scratch";
      return;
    }
    const model::World small = policy_testing::shrink(world, wrong);
    ADD_FAILURE() << text << "in a world like\n" << policy_testing::to_yaml(small);
  }

  void play(uint32_t seed, RandomWorldOptions options) {
    constexpr size_t kChanges = 120;
    constexpr size_t kEvery = 5;
    options.shared_addresses = false;
    options.local_endpoints = false;
    options.host_interfaces = {kUplink};
    for (const net::Family family : net::kFamilies)
      options.host_addresses.push_back(PacketLab::node_address(family));
    std::mt19937 random(seed);
    RandomWorld source(seed, options);
    model::World world;
    Engine engine({.node = kThisNode});
    const auto change = [&](const model::Update& update) {
      world.apply(update);
      engine.apply(update);
    };
    for (const LocalPod& pod : pods_)
      change(model::LocalEndpointUpdate{
          pod.link.interface,
          model::LocalEndpoint{pod.name, pod.link.interface, pod.link.addresses}});
    // The first state by sync(), which repairs what the last world left; then deltas only.
    engine.flush();
    ASSERT_TRUE(driver_->sync(engine.tables()));
    for (size_t step = 1; step <= kChanges; ++step) {
      change(source.next());
      if (step % kEvery != 0) continue;
      const std::string where =
          "seed " + std::to_string(seed) + " step " + std::to_string(step) + "\n";
      auto applied = driver_->apply(engine.flush());
      ASSERT_TRUE(applied) << where << applied.error().message;
      ASSERT_EQ(driver_->tables(), engine.tables()) << where;
      const auto packets = sample(world, random, options);
      auto text = comparison_->differences(world, packets);
      ASSERT_TRUE(text) << where << text.error().message;
      if (!text->empty()) {
        report(world, packets, where + *text);
        return;
      }
    }
    auto kernel = driver_->read_back();
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(*kernel, engine.tables()) << "seed " << seed;
  }

  // A test that sees one verdict only says nothing.
  void expect_both_verdicts() const {
    std::cout << comparison_->allowed + comparison_->denied << " packets, " << comparison_->denied
              << " of them denied\n";
    EXPECT_GT(comparison_->allowed, 200u);
    EXPECT_GT(comparison_->denied, 200u);
  }

  const std::vector<LocalPod> pods_ = local_pods();
  std::unique_ptr<PacketLab> lab_;
  std::unique_ptr<NftDriver> driver_;
  std::unique_ptr<Comparison> comparison_;
  const uint32_t first_ = number_from("CARACAL_RANDOM_FIRST", 1);
  const uint32_t worlds_ = number_from("CARACAL_RANDOM_WORLDS", 4);
};

TEST_F(RandomWorldRootTest, KernelSaysWhatTheOracleSays) {
  for (uint32_t seed = first_; seed < first_ + worlds_ && !HasFailure(); ++seed)
    play(seed, {.tiers = seed % 2 == 0});
  expect_both_verdicts();
}

TEST_F(RandomWorldRootTest, EverythingCalicoCanSay) {
  for (uint32_t seed = first_; seed < first_ + worlds_ && !HasFailure(); ++seed)
    play(seed, {.tiers = true, .calico = true});
  expect_both_verdicts();
}

TEST_F(RandomWorldRootTest, HostEndpoints) {
  for (uint32_t seed = first_; seed < first_ + worlds_ && !HasFailure(); ++seed)
    play(seed, {.tiers = true, .calico = seed % 2 == 0, .hosts = true});
  expect_both_verdicts();
}

}  // namespace
}  // namespace caracal::dataplane::nft
