// Oracle against kernel: random worlds go through the calculation and the driver into nftables, by
// deltas, and crafted packets between network namespaces show what the kernel makes of them.
//
// CARACAL_RANDOM_WORLDS=100 plays more worlds. A failure names the seed and the step; the world is
// cut down to the policies that are needed for it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "dataplane/nft/nft_driver.h"
#include "dataplane/nft/testing/packet_lab.h"
#include "policy/engine.h"
#include "policy/oracle/oracle.h"
#include "policy/testing/random_world.h"

namespace caracal::dataplane::nft {
namespace {

using net::IpAddr;
using nft_testing::LabPod;
using nft_testing::Packet;
using nft_testing::PacketLab;
using policy::Engine;
using policy::oracle::Verdict;
using policy_testing::RandomWorld;

IpAddr ip(std::string_view text) { return *IpAddr::parse(text); }

// The pods with a link on the lab's node. Names as RandomWorld makes them; addresses of their own,
// outside its pools, and inside its CIDRs' reach only by chance.
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

// Can the address be the source and destination of a routed packet, and is it not the lab's own?
bool routable(const IpAddr& address) {
  const auto in = [&](const char* cidr) { return net::Cidr::parse(cidr)->contains(address); };
  if (address.is_v4())
    return !in("0.0.0.0/8") && !in("127.0.0.0/8") && !in("169.254.0.0/16") && !in("224.0.0.0/3") &&
           !in("198.18.0.0/30");
  return !in("::/16") && !in("fe80::/10") && !in("ff00::/8") && !in("2001:2::/126");
}

class Comparison {
 public:
  Comparison(PacketLab& lab, const std::vector<LocalPod>& pods) : lab_(lab), pods_(pods) {
    for (const LocalPod& pod : pods_)
      for (const IpAddr& address : pod.link.addresses) owners_[address] = &pod;
  }

  // A few hundred flows between pods, and between pods and the outside.
  std::vector<Packet> sample(const RandomWorld& source, std::mt19937& random, size_t count) const {
    const auto addresses = source.interesting_addresses();
    const auto ports = source.interesting_ports();
    std::vector<Packet> out;
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
      packet.from = outward ? pod.link.interface
                    : owner == owners_.end() ? "outside" : owner->second->link.interface;
      const std::array protocols = {net::kTcp, net::kTcp, net::kUdp, net::kSctp,
                                    own.is_v4() ? net::kIcmp : net::kIcmpV6};
      packet.protocol = protocols[random() % protocols.size()];
      packet.source_port = static_cast<uint16_t>(20000 + out.size());
      packet.destination_port = ports[random() % ports.size()];
      out.push_back(std::move(packet));
    }
    return out;
  }

  bool oracle_allows(const model::World& world, const Packet& packet) const {
    std::optional<uint16_t> port;
    if (packet.protocol.has_ports()) port = packet.destination_port;
    const auto side = [&](model::Direction direction, const IpAddr& self, const IpAddr& peer) {
      const auto owner = owners_.find(self);
      if (owner == owners_.end()) return true;
      return policy::oracle::explain_direction(world, direction, owner->second->name, peer,
                                               packet.protocol, port)
                 .verdict == Verdict::kAllowed;
    };
    return side(model::Direction::kEgress, packet.source, packet.destination) &&
           side(model::Direction::kIngress, packet.destination, packet.source);
  }

  // The packets on which kernel and oracle differ, as text.
  Result<std::string> differences(const model::World& world, const std::vector<Packet>& packets) {
    CARACAL_ASSIGN(const PacketLab::Observation seen, lab_.send(packets));
    std::string out;
    for (size_t i = 0; i < packets.size(); ++i) {
      const bool expected = oracle_allows(world, packets[i]);
      ++(expected ? allowed : denied);
      if (seen.arrived[i] != expected)
        out += packets[i].to_string() +
               (expected ? ": must pass, was dropped\n" : ": must not pass, passed\n");
    }
    if (seen.refusals != 0) out += "somebody got a reset or an ICMP error\n";
    return out;
  }

  size_t allowed = 0;
  size_t denied = 0;

 private:
  PacketLab& lab_;
  const std::vector<LocalPod>& pods_;
  std::map<IpAddr, const LocalPod*> owners_;
};

std::vector<model::Update> updates_of(const model::World& world) {
  std::vector<model::Update> out;
  for (const auto& [key, value] : world.local_endpoints)
    out.push_back(model::LocalEndpointUpdate{key, value});
  for (const auto& [key, value] : world.policies)
    out.push_back(model::PolicyUpdate{key, value, {}});
  for (const auto& [key, value] : world.invalid_policies)
    out.push_back(model::PolicyUpdate{key, value.policy, value.reason});
  for (const auto& [key, value] : world.namespaces)
    out.push_back(model::NamespaceUpdate{key, value});
  for (const auto& [key, value] : world.nodes) out.push_back(model::NodeUpdate{key, value});
  for (const auto& [key, value] : world.pods) out.push_back(model::PodUpdate{key, value});
  return out;
}

// A world without the objects that are not needed for kernel and oracle to differ.
model::World shrink(model::World world, NftDriver& driver, Comparison& comparison,
                    const std::vector<Packet>& packets) {
  const auto differs = [&](const model::World& candidate) {
    Engine engine(candidate.tiers);
    for (const model::Update& update : updates_of(candidate)) engine.apply(update);
    engine.flush();
    if (!driver.sync(engine.tables())) return false;
    auto text = comparison.differences(candidate, packets);
    return text && !text->empty();
  };
  const auto try_without = [&](auto member) {
    std::vector<typename std::remove_reference_t<decltype(world.*member)>::key_type> keys;
    for (const auto& [key, value] : world.*member) keys.push_back(key);
    for (const auto& key : keys) {
      model::World smaller = world;
      (smaller.*member).erase(key);
      if (differs(smaller)) world = std::move(smaller);
    }
  };
  try_without(&model::World::policies);
  try_without(&model::World::invalid_policies);
  try_without(&model::World::pods);
  try_without(&model::World::namespaces);
  return world;
}

size_t worlds() {
  const char* text = std::getenv("CARACAL_RANDOM_WORLDS");
  return text ? std::strtoul(text, nullptr, 10) : 4;
}

TEST(RandomWorldRootTest, KernelSaysWhatTheOracleSays) {
  constexpr size_t kChanges = 120;
  constexpr size_t kEvery = 5;
  constexpr size_t kPackets = 200;
  const std::vector<LocalPod> pods = local_pods();
  std::vector<LabPod> links;
  for (const LocalPod& pod : pods) links.push_back(pod.link);
  auto lab = PacketLab::create(links);
  ASSERT_TRUE(lab) << lab.error().message;
  auto driver = NftDriver::open_in((*lab)->node());
  ASSERT_TRUE(driver) << driver.error().message;
  Comparison comparison(**lab, pods);

  for (uint32_t seed = 1; seed <= worlds(); ++seed) {
    std::mt19937 random(seed);
    RandomWorld source(
        seed, {.tiers = seed % 2 == 0, .shared_addresses = false, .local_endpoints = false});
    model::World world;
    Engine engine(source.world().tiers);
    world.tiers = source.world().tiers;
    const auto change = [&](const model::Update& update) {
      world.apply(update);
      engine.apply(update);
    };
    for (const LocalPod& pod : pods)
      change(model::LocalEndpointUpdate{
          pod.link.interface,
          model::LocalEndpoint{pod.name, pod.link.interface, pod.link.addresses}});
    // The first state by sync(), which repairs what the last world left; then deltas only.
    engine.flush();
    ASSERT_TRUE(driver->sync(engine.tables()));
    for (size_t step = 1; step <= kChanges; ++step) {
      change(source.next());
      if (step % kEvery != 0) continue;
      auto applied = driver->apply(engine.flush());
      ASSERT_TRUE(applied) << "seed " << seed << " step " << step << ": "
                           << applied.error().message;
      ASSERT_EQ(driver->tables(), engine.tables()) << "seed " << seed << " step " << step;
      const auto packets = comparison.sample(source, random, kPackets);
      auto text = comparison.differences(world, packets);
      ASSERT_TRUE(text) << text.error().message;
      if (!text->empty()) {
        const model::World small = shrink(world, *driver, comparison, packets);
        FAIL() << "seed " << seed << " step " << step << "\n"
               << *text << "in a world like\n"
               << policy_testing::describe(small);
      }
    }
    auto kernel = driver->read_back();
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(*kernel, engine.tables()) << "seed " << seed;
  }
  std::cout << comparison.allowed + comparison.denied << " packets, " << comparison.denied
            << " of them denied\n";
  // A test that sees one verdict only says nothing.
  EXPECT_GT(comparison.allowed, kPackets);
  EXPECT_GT(comparison.denied, kPackets);
}

}  // namespace
}  // namespace caracal::dataplane::nft
